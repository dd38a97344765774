"""The sparse autoencoder: a rectified code that pays for its size."""

from typing import Unpack

from torch import Tensor, linalg, nn
from torch.nn.utils.parametrize import register_parametrization

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import Point
from sparsevae.models.priors import Laplace, Target
from sparsevae.models.schedules import Progress, Scheduled, between
from sparsevae.networks.trunks import Shape


class UnitColumns(nn.Module):
    """A matrix with the columns of another, scaled to length 1."""

    def forward(self, weight: Tensor) -> Tensor:
        """(O, I) → (O, I)."""
        scaled: Tensor = weight / linalg.vector_norm(weight, dim=0, keepdim=True)
        return scaled


class SparseAutoEncoder(Model):
    """A code z = max(f(x), 0), whose zeros are exact, at a cost of w nats for |z_j| = 1:

        loss = −log p(x|z) + w(t)·Σ_j |z_j|.

    A sparse autoencoder as in Ng 2011 ("Sparse autoencoder"), with the cost of sparse coding in
    place of his penalty. A small code before large weights would evade the cost, so each z_j
    leaves through weights of length 1, as in a dictionary (Olshausen and Field 1996); layers
    behind them may still make up for a small code. The outputs of f start with mean 0 and
    variance 1 over the examples: a dimension that is off for all images would stay off.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        weight: w over progress t, nats; not used with a target.
        target_active: how many dimensions should be on an image: w starts low, rises while more
            are on and falls while fewer are. None takes ``weight``.
        examples: inputs that standardise f at the start; None leaves it as it was drawn.
        **common: see :class:`Model`.
    """

    has_gates = True

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        weight: Scheduled = 1.0,
        target_active: Target | None = None,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        cost = between("weight", weight if target_active is None else 1.0, 0.0)
        super().__init__(
            shape, latents, outputs=1, prior=Laplace(target_active), kl_weight=cost, **common
        )
        self.target_active = target_active
        if common.get("trunk") != "linear":  # whose dictionary is of length 1 by itself
            register_parametrization(self.decoder.trunk[0], "weight", UnitColumns())
        if examples is not None:
            self.encoder.standardise(examples)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Point:
        """All mass on max(f(x), 0), batch shape ``(B, J)``."""
        return Point(self.encoder(x).relu(), sparse=True)
