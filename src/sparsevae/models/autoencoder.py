"""The deterministic autoencoder."""

from typing import Unpack

from torch import Tensor

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import Point
from sparsevae.models.priors import NoPrior
from sparsevae.models.schedules import Progress
from sparsevae.networks.trunks import Shape


class AutoEncoder(Model):
    """A code z = f(x) and no prior:

        loss = −log p(x | f(x)).

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        **common: see :class:`Model`.
    """

    def __init__(self, shape: Shape, latents: int, **common: Unpack[Common]) -> None:
        super().__init__(shape, latents, outputs=1, prior=NoPrior(), **common)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Point:
        """All mass on f(x), batch shape ``(B, J)``."""
        return Point(self.encoder(x))
