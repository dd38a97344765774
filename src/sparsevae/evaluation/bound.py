"""Log-weights of codes drawn from the posterior, and the bound on log p(x) that they give.

The base measure of z is Lebesgue + δ₀ in every dimension, so that a code with exact zeros has a
density: with s_j ~ Bernoulli(γ_j) and z_j ~ N(μ_j, s_j²) where s_j = 1, else 0,

    log q(z|x) = Σ_j [s_j (log γ_j + log N(z_j; μ_j, s_j²)) + (1−s_j) log(1−γ_j)],
    log p(z)   = log Σ_u π_u exp(Σ_j [the same with component u]).

Shape legend: N images, K codes drawn for each, J latent dimensions, U components of the prior.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevae.evaluation import refinement
from sparsevae.evaluation.limits import rows_at_once, rows_scored
from sparsevae.evaluation.one_pass import Pass
from sparsevae.evaluation.passes import Tick, fixed_noise
from sparsevae.metrics import keys, likelihood
from sparsevae.models import Model
from sparsevae.models.distributions import Mixture, Posterior, SpikeAndSlab
from sparsevae.networks.kernels.divergence import doubled
from sparsevae.storage.arrays import Floats, Row

SAMPLES, IMAGES = 500, 1000
ROWS = 2500  # codes drawn at once, fewer where rows are large
TOGETHER = 250  # at least: what the codes of one row have in common is left out of products
REFINED = 1000  # rows whose posterior is refined at once
COLUMNS = (
    keys.IMPORTANCE_WEIGHTED_BOUND,
    keys.IMPORTANCE_WEIGHTED_ERROR,
    keys.IMPORTANCE_NEGATIVE_ELBO,
    keys.INFERENCE_SLACK,
    keys.EFFECTIVE_SAMPLE_SIZE,
    keys.EFFECTIVE_SAMPLE_SIZE_P10,
    keys.IMPORTANCE_SAMPLES,
    keys.IMPORTANCE_IMAGES,
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
    p, on = prior.components, mask.any(0)  # the others have no part in z
    off = F.softplus(doubled(p.logits)).sum(-1)
    z, s = doubled(codes[:, on]), doubled(mask[:, on])
    logits, loc, scale = (doubled(each[:, on]) for each in (p.logits, p.loc, p.scale))
    precision = scale**-2
    if_on = logits - torch.log(scale) - 0.5 * math.log(2 * math.pi) - 0.5 * loc**2 * precision
    each = s @ if_on.T + z @ (loc * precision).T - z**2 @ (0.5 * precision).T  # (M, U)
    return torch.logsumexp(doubled(prior.log_weights) - off + each, dim=-1)


def drawn_codes(q: SpikeAndSlab, samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """K codes for each of B posteriors and their masks, ``(B·K, J)``, and log q, ``(B·K,)``."""
    own = q.indexed((slice(None), None))
    shape = (len(q.loc), samples, q.loc.shape[1])
    wide = (parameter.expand(shape) for parameter in (own.logits, own.loc, own.scale))
    codes, mask = SpikeAndSlab(*wide).draw()
    log_q = own.log_prob_of(codes, mask).sum(-1)
    return codes.flatten(0, 1), mask.flatten(0, 1), log_q.flatten()


def _scored(q: Posterior, prior: Posterior, samples: int) -> tuple[Tensor, Tensor, Tensor]:
    """K codes of each of B posteriors that score their own draws, with log q and log p."""
    codes = q.sample((samples,)).transpose(0, 1)  # (B, K, J)
    log_q = q.log_prob(codes.transpose(0, 1)).sum(-1).T
    return codes.flatten(0, 1), log_q.flatten(), prior.log_prob(codes).sum(-1).flatten()


def density_of(model: Model) -> Mixture | None:
    """p(z) as a mixture; None where the prior's factors are the density.

    Raises:
        ConfigurationError: the model's prior has no density.
    """
    alone = model.prior.factors() is not None
    return None if alone else model.prior.mixture(model.posterior)


def drawn_and_scored(
    model: Model, q: Posterior, samples: int, prior: Mixture | None
) -> tuple[Tensor, Tensor, Tensor]:
    """K codes for each of B posteriors, ``(B·K, J)``, with log q and log p, each ``(B·K,)``.

    Args:
        model: whose prior scores them.
        q: batch shape ``(B, J)``.
        samples: K.
        prior: of :func:`density_of`.
    """
    alone = model.prior.factors()
    if prior is None and alone is not None:
        return _scored(q, alone, samples)
    assert prior is not None  # a prior with a density has one or the other
    codes, mask, log_q = drawn_codes(q.gated(), samples)
    together = min(max(samples, TOGETHER), ROWS)
    pairs = zip(codes.split(together), mask.split(together), strict=True)
    return codes, log_q, torch.cat([mixture_log_prob(prior, *pair) for pair in pairs])


@torch.no_grad()
def log_weights(
    model: Model,
    x: Tensor,
    samples: int,
    prior: Mixture | None,
    target: Tensor | None = None,
    posterior: Posterior | None = None,
) -> Tensor:
    """Log p(x|z) + log p(z) − log q(z|x) of codes from torch's generator.

    Args:
        model: in evaluation mode.
        x: rows as the model takes them, shape ``(N, *shape)``.
        samples: K.
        prior: of :func:`density_of`.
        target: the rows that are scored where they are not ``x``.
        posterior: q(z|x) where it is not the encoder's, batch shape ``(N, J)``.

    Returns:
        Nats, shape ``(N, K)``, double precision, on a device that has it.
    """
    q = model.posterior(x) if posterior is None else posterior
    codes, log_q, log_p = drawn_and_scored(model, q, samples, prior)
    together = min(max(samples, TOGETHER), ROWS)
    scored = (x if target is None else target).repeat_interleave(samples, 0)
    step = rows_at_once(math.prod(model.shape), together)
    log_likelihood = [
        model.likelihood(z).log_prob(rows)
        for z, rows in zip(codes.split(step), scored.split(step), strict=True)
    ]
    terms = doubled(torch.cat(log_likelihood)) + doubled(log_p) - doubled(log_q)
    return terms.view(len(x), samples)


def _groups(
    model: Model, x: Floats, target: Floats, group: int, refine: int
) -> Iterator[tuple[Posterior | None, slice]]:
    """Groups of rows and, where it is refined, many groups at once, their posterior."""
    where = next(model.parameters()).device
    chunk = group * max(1, rows_at_once(math.prod(model.shape), REFINED) // group)
    for start in range(0, len(x), chunk):
        end, q = min(start + chunk, len(x)), None
        if refine:
            rows, scored = (torch.from_numpy(p[start:end]).to(where) for p in (x, target))
            q = refinement.posterior(model, rows, refine, scored).gated()
        for at in range(start, end, group):
            some = slice(at, min(at + group, end))
            yield None if q is None else q.indexed(slice(at - start, some.stop - start)), some


@torch.no_grad()
def image_bounds(
    model: Model,
    x: Floats,
    *,
    samples: int = SAMPLES,
    seed: int = 0,
    target: Floats | None = None,
    refine: int = 0,
    tick: Tick = lambda share: None,
) -> dict[str, Floats]:
    """The bounds of every row; memory does not grow with their number.

    Args:
        model: on any device, in evaluation mode; its prior has a density.
        x: rows as the model takes them, shape ``(N, *shape)``.
        samples: K, codes drawn for each row.
        seed: of the draws.
        target: the rows that are scored where they are not ``x``.
        refine: gradient steps on every row's posterior before, see
            :mod:`sparsevae.evaluation.refinement`.
        tick: called with the share of the rows that is done.

    Returns:
        ``bound``, ``elbo`` (the mean log-weight of the same draws), both nats, and
        ``effective_sample_size``, each of shape ``(N,)``.

    Raises:
        ConfigurationError: the model's prior has no density.
    """
    where = next(model.parameters()).device
    prior = density_of(model)
    group = max(1, rows_at_once(math.prod(model.shape), ROWS) // samples)
    target = x if target is None else target
    parts = []
    with fixed_noise(seed):
        for q, some in _groups(model, x, target, group, refine):
            rows, scored = (torch.from_numpy(part[some]).to(where) for part in (x, target))
            weights = log_weights(model, rows, samples, prior, scored, q).cpu().numpy()
            bound = likelihood.importance_weighted_bound(weights)
            size = likelihood.effective_sample_size(weights)
            parts.append((bound, weights.mean(1), size))
            tick(some.stop / len(x))
    columns = map(np.concatenate, zip(*parts, strict=True))
    return dict(zip(("bound", "elbo", "effective_sample_size"), columns, strict=True))


def importance_columns(one: Pass, *, samples: int = SAMPLES, images: int | None = None) -> Row:
    """The columns of draws from the posterior, in raw units and in the sign of the −ELBO.

    They are None where reconstruction + kl is no bound, or the prior has no density, or a row
    lies where the likelihood is 0.

    Args:
        one: a model and its rows.
        samples: K, codes drawn for each row.
        images: how many of the first rows are taken; None takes 1,000, or fewer where they are
            large, see :func:`sparsevae.evaluation.limits.rows_scored`.
    """
    model = one.model
    if images is None:
        images = rows_scored(IMAGES, math.prod(model.shape), samples)
    x, target = one.x[:images], one.target[:images]
    if not (model.has_bound and model.prior.can_draw) or one.outside:
        return dict.fromkeys(COLUMNS)
    some = one.measured
    settings: Row = {"samples": samples, "refine": one.refine, "tick": one.meter.tick}
    bounds = image_bounds(model, x, target=target, **settings)
    sizes = bounds["effective_sample_size"]
    negative_elbo = (some.reconstruction + some.kl)[:images].mean(dtype=np.float64)
    log_volume = one.log_volume(images)
    numbers = (
        log_volume - bounds["bound"].mean(),
        likelihood.standard_error(sizes, samples),
        log_volume - bounds["elbo"].mean(),
        negative_elbo + bounds["bound"].mean(),
        sizes.mean(),
        np.quantile(sizes, 0.1),
    )
    return dict(zip(COLUMNS, (*map(float, numbers), samples, len(x)), strict=True))


def bound_columns(one: Pass) -> Row:
    """The terms of the bound and of the objective; a model without a prior has no bound."""
    model, measured = one.model, one.measured
    bounded = model.has_bound and not one.outside
    kl = float(measured.kl.mean())
    reconstruction = float(measured.reconstruction.mean()) + one.log_volume()
    gamma, expected = torch.from_numpy(measured.gamma), torch.from_numpy(measured.expected)
    penalty = float(model.sparsity_penalty(gamma.to(_where(model)), expected.to(_where(model))))
    added = penalty + measured.nested
    bits = (reconstruction + kl) / (math.prod(model.shape) * math.log(2))
    return {
        keys.NEGATIVE_ELBO: reconstruction + kl if bounded else None,
        keys.RECONSTRUCTION: None if one.outside else reconstruction,
        keys.KL: kl if model.has_bound else None,
        keys.SPARSITY_PENALTY: penalty,
        keys.LOSS: (
            None if one.outside else reconstruction + float(model.kl_weight(1.0)) * kl + added
        ),
        keys.BITS_PER_DIMENSION: bits if bounded and _has_bits(model) else None,
        keys.PRIOR_PERPLEXITY: model.prior.perplexity(),
        **importance_columns(one),
    }


def _has_bits(model: Model) -> bool:
    return model.family.normalised and model.family.alike


def _where(model: Model) -> torch.device:
    return next(model.parameters()).device
