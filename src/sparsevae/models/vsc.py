"""Variational Sparse Coding, with or without warm-up of the spikes."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sparsevae import priors
from sparsevae.distributions import Estimator, SpikeAndSlab
from sparsevae.models.base import Model, Terms
from sparsevae.networks import CHANNELS, Shape
from sparsevae.penalties import ActivityPenalty, Penalised
from sparsevae.schedules import Progress, Schedule, from_json

Scheduled = Mapping[str, Any] | float | Schedule


class VSC(Model):
    """q(z|x) = Π_j [γ_j N(μ_j, s_j²) + (1−γ_j) δ₀] (Tonolini et al. 2019):

        loss = −log p(x|z) + w(t)·KL(q_λ(z|x) ‖ p(z)) + ρ·Σ_j KL(γ̄_j ‖ α),
        z drawn from q_λ = Π_j [γ_j N(λμ_j, λs_j² + 1−λ) + (1−γ_j) δ₀],  λ = λ(t).

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        channels: widths of the trunk.
        prior: "fixed", "learned" or "mixture" (of pseudo-inputs).
        alpha: α, the share of images for which a dimension should be on.
        temperature: τ of the relaxation that carries the spikes' gradient.
        estimator: "straight-through" (exact zeros) or "concrete" (relaxed spikes).
        warm_up: λ as a function of progress t.
        kl_weight: w as a function of progress.
        penalty: ρ is put on the "posterior", on the "prior", or on "none".
        penalty_weight: ρ.
        pseudo_inputs: U, for the mixture.
        examples: at least U images or vectors to start the pseudo-inputs from.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        channels: Sequence[int] = CHANNELS,
        prior: priors.SparsePrior = "fixed",
        alpha: float | None = None,
        temperature: float = 0.5,
        estimator: Estimator = "straight-through",
        warm_up: Scheduled = 1.0,
        kl_weight: Scheduled = 1.0,
        penalty: Penalised = "none",
        penalty_weight: float = 1.0,
        pseudo_inputs: int = 50,
        examples: Tensor | None = None,
    ) -> None:
        alpha = priors.default_alpha(latents) if alpha is None else alpha
        starts = (
            torch.rand(pseudo_inputs, *shape) if examples is None else examples[:pseudo_inputs]
        )
        warm_up = from_json(warm_up)
        super().__init__(
            shape,
            latents,
            outputs=3,
            channels=channels,
            prior=priors.sparse(prior, latents, alpha, warm_up, starts),
            penalty=ActivityPenalty(penalty, alpha, penalty_weight),
            kl_weight=from_json(kl_weight),
        )
        self.warm_up, self.temperature, self.estimator = warm_up, temperature, estimator

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> SpikeAndSlab:
        """Spike and slab with the warm-up of ``progress``, batch shape ``(B, J)``."""
        logits, loc, log_variance = self.encoder(x).chunk(3, dim=-1)
        q = SpikeAndSlab(logits, loc, (0.5 * log_variance).exp())
        return q.warmed(self.warm_up(progress))

    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """−log p(x|z) + w·KL(q_λ ‖ p) + ρ·Σ_j KL(γ̄_j ‖ α)."""
        q = self.posterior(x, progress)
        z, _ = q.draw(self.temperature, self.estimator)
        reconstruction = -self.likelihood(z).log_prob(x)
        kl, expected = self.prior.kl(q, x, lambda u: self.posterior(u, progress), progress)
        penalty = self.penalty(q.spike_probability, expected)
        return Terms(reconstruction, kl, penalty, self.kl_weight(progress))
