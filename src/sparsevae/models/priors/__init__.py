"""Priors over codes, and the divergence of a posterior from them.

Every prior has the one signature ``kl(posterior, x, encoder, progress)``. A prior never
holds the encoder: where it needs one (pseudo-inputs), the caller passes it.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

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
from sparsevae.models.priors.mixture import PseudoInputMixture
from sparsevae.models.schedules import Constant, Schedule

__all__ = [
    "TARGET_ACTIVE",
    "Divergence",
    "Encode",
    "FixedSpikeAndSlab",
    "Laplace",
    "LearnedSpikeAndSlab",
    "NoPrior",
    "Prior",
    "PseudoInputMixture",
    "SparsePrior",
    "StandardNormal",
    "default_alpha",
    "sparse",
    "start_images",
]

SparsePrior = Literal["fixed", "unweighted", "learned", "mixture", "classifier", "published"]
TARGET_ACTIVE = 8.0


def default_alpha(latents: int, target_active: float = TARGET_ACTIVE) -> float:
    """α = min(½, target/J): on average ``target`` dimensions are on.

    Example:
        >>> default_alpha(64), default_alpha(2)
        (0.125, 0.5)
    """
    return min(0.5, target_active / latents)


def start_images(examples: Tensor | None, count: int, shape: tuple[int, ...]) -> Tensor:
    """Where pseudo-inputs start, shape ``(count, *shape)``: between examples and noise.

    Each is the mean of an example and of uniform noise in [0, 1]; without examples it is the
    noise. An encoder that has learned to read such images is not misled by noise and grey
    backgrounds later. Too few examples are used again, so that the number of pseudo-inputs
    never depends on them.

    Raises:
        ConfigurationError: ``count`` is below 1.
    """
    if count < 1:
        raise ConfigurationError(f"pseudo_inputs is a number from 1 on, not {count}.")
    noise = torch.rand(count, *shape)
    if examples is None:
        return noise
    return 0.5 * (examples[torch.arange(count) % len(examples)] + noise)


def sparse(
    name: SparsePrior,
    latents: int,
    alpha: float,
    warm_up: Schedule,
    pseudo_inputs: Tensor,
    alpha_factor: Schedule = Constant(1.0),
) -> Prior:
    """The prior of a spike-and-slab model by its name.

    Raises:
        ConfigurationError: an unknown name, or α outside (0, 1).
    """
    if not 0.0 < alpha < 1.0:
        raise ConfigurationError(f"alpha is a share between 0 and 1, both excluded; got {alpha}.")
    match name:
        case "fixed" | "unweighted":
            return FixedSpikeAndSlab(latents, alpha, alpha_factor, weighted=name == "fixed")
        case "learned":
            return LearnedSpikeAndSlab(latents, alpha, warm_up)
        case "mixture":
            return PseudoInputMixture(pseudo_inputs)
        case "classifier" | "published":
            return PseudoInputMixture(pseudo_inputs, name)
    raise ConfigurationError(
        f"A prior is one of {', '.join(get_args(SparsePrior))}, not {name!r}."
    )
