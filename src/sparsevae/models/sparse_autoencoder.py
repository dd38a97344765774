"""The sparse autoencoder: a rectified code with a price on its size."""

from collections.abc import Sequence

from torch import Tensor, linalg, nn
from torch.nn.utils.parametrize import register_parametrization

from sparsevae.models.base import Model, Terms
from sparsevae.models.distributions import SparsePoint
from sparsevae.models.likelihoods import Named
from sparsevae.models.priors import Laplace
from sparsevae.models.schedules import Progress, Scheduled, between
from sparsevae.networks.trunks import CHANNELS, Shape


class UnitColumns(nn.Module):
    """A matrix with the columns of another, scaled to length 1."""

    def forward(self, weight: Tensor) -> Tensor:
        """(O, I) → (O, I)."""
        unit: Tensor = weight / linalg.vector_norm(weight, dim=0, keepdim=True)
        return unit


class SparseAutoEncoder(Model):
    """A code z = max(f(x), 0), whose zeros are exact, at a price of w nats a unit:

        loss = −log p(x|z) + w(t)·Σ_j |z_j|.

    A sparse autoencoder as in Ng 2011 ("Sparse autoencoder"), with the price of sparse coding in
    place of his penalty. A small code before large weights would evade the price, so each z_j
    leaves through weights of length 1, as in a dictionary (Olshausen and Field 1996); layers
    behind them may still make up for a small code. The outputs of f start with mean 0 and
    variance 1 over the examples: a unit that is off for all images would stay off.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        channels: widths of the trunk.
        weight: w over progress t, nats.
        examples: inputs that standardise f at the start; None leaves it as it was drawn.
        likelihood: the family of p(x|z).
        input_noise: noise on what the encoder sees in training, see :meth:`shown`.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        channels: Sequence[int] = CHANNELS,
        weight: Scheduled = 1.0,
        examples: Tensor | None = None,
        likelihood: Named = "bernoulli",
        input_noise: float = 0.0,
    ) -> None:
        super().__init__(
            shape,
            latents,
            outputs=1,
            channels=channels,
            prior=Laplace(),
            kl_weight=between("weight", weight, 0.0),
            likelihood=likelihood,
            input_noise=input_noise,
        )
        register_parametrization(self.decoder.trunk[0], "weight", UnitColumns())
        if examples is not None:
            self.encoder.standardise(examples)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> SparsePoint:
        """All mass on max(f(x), 0), batch shape ``(B, J)``."""
        return SparsePoint(self.encoder(x).relu())

    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """−log p(x|z) + w·Σ_j |z_j|."""
        q = self.posterior(self.shown(x), progress)
        reconstruction = -self.likelihood(q.loc).log_prob(x)
        size = self.prior.kl(q, x, self.posterior, progress).kl
        active = q.spike_probability.mean(0)
        return Terms(reconstruction, size, x.new_zeros(()), self.kl_weight(progress), active)
