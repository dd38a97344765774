"""The variational autoencoder, with β."""

from collections.abc import Sequence

from torch import Tensor

from sparsevae.models.base import Model, Terms
from sparsevae.models.distributions import Gaussian
from sparsevae.models.likelihoods import Named
from sparsevae.models.priors import StandardNormal
from sparsevae.models.schedules import Progress, between
from sparsevae.networks.trunks import CHANNELS, Shape


class VAE(Model):
    """q(z|x) = N(μ(x), s(x)²) and p(z) = N(0, I) (Kingma and Welling 2014):

        loss = −log p(x|z) + β·KL(q(z|x) ‖ p(z)),  z = μ + s ε.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        channels: widths of the trunk.
        beta: β, the weight of the divergence (Higgins et al. 2017); 1 is the bound.
        likelihood: the family of p(x|z).
        input_noise: noise on what the encoder sees in training, see :meth:`shown`.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        channels: Sequence[int] = CHANNELS,
        beta: float = 1.0,
        likelihood: Named = "bernoulli",
        input_noise: float = 0.0,
    ) -> None:
        super().__init__(
            shape,
            latents,
            outputs=2,
            channels=channels,
            prior=StandardNormal(),
            kl_weight=between("beta", beta, 0.0),
            likelihood=likelihood,
            input_noise=input_noise,
        )

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Gaussian:
        """N(μ(x), s(x)²), batch shape ``(B, J)``."""
        loc, log_variance = self.encoder(x).chunk(2, dim=-1)
        return Gaussian(loc, (0.5 * log_variance).exp())

    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """−log p(x|z) + β·KL(q(z|x) ‖ N(0, I))."""
        q = self.posterior(self.shown(x), progress)
        z = q.rsample()
        reconstruction = -self.likelihood(z).log_prob(x)
        kl = self.prior.kl(q, x, self.posterior, progress).kl
        return Terms(reconstruction, kl, x.new_zeros(()), self.kl_weight(progress))
