"""Log-weights of codes drawn from the posterior, and the bound on log p(x) that they give.

The base measure of z is Lebesgue + δ₀ in every dimension, so that a code with exact zeros has a
density: with s_j ~ Bernoulli(γ_j) and z_j ~ N(μ_j, s_j²) where s_j = 1, else 0,

    log q(z|x) = Σ_j [s_j (log γ_j + log N(z_j; μ_j, s_j²)) + (1−s_j) log(1−γ_j)],
    log p(z)   = log Σ_u π_u exp(Σ_j [the same with component u]).

Shape legend: N images, K codes drawn for each, J latent dimensions, U components of the prior.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevae.evaluation.passes import Floats, fixed_noise
from sparsevae.metrics import likelihood
from sparsevae.models import Model
from sparsevae.models.distributions import Mixture, SpikeAndSlab, doubled

Progress = Callable[[int], None]
SAMPLES, IMAGES = 500, 1000
ROWS = 2500  # codes decoded at once
COLUMNS = (
    "importance_weighted_bound",
    "importance_negative_elbo",
    "effective_sample_size",
    "importance_samples",
    "importance_images",
)


def mixture_log_prob(prior: Mixture, codes: Tensor, mask: Tensor) -> Tensor:
    """Log p(z) of codes with a given support; no ``(M, U, J)`` tensor is made.

    Args:
        prior: U components.
        codes: z, 0 where the mask is, shape ``(M, J)``.
        mask: which dimensions are on, 0 or 1, shape ``(M, J)``.

    Returns:
        Nats, shape ``(M,)``, in double precision: terms of the expanded square cancel.
    """
    p, z, s = prior.components, doubled(codes), doubled(mask)
    logits, loc, scale = map(doubled, (p.logits, p.loc, p.scale))
    precision = scale**-2
    if_on = logits - torch.log(scale) - 0.5 * math.log(2 * math.pi) - 0.5 * loc**2 * precision
    each = s @ if_on.T + z @ (loc * precision).T - z**2 @ (0.5 * precision).T  # (M, U)
    each = each - F.softplus(logits).sum(-1)
    return torch.logsumexp(doubled(prior.log_weights) + each, dim=-1)


def _drawn(q: SpikeAndSlab, samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """K codes for each of B posteriors and their masks, ``(B·K, J)``, and log q, ``(B·K,)``."""
    own = q.indexed((slice(None), None))
    shape = (len(q.loc), samples, q.loc.shape[1])
    wide = (parameter.expand(shape) for parameter in (own.logits, own.loc, own.scale))
    codes, mask = SpikeAndSlab(*wide).draw()
    log_q = own.log_prob_of(codes, mask).sum(-1)
    return codes.flatten(0, 1), mask.flatten(0, 1), log_q.flatten()


@torch.no_grad()
def log_weights(model: Model, x: Tensor, samples: int, prior: Mixture) -> Tensor:
    """Log p(x|z) + log p(z) − log q(z|x) of codes from torch's generator.

    Args:
        model: in evaluation mode.
        x: values where the likelihood is defined, shape ``(N, *shape)``.
        samples: K.
        prior: of the model, see :meth:`sparsevae.models.priors.Prior.mixture`.

    Returns:
        Nats, shape ``(N, K)``, double precision.
    """
    codes, mask, log_q = _drawn(model.posterior(x).gated(), samples)
    images = x.repeat_interleave(samples, 0)
    log_likelihood = [
        model.likelihood(z).log_prob(image)
        for z, image in zip(codes.split(ROWS), images.split(ROWS), strict=True)
    ]
    log_p = mixture_log_prob(prior, codes, mask)
    return (torch.cat(log_likelihood) + log_p - log_q).view(len(x), samples)


@torch.no_grad()
def image_bounds(
    model: Model,
    x: Floats,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    progress: Progress = lambda images: None,
) -> dict[str, Floats]:
    """The bounds of every image; memory does not grow with their number.

    Args:
        model: on any device, in evaluation mode; its prior has a density.
        x: values in [0, 1], shape ``(N, C, H, W)``.
        samples: K, codes drawn for each image.
        seed: of the draws.
        progress: called with a number of images as they are done.

    Returns:
        ``bound``, ``elbo`` (the mean log-weight of the same draws), both nats, and
        ``effective_sample_size``, each of shape ``(N,)``.

    Raises:
        ConfigurationError: the model's prior has no density.
    """
    where, prior = next(model.parameters()).device, model.prior.mixture(model.posterior)
    group = max(1, ROWS // samples)
    parts = []
    with fixed_noise(seed):
        for start in range(0, len(x), group):
            images = torch.from_numpy(x[start : start + group]).to(where)
            weights = log_weights(model, images, samples, prior).cpu().numpy()
            bound = likelihood.importance_weighted_bound(weights)
            size = likelihood.effective_sample_size(weights)
            parts.append((bound, weights.mean(1), size))
            progress(len(images))
    columns = map(np.concatenate, zip(*parts, strict=True))
    return dict(zip(("bound", "elbo", "effective_sample_size"), columns, strict=True))


def measure_bound(
    model: Model,
    x: Floats,
    *,
    samples: int = SAMPLES,
    images: int = IMAGES,
    progress: Progress = lambda images: None,
) -> dict[str, Any]:
    """The columns of this module for a model, in the sign of ``negative_elbo``.

    They are blank where reconstruction + kl is no bound, or the prior has no density.

    Args:
        model: on any device, in evaluation mode.
        x: test images, values in [0, 1], shape ``(N, C, H, W)``.
        samples: K, codes drawn for each image.
        images: how many of the first images are taken.
        progress: called with a number of images as they are done.
    """
    if not (model.has_bound and model.prior.has_density):
        return dict.fromkeys(COLUMNS)
    found = image_bounds(model, x[:images], samples=samples, progress=progress)
    means = (-found["bound"].mean(), -found["elbo"].mean(), found["effective_sample_size"].mean())
    numbers = (*map(float, means), samples, min(len(x), images))
    return dict(zip(COLUMNS, numbers, strict=True))
