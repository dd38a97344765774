"""The deterministic autoencoder."""

from collections.abc import Sequence

from torch import Tensor

from sparsevae.models.base import Model, Terms
from sparsevae.models.distributions import Point
from sparsevae.models.likelihoods import Named
from sparsevae.models.priors import NoPrior
from sparsevae.models.schedules import Progress
from sparsevae.networks.trunks import CHANNELS, Shape


class AutoEncoder(Model):
    """A code z = f(x) and no prior:

        loss = −log p(x | f(x)).

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        channels: widths of the trunk.
        likelihood: the family of p(x|z).
        input_noise: noise on what the encoder sees in training, see :meth:`shown`.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        channels: Sequence[int] = CHANNELS,
        likelihood: Named = "bernoulli",
        input_noise: float = 0.0,
    ) -> None:
        super().__init__(
            shape,
            latents,
            outputs=1,
            channels=channels,
            prior=NoPrior(),
            likelihood=likelihood,
            input_noise=input_noise,
        )

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Point:
        """All mass on f(x), batch shape ``(B, J)``."""
        return Point(self.encoder(x))

    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """−log p(x | f(x))."""
        z = self.posterior(self.shown(x), progress).rsample()
        reconstruction = -self.likelihood(z).log_prob(x)
        kl = x.new_zeros(len(x))
        return Terms(reconstruction, kl, penalty=x.new_zeros(()))
