"""Codes drawn from a model's prior.

Shape legend: J latent dimensions.
"""

from functools import singledispatch

import torch
from torch import Tensor

from sparsevae.distributions import Gaussian, SpikeAndSlab
from sparsevae.errors import ConfigurationError
from sparsevae.models import Model
from sparsevae.priors import (
    FixedSpikeAndSlab,
    LearnedSpikeAndSlab,
    Prior,
    PseudoInputMixture,
    StandardNormal,
)


@torch.no_grad()
def draw_codes(model: Model, count: int) -> Tensor:
    """Codes z ~ p(z) from torch's generator, as the trained model has it, shape ``(count, J)``.

    Raises:
        ConfigurationError: the model's prior is none that can be drawn from.
    """
    return _posterior_like(model.prior, model, count).rsample()


@singledispatch
def _posterior_like(prior: Prior, model: Model, count: int) -> Gaussian | SpikeAndSlab:
    """A distribution of batch shape ``(count, J)`` with independent draws from the prior."""
    raise ConfigurationError(
        f"Codes cannot be drawn from the prior {prior.name!r}; encode data instead."
    )


@_posterior_like.register
def _(prior: StandardNormal, model: Model, count: int) -> Gaussian:
    zeros = next(model.parameters()).new_zeros(count, model.latents)
    return Gaussian(zeros, torch.ones_like(zeros))


@_posterior_like.register
def _(prior: FixedSpikeAndSlab, model: Model, count: int) -> SpikeAndSlab:
    logits = prior.logits.expand(count, -1)
    return SpikeAndSlab(logits, torch.zeros_like(logits), torch.ones_like(logits))


@_posterior_like.register
def _(prior: LearnedSpikeAndSlab, model: Model, count: int) -> SpikeAndSlab:
    shape = (count, model.latents)
    parameters = (prior.logits, prior.loc, prior.log_scale.exp())
    return SpikeAndSlab(*(parameter.expand(shape) for parameter in parameters))


@_posterior_like.register
def _(prior: PseudoInputMixture, model: Model, count: int) -> SpikeAndSlab:
    components = prior.components(model.posterior)
    chosen = torch.multinomial(prior.log_weights.exp(), count, replacement=True)
    return SpikeAndSlab(
        components.logits[chosen], components.loc[chosen], components.scale[chosen]
    )
