"""The sparse autoencoder that keeps the largest activations of a batch."""

from typing import Unpack

import torch
from torch import Tensor

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import Point, Posterior
from sparsevae.models.priors import TARGET_ACTIVE, NoPrior, Target, default_alpha
from sparsevae.models.schedules import Progress
from sparsevae.networks.trunks import Shape

STEP = 0.01  # of the moving average


class BatchTopK(Model):
    """max(f(x), 0) where it is among the k·B largest of a batch of B, else 0 (Bussmann 2024):

        loss = −log p(x|z),  z_j = a_j·1[a_j ≥ θ],  a = max(f(x), 0).

    In training θ is the least of the k·B largest a of the batch, so that an image may take more
    dimensions and another fewer; in use it is the moving average of those, and codes do not
    depend on what else is encoded. The published auxiliary loss, which wakes dimensions that are
    off for all images, is left out: it needs a linear decoder.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        target_active: k, at most J/2.
        examples: inputs that standardise f at the start; None leaves it as it was drawn.
        **common: see :class:`Model`.
    """

    has_gates = couples_rows = True
    threshold: Tensor

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        target_active: Target = TARGET_ACTIVE,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(shape, latents, outputs=1, prior=NoPrior(), **common)
        self.target_active = latents * default_alpha(latents, target_active)
        self.register_buffer("threshold", torch.tensor(0.0))
        if examples is not None:
            self.encoder.standardise(examples)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Point:
        """All mass on the activations that are kept, batch shape ``(B, J)``."""
        activations = self.encoder(x).relu()
        threshold = self.threshold
        if self.training:
            kept = max(1, round(len(x) * float(self.target_active or 1)))
            threshold = activations.detach().flatten().topk(kept).values[-1]
        on = (activations >= threshold) & (activations > 0)
        return Point(activations * on, sparse=True)

    def draw(self, q: Posterior, progress: Progress) -> Tensor:
        """The code itself; in training the moving average follows what is kept."""
        if self.training:
            with torch.no_grad():
                least = torch.where(q.loc > 0, q.loc, torch.inf).amin()
                least = torch.where(least.isfinite(), least, self.threshold)
                step = torch.where(self.threshold == 0, 1.0, STEP)
                self.threshold.lerp_(least.to(self.threshold.dtype), step)
        return q.loc
