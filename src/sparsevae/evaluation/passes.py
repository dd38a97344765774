"""Run a model over many rows, a batch at a time, and keep what it says as arrays.

Shape legend: N rows, J latent dimensions.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from sparsevae.data import Split
from sparsevae.data.scaling import GREY
from sparsevae.evaluation import limits, refinement
from sparsevae.models import Model
from sparsevae.storage.arrays import Array, Floats, mean_row

BATCH = 1000  # rows at once, fewer where they are large
COLUMNS = ("code", "mean", "loc", "gamma", "reconstruction", "kl", "expected", "draw")
ABLATION_IMAGES = 1000
Tick = Callable[[float], None]


class Shaped(Protocol):
    """A network that takes or gives rows of one shape."""

    shape: tuple[int, ...]

    def parameters(self) -> Iterator[Any]:
        """Its weights."""


@dataclass(frozen=True)
class Measured:
    """What a model says of N rows, as arrays.

    Attributes:
        code: the deterministic code, shape ``(N, J)``.
        mean: E_q[z], shape ``(N, J)``.
        loc: μ without its gate, shape ``(N, J)``.
        gamma: spike probability; 1 for a model without gates, shape ``(N, J)``.
        reconstruction: −log p(x|z), z drawn once, nats, shape ``(N,)``.
        kl: nats, shape ``(N,)``.
        expected: spike probability that the prior expects, ``(N, J)`` or ``(N, 0)``.
        draw: the z of ``reconstruction``, shape ``(N, J)``.
        gated: whether the posterior has dimensions that are on or off.
        nested: mean nats that prefixes of ``draw`` add to the objective; 0 for a model without.
    """

    code: Floats
    mean: Floats
    loc: Floats
    gamma: Floats
    reconstruction: Floats
    kl: Floats
    expected: Floats
    draw: Floats
    gated: bool
    nested: float = 0.0


@contextmanager
def fixed_noise(seed: int) -> Iterator[None]:
    """Torch's generators at a fixed state inside, untouched outside."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def mean_image(split: Split) -> Floats:
    """The mean image of a split as its model takes it, shape ``(1, *shape)``."""
    return (split.scaling or GREY).apply(mean_row(split.images)[None])


def rows_at_once(model: Shaped) -> int:
    """Rows of a batch that a network takes or gives."""
    return limits.rows_at_once(math.prod(model.shape), BATCH)


def batched(function: Callable[[Tensor], Tensor], rows: Array, model: Shaped) -> Floats:
    """Apply a function of tensors to float32 rows, a batch at a time, without gradients."""
    where, step = next(model.parameters()).device, rows_at_once(model)
    with torch.no_grad():
        parts = [
            function(torch.from_numpy(rows[start : start + step]).to(where)).cpu().numpy()
            for start in range(0, len(rows), step)
        ]
    return np.concatenate(parts)


def encode(model: Model, images: Array, refine: int = 0) -> Floats:
    """The deterministic codes of images, a batch at a time.

    Args:
        model: on any device, in evaluation mode.
        images: uint8 grey levels or floats as the model takes them, shape ``(N, *shape)``.
        refine: gradient steps on every row's posterior, see
            :mod:`sparsevae.evaluation.refinement`; their noise is fixed.

    Returns:
        Shape ``(N, J)``; entries of dimensions that are off are exactly 0.
    """
    x = images.astype(np.float32, copy=False)
    x = x / np.float32(255) if images.dtype == np.uint8 else x
    if not refine:
        return batched(model.encode, x, model)
    with fixed_noise(0):
        return batched(lambda rows: refinement.posterior(model, rows, refine).code, x, model)


@torch.no_grad()
def measure(
    model: Model, x: Floats, seed: int = 0, target: Floats | None = None, refine: int = 0
) -> Measured:
    """Encode and score rows with the full model (progress 1), one draw a row.

    Args:
        model: on any device, in evaluation mode.
        x: rows as the model takes them, shape ``(N, *shape)``.
        seed: of the draws.
        target: what is scored where it is not ``x``: rows outside of a scaling's range, which a
            model is given cut off, have a density all the same.
        refine: gradient steps on every row's posterior, see
            :mod:`sparsevae.evaluation.refinement`.
    """
    where, step = next(model.parameters()).device, rows_at_once(model)
    parts: list[tuple[Tensor, ...]] = []
    nested = 0.0
    with fixed_noise(seed):
        for start in range(0, len(x), step):
            batch = torch.from_numpy(x[start : start + step]).to(where)
            scored = batch
            if target is not None:
                scored = torch.from_numpy(target[start : start + step]).to(where)
            q = refinement.posterior(model, batch, refine, scored)
            z = q.rsample()
            reconstruction = -model.likelihood(z).log_prob(scored)
            kl, expected = model.prior.kl(q, batch, model.posterior, 1.0)
            nested += len(batch) / len(x) * float(model.nested(z, scored))
            parts.append(
                (q.code, q.mean, q.loc, q.spike_probability, reconstruction, kl, expected, z)
            )
    arrays = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    rows = dict(zip(COLUMNS, arrays, strict=True))
    return Measured(**rows, gated=model.has_gates, nested=nested)


@torch.no_grad()
def ablation_cost(
    model: Model, x: Floats, measured: Measured, tick: Tick = lambda share: None
) -> Floats:
    """Nats that the reconstruction loses when one dimension is set to its mean, shape ``(J,)``.

    A gated dimension is set to 0, its value when off. Images whose value does not change
    are not decoded again, so the result is exact and cheap for sparse codes.

    Args:
        model: the model that ``measured`` is of.
        x: the rows that were scored, shape ``(N, *shape)``; the first 1,000 are used, or fewer
            where they are large or dimensions many, see :mod:`sparsevae.evaluation.limits`.
        measured: the result of :func:`measure` for ``x``.
        tick: called with the share that is done.
    """
    count, step = min(len(x), ABLATION_IMAGES), rows_at_once(model)
    count = limits.rows_ablated(count, math.prod(model.shape), model.latents)
    where = next(model.parameters()).device
    draws = torch.from_numpy(measured.draw[:count]).to(where)
    before = torch.from_numpy(measured.reconstruction[:count]).to(where)
    targets = torch.from_numpy(x[:count]).to(where)
    neutral = np.zeros_like(measured.mean[0]) if measured.gated else measured.mean.mean(0)
    cost = np.zeros(len(neutral), np.float32)
    for j, value in enumerate(neutral.tolist()):
        chosen = (draws[:, j] != value).nonzero().squeeze(1)
        if len(chosen):
            without = draws[chosen].clone()
            without[:, j] = value
            each = zip(without.split(step), targets[chosen].split(step), strict=True)
            after = torch.cat([-model.likelihood(z).log_prob(rows) for z, rows in each])
            cost[j] = float((after - before[chosen]).sum()) / count
        tick((j + 1) / len(neutral))
    return cost
