"""Variational Sparse Coding, with or without warm-up of the spikes."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor

from sparsevae.models import priors
from sparsevae.models.base import Model, Terms
from sparsevae.models.distributions import Estimator, SpikeAndSlab
from sparsevae.models.likelihoods import Named
from sparsevae.models.penalties import ActivityPenalty, Distance, Penalised
from sparsevae.models.schedules import Progress, Scheduled, between
from sparsevae.networks.trunks import CHANNELS, Shape

LOG_ODDS, LOG_VARIANCE = 15.0, 10.0  # bounds on what the encoder gives
LOWEST = 1e-6  # of what must be above 0


class VSC(Model):
    """q(z|x) = Π_j [γ_j N(μ_j, s_j²) + (1−γ_j) δ₀] (Tonolini et al. 2019):

        loss = −log p(x|z) + w(t)·KL(q_λ(z|x) ‖ p(z)) + ρ(t)·Σ_j d(γ̄_j, α),
        z drawn from q_λ = Π_j [γ_j N(λμ_j, λs_j² + 1−λ) + (1−γ_j) δ₀],  λ = λ(t).

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        channels: widths of the trunk.
        prior: "fixed", "learned", "mixture" of pseudo-inputs, or a mixture weighted by a
            "classifier" or as "published"; "unweighted" is "fixed" with the slab's whole
            divergence.
        alpha: α, the share of images for which a dimension should be on. None takes
            ``target_active``/J, at most ½, and holds Σ_j γ_j there by a price, see
            :class:`ActivityPenalty`.
        alpha_factor: what α, and with it the target, is multiplied by over progress t.
        target_active: how many dimensions should be on an image, when α is not given.
        temperature: τ of the spikes' relaxation, over progress t.
        estimator: how a gradient passes a spike, see :meth:`SpikeAndSlab.draw`.
        warm_up: λ over progress t.
        warm_up_form: "published" interpolates the log-variance, and in the draw alone.
        kl_weight: w over progress t.
        penalty: what ρ is on: "posterior", "prior", "scalar" (as published) or "none".
        penalty_weight: ρ over progress t.
        penalty_distance: d, "kl" or "symmetric", see :class:`ActivityPenalty`.
        pseudo_inputs: U, for a mixture.
        examples: at least U images or vectors to start the pseudo-inputs from.
        likelihood: the family of p(x|z).
        input_noise: noise on what the encoder sees in training, see :meth:`shown`.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        channels: Sequence[int] = CHANNELS,
        prior: priors.SparsePrior = "fixed",
        alpha: float | None = None,
        alpha_factor: Scheduled = 1.0,
        target_active: float = priors.TARGET_ACTIVE,
        temperature: Scheduled = 0.5,
        estimator: Estimator = "straight-through",
        warm_up: Scheduled = 1.0,
        warm_up_form: Literal["variance", "published"] = "variance",
        kl_weight: Scheduled = 1.0,
        penalty: Penalised = "none",
        penalty_weight: Scheduled = 1.0,
        penalty_distance: Distance = "kl",
        pseudo_inputs: int = 50,
        examples: Tensor | None = None,
        likelihood: Named = "bernoulli",
        input_noise: float = 0.0,
    ) -> None:
        rate = priors.default_alpha(latents, target_active) if alpha is None else alpha
        starts = priors.start_images(examples, pseudo_inputs, shape)
        slab = between("warm_up", warm_up, 0.0, 1.0)
        factor = between("alpha_factor", alpha_factor, LOWEST)
        super().__init__(
            shape,
            latents,
            outputs=3,
            channels=channels,
            prior=priors.sparse(prior, latents, rate, slab, starts, factor),
            penalty=ActivityPenalty(
                penalty,
                rate,
                between("penalty_weight", penalty_weight, 0.0),
                rate * latents if alpha is None else None,
                penalty_distance,
                factor,
            ),
            kl_weight=between("kl_weight", kl_weight, 0.0),
            likelihood=likelihood,
            input_noise=input_noise,
        )
        self.warm_up, self.temperature = slab, between("temperature", temperature, LOWEST)
        self.estimator, self.published = estimator, warm_up_form == "published"

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> SpikeAndSlab:
        """Spike and slab with the warm-up of ``progress``, batch shape ``(B, J)``.

        Log-odds stay within ±15 and log-variances within ±10, so that every divergence is finite
        and γ never so near 0 that a penalty's pull on its log-odds is gone. What the encoder gives
        may still run away: beyond ±135 the bound's own slope is 0 in single precision.
        """
        logits, loc, log_variance = self.encoder(x).chunk(3, dim=-1)
        scale = (0.5 * _within(log_variance, LOG_VARIANCE)).exp()
        q = SpikeAndSlab(_within(logits, LOG_ODDS), loc, scale)
        return q.warmed(self.warm_up(progress))

    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """−log p(x|z) + w·KL(q_λ ‖ p) + ρ·Σ_j d(γ̄_j, α)."""
        known: Progress = 1.0 if self.published else progress  # whose λ the divergence has
        q = self.posterior(self.shown(x), known)
        drawn = q.warmed(self.warm_up(progress), "log-variance") if self.published else q
        z, _ = drawn.draw(self.temperature(progress), self.estimator)
        reconstruction = -self.likelihood(z).log_prob(x)
        kl, expected = self.prior.kl(q, x, lambda u: self.posterior(u, known), known)
        penalty = self.penalty(q.spike_probability, expected, progress)
        active = q.spike_probability.detach().mean(0)
        return Terms(reconstruction, kl, penalty, self.kl_weight(progress), active)


def _within(values: Tensor, bound: float) -> Tensor:
    """Values kept in (−bound, bound), nearly as they are far inside."""
    return bound * torch.tanh(values / bound)
