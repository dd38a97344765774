"""A model's prior as a mixture of spike-and-slabs, and codes drawn from it.

Shape legend: J latent dimensions, U components.
"""

from functools import singledispatch
from typing import NamedTuple

import torch
from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.models import Model
from sparsevae.models.distributions import Gaussian, SpikeAndSlab
from sparsevae.models.priors import (
    FixedSpikeAndSlab,
    LearnedSpikeAndSlab,
    Prior,
    PseudoInputMixture,
    StandardNormal,
)

OPEN = 40.0  # log-odds of a gate that is always open: 1 − γ is 4e-18


class Mixture(NamedTuple):
    """p(z) = Σ_u π_u p_u(z), what every prior with a density is.

    Attributes:
        log_weights: log π, shape ``(U,)``.
        components: batch shape ``(U, J)``.
    """

    log_weights: Tensor
    components: SpikeAndSlab


def gated(distribution: Gaussian | SpikeAndSlab) -> SpikeAndSlab:
    """The same distribution with gates; a Gaussian's are always open."""
    if isinstance(distribution, SpikeAndSlab):
        return distribution
    loc, scale = distribution.loc, distribution.scale
    return SpikeAndSlab(torch.full_like(loc, OPEN), loc, scale)


def has_density(prior: Prior) -> bool:
    """Whether :func:`mixture_of` knows the prior, so that codes can be drawn from it."""
    return _mixture.dispatch(type(prior)) is not _mixture.dispatch(object)


def mixture_of(model: Model) -> Mixture:
    """The prior as the trained model has it (progress 1).

    Raises:
        ConfigurationError: the model's prior has no density.
    """
    return _mixture(model.prior, model)


@torch.no_grad()
def draw_codes(model: Model, count: int) -> Tensor:
    """Codes z ~ p(z) from torch's generator, as the trained model has it, shape ``(count, J)``.

    Raises:
        ConfigurationError: the model's prior is none that can be drawn from.
    """
    log_weights, p = mixture_of(model)
    chosen = torch.multinomial(log_weights.exp(), count, replacement=True)
    return SpikeAndSlab(p.logits[chosen], p.loc[chosen], p.scale[chosen]).rsample()


@singledispatch
def _mixture(prior: Prior, model: Model) -> Mixture:
    raise ConfigurationError(
        f"Codes cannot be drawn from the prior {prior.name!r}; encode data instead."
    )


def _alone(p: SpikeAndSlab) -> Mixture:
    """One component, of batch shape ``(J,)``."""
    single = SpikeAndSlab(p.logits[None], p.loc[None], p.scale[None])
    return Mixture(p.logits.new_zeros(1), single)


@_mixture.register
def _(prior: StandardNormal, model: Model) -> Mixture:
    zeros = next(model.parameters()).new_zeros(model.latents)
    return _alone(gated(Gaussian(zeros, torch.ones_like(zeros))))


@_mixture.register(FixedSpikeAndSlab)
@_mixture.register(LearnedSpikeAndSlab)
def _(prior: FixedSpikeAndSlab | LearnedSpikeAndSlab, model: Model) -> Mixture:
    return _alone(prior.distribution(1.0))


@_mixture.register
def _(prior: PseudoInputMixture, model: Model) -> Mixture:
    return Mixture(prior.log_weights, prior.components(model.posterior))
