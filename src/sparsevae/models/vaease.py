"""A VAE whose decoder sees a code the less, the less sure the encoder is of it."""

from typing import Unpack

from torch import Tensor

from sparsevae.models.base import Common, Model
from sparsevae.models.priors import EasedNormal
from sparsevae.models.schedules import Progress
from sparsevae.models.sparse_distributions import Eased
from sparsevae.networks.trunks import Shape

LEAST = -20.0  # of log s²


class VAEase(Model):
    """log s² = min(−a, 0) for an encoder that gives μ and a (Lu, Zhu, He and Wipf 2025):

        loss = −log p(x | (1−s) u) + ½ Σ_j (s² + μ² − log s² − 1),  u = μ + s ε.

    What is decoded depends on x through s too, and the divergence is that of u: **no bound**.
    A dimension with s = 1 is exactly 0; every other counts as on here. One with a ≤ 0 for all
    images would learn nothing, so the outputs of the encoder start with mean 0 and variance 1.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        examples: inputs that standardise the encoder at the start; None leaves it as drawn.
        **common: see :class:`Model`.
    """

    has_gates = True

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(shape, latents, outputs=2, prior=EasedNormal(), **common)
        if examples is not None:
            self.encoder.standardise(examples)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Eased:
        """The law of what is decoded, batch shape ``(B, J)``."""
        mu, a = self.encoder(x).chunk(2, dim=-1)
        return Eased(mu, (-a).clamp(LEAST, 0.0))
