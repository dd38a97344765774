"""Priors over codes, the divergence of a posterior from them, and the table of sparse ones.

Every prior has the one signature ``kl(posterior, x, encoder, progress)``. A prior never
holds the encoder: where it needs one (pseudo-inputs), the caller passes it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, Field
from torch import Tensor

from sparsevae.data.scaling import Domain
from sparsevae.errors import ConfigurationError
from sparsevae.models.priors.base import (
    Divergence,
    Encode,
    Laplace,
    NoPrior,
    Prior,
    StandardNormal,
)
from sparsevae.models.priors.factorised import FixedSpikeAndSlab, LearnedSpikeAndSlab
from sparsevae.models.priors.mixture import PseudoInputMixture, start_images
from sparsevae.models.priors.sparse import (
    CutStandardNormal,
    EasedNormal,
    LaplaceSlabs,
    PoissonPrior,
    Thresholds,
)
from sparsevae.models.schedules import Constant, Schedule
from sparsevae.models.tables import Table

__all__ = [
    "PRIORS",
    "TARGET_ACTIVE",
    "CutStandardNormal",
    "Divergence",
    "EasedNormal",
    "Encode",
    "FixedSpikeAndSlab",
    "Laplace",
    "LaplaceSlabs",
    "LearnedSpikeAndSlab",
    "NoPrior",
    "PoissonPrior",
    "Prior",
    "PriorName",
    "PriorSettings",
    "PseudoInputMixture",
    "StandardNormal",
    "Target",
    "Thresholds",
    "default_alpha",
    "register",
    "start_images",
]

TARGET_ACTIVE = 8.0
Target = Annotated[float, Field(gt=0, allow_inf_nan=False)]  # dimensions that are on an image


def default_alpha(latents: int, target_active: float = TARGET_ACTIVE) -> float:
    """α = min(½, target/J): on average ``target`` dimensions are on.

    Args:
        latents: J.
        target_active: how many dimensions are to be on.

    Example:
        >>> default_alpha(64), default_alpha(2)
        (0.125, 0.5)
    """
    return min(0.5, target_active / latents)


@dataclass(frozen=True)
class PriorSettings:
    """What a model tells the prior that it makes; a prior takes of it what it needs.

    Attributes:
        latents: J.
        alpha: α in (0, 1), the share of images for which a dimension should be on.
        pseudo_inputs: where U pseudo-inputs start, shape ``(U, *shape)``.
        warm_up: λ of the slabs over progress.
        alpha_factor: what α is multiplied by over progress.
        domain: where rows lie, see :class:`PseudoInputMixture`.

    Raises:
        ConfigurationError: α outside (0, 1).
    """

    latents: int
    alpha: float
    pseudo_inputs: Tensor
    warm_up: Schedule = Constant(1.0)
    alpha_factor: Schedule = Constant(1.0)
    domain: Domain = "unit"

    def __post_init__(self) -> None:
        if not 0.0 < self.alpha < 1.0:
            raise ConfigurationError(
                f"alpha is a share between 0 and 1, both excluded; got {self.alpha}."
            )


PRIORS: Table[Callable[[PriorSettings], Prior]] = Table(
    "prior",
    {
        "fixed": lambda s: FixedSpikeAndSlab(s.latents, s.alpha, s.alpha_factor),
        "learned": lambda s: LearnedSpikeAndSlab(s.latents, s.alpha, s.warm_up),
        "learned-slab": lambda s: LearnedSpikeAndSlab(s.latents, s.alpha, s.warm_up, spikes=False),
        "mixture": lambda s: PseudoInputMixture(s.pseudo_inputs, "exact", s.domain),
        "classifier": lambda s: PseudoInputMixture(s.pseudo_inputs, "classifier", s.domain),
    },
    "sparsevae.models.priors.register",
)
PriorName = Annotated[str, AfterValidator(PRIORS.known)]
register = PRIORS.register
