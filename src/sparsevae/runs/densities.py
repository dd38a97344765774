"""Bounds on the density of raw rows, in the data's own units.

Shape legend: N raw rows of shape (D,) or (C, H, W).
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsevae.evaluation.bound import image_bounds
from sparsevae.evaluation.passes import measure
from sparsevae.runs.given import count_of
from sparsevae.storage.arrays import Array, Floats, placed_blocks

if TYPE_CHECKING:
    from sparsevae.runs.trained import TrainedModel


def elbo(trained: "TrainedModel", rows: Any, draws: int) -> Floats:
    """See :meth:`sparsevae.TrainedModel.elbo`, shape ``(N,)``."""
    count_of(draws, "draws")

    def nats(x: Floats, target: Floats, block: int) -> Array:
        seeds = range(block * draws, (block + 1) * draws)
        measured = [measure(trained.model, x, seed, target, trained.refine) for seed in seeds]
        return np.asarray(np.mean([-(m.reconstruction + m.kl) for m in measured], axis=0))

    return _of_raw_rows(trained, rows, nats)


def log_likelihood(trained: "TrainedModel", rows: Any, samples: int) -> Floats:
    """See :meth:`sparsevae.TrainedModel.log_likelihood`, shape ``(N,)``."""
    count_of(samples, "samples")

    def nats(x: Floats, target: Floats, block: int) -> Array:
        model, refine = trained.model, trained.refine
        bounds = image_bounds(model, x, samples=samples, seed=block, target=target, refine=refine)
        return bounds["bound"]

    return _of_raw_rows(trained, rows, nats)


def _of_raw_rows(
    trained: "TrainedModel", rows: Any, nats: Callable[[Floats, Floats, int], Array]
) -> Floats:
    """Nats of scaled rows, a block at a time, as densities of raw rows."""
    family, scaling = trained.model.family, trained.data.scaling
    parts = [np.empty(0, np.float32)]
    volume: Any = scaling.log_volume(trained.model.shape) if family.continuous else 0.0
    for place, (start, block) in enumerate(placed_blocks(trained.values(rows))):
        x = trained.inside(block, start)
        target = trained.scaled(block, start, clip=family.domain == "unit")
        if family.reading == "gaps":
            volume = scaling.log_volumes(target)
        parts.append(nats(x, target, place) - volume)
    return np.asarray(np.concatenate(parts), np.float32)
