"""The k-sparse autoencoder: the k largest outputs of the encoder are the code."""

from typing import Unpack

from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import Point
from sparsevae.models.priors import TARGET_ACTIVE, NoPrior, Target, default_alpha
from sparsevae.models.schedules import Progress
from sparsevae.networks.trunks import Shape


class TopK(Model):
    """The k largest entries of f(x), all others exactly 0 (Makhzani and Frey 2014, section 2):

        loss = −log p(x|z),  z_j = f_j(x) where it is among the k largest, else 0.

    The outputs of f start with mean 0 and variance 1 over the examples, so that every dimension
    is among the largest for some of them. The paper lowers k during training to that end.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        active: k, from 1 to J; None takes J·min(½, target/J), rounded.
        target_active: the target that k is made from when it is not given.
        examples: inputs that f starts from, see :meth:`Model.start_from`; None draws it.
        **common: see :class:`Model`.
    """

    has_gates = True

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        active: int | None = None,
        target_active: Target = TARGET_ACTIVE,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        chosen = (
            max(1, round(latents * default_alpha(latents, target_active)))
            if active is None
            else active
        )
        if not 1 <= chosen <= latents:
            raise ConfigurationError(
                f"A top-k autoencoder keeps 1 to {latents} of its {latents} latents; "
                f"active is {active}."
            )
        super().__init__(shape, latents, outputs=1, prior=NoPrior(), **common)
        self.active, self.target_active = chosen, float(chosen)
        if examples is not None:
            self.start_from(examples)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Point:
        """All mass on the k largest entries of f(x), batch shape ``(B, J)``."""
        features = self.encoder(x)
        largest = features.topk(self.active, dim=-1)
        kept = features.new_zeros(features.shape).scatter(-1, largest.indices, largest.values)
        return Point(kept, sparse=True)
