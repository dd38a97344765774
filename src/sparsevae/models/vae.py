"""The variational autoencoder, with β."""

from typing import Unpack

from torch import Tensor

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import Gaussian
from sparsevae.models.priors import StandardNormal
from sparsevae.models.schedules import Progress, between
from sparsevae.networks.trunks import Shape


class VAE(Model):
    """q(z|x) = N(μ(x), s(x)²) and p(z) = N(0, I) (Kingma and Welling 2014):

        loss = −log p(x|z) + β·KL(q(z|x) ‖ p(z)),  z = μ + s ε.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        beta: β, the weight of the divergence (Higgins et al. 2017); 1 is the bound.
        **common: see :class:`Model`.
    """

    def __init__(
        self, shape: Shape, latents: int, *, beta: float = 1.0, **common: Unpack[Common]
    ) -> None:
        weight = between("beta", beta, 0.0)
        prior = StandardNormal(latents)
        super().__init__(shape, latents, outputs=2, prior=prior, kl_weight=weight, **common)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Gaussian:
        """N(μ(x), s(x)²), batch shape ``(B, J)``."""
        loc, log_variance = self.encoder(x).chunk(2, dim=-1)
        return Gaussian(loc, (0.5 * log_variance).exp())
