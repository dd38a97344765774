"""Laplace codes after a soft threshold, in the form that keeps a bound."""

from typing import Unpack

from torch import Tensor

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import within
from sparsevae.models.penalties import ActivityPenalty, Held
from sparsevae.models.priors import TARGET_ACTIVE, LaplaceSlabs, Target, default_alpha
from sparsevae.models.schedules import Progress
from sparsevae.models.sparse_distributions import SpikeAndLaplace
from sparsevae.networks.trunks import Shape

LOG_ODDS, LOG_WIDTH = 15.0, 5.0  # bounds on what the encoder gives


class Thresholded(Model):
    """z = T_λ(y) + μ·1[|y| > λ], y ~ Laplace(0, b), T_λ the soft threshold:

        loss = −log p(x|z) + Σ_j KL(γ_j Laplace(μ_j, b_j) + (1−γ_j) δ₀ ‖ p_j),  γ = e^(−λ/b).

    After Fallah and Rozell 2022, "Variational sparse coding with learned thresholding", who
    take the divergence before the threshold, which is not shown to bound that of the code. What
    a Laplace variable has beyond λ is Laplace again, so the code is a spike and slab and its
    divergence has a closed form: a bound.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        target_active: how many dimensions should be on an image; a multiplier holds it. None
            leaves it to the divergence.
        held: what is brought to the target, see :class:`ActivityPenalty`.
        **common: see :class:`Model`.
    """

    has_gates = True

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        target_active: Target | None = None,
        held: Held = "probabilities",
        **common: Unpack[Common],
    ) -> None:
        share = default_alpha(latents, target_active or TARGET_ACTIVE)
        penalty = ActivityPenalty.holding(share, latents, held) if target_active else None
        prior = LaplaceSlabs(latents, share)
        super().__init__(shape, latents, outputs=3, prior=prior, penalty=penalty, **common)
        self.target_active = share * latents if target_active else None

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> SpikeAndLaplace:
        """The law of the code, batch shape ``(B, J)``."""
        logits, mu, width = self.encoder(x).chunk(3, dim=-1)
        width = within(width, LOG_WIDTH).exp()
        return SpikeAndLaplace(within(logits, LOG_ODDS), mu, width)
