"""The sparse autoencoder whose dimensions have trained thresholds."""

from typing import Unpack

from torch import Tensor

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import Point
from sparsevae.models.penalties import ActivityPenalty
from sparsevae.models.priors import TARGET_ACTIVE, Target, Thresholds, default_alpha
from sparsevae.models.schedules import Progress
from sparsevae.networks.trunks import Shape


class JumpReLU(Model):
    """f(x) where it is above a trained threshold, else 0 (Rajamanoharan et al. 2024):

        loss = −log p(x|z) + ν·(Σ_j 1[f_j > θ_j] − k),  z_j = f_j(x)·1[f_j(x) > max(θ_j, 0)].

    A step has no slope: that of 1[f > θ] in θ is taken as −1/h where f lies within h/2 of θ, else
    0, and in f as 0. The multiplier ν of the constraint stands for the published penalty, so that
    k dimensions are on an image. θ starts half a deviation of f above its mean.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        target_active: k, at most J/2.
        bandwidth: h.
        examples: inputs that f starts from, see :meth:`Model.start_from`; None draws it.
        **common: see :class:`Model`.
    """

    has_gates = True
    prior: Thresholds

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        target_active: Target = TARGET_ACTIVE,
        bandwidth: Target = 0.5,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        share = default_alpha(latents, target_active)
        held = ActivityPenalty.holding(share, latents)
        prior = Thresholds(latents, share * latents)
        super().__init__(shape, latents, outputs=1, prior=prior, penalty=held, **common)
        self.target_active, self.bandwidth = share * latents, bandwidth
        if examples is not None:
            self.start_from(examples)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Point:
        """All mass on the activations above their thresholds, batch shape ``(B, J)``."""
        values, levels = self.encoder(x), self.prior.levels
        on = (values > levels.clamp_min(0.0)).to(values.dtype)
        near = ((values.detach() - levels) / self.bandwidth).clamp(-0.5, 0.5)
        step = near - near.detach()  # 0, with the slope
        return Point(values * on + levels.detach() * step, sparse=True, on=on + step)
