"""Whether the seeds of a study find the same gates, from its run folders alone.

DIR/stability.json, one row for each kind of run that has gates and several seeds:

    model, latents, seeds   what was compared
    pairs                   number of pairs of seeds
    stability               mean over pairs of the matched Jaccard index of the gates
    stability_sd            its sample standard deviation over pairs; null for a single pair
    stability_chance        the same with the images of one run permuted
"""

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.metrics import stability
from sparsevae.runs.folder import RunFolder

Row = dict[str, Any]
Mask = npt.NDArray[np.bool_]


def gates_of(run: RunFolder) -> Mask | None:
    """Which gates are on for the first test images, shape ``(N, J)``.

    Returns:
        None for a model without gates, and where the run does not keep them.
    """
    arrays = run.pictures
    if "gates" not in arrays or not arrays["gated"].all():
        return None
    return np.unpackbits(arrays["gates"], axis=1, count=run.config.latents).astype(bool)


def stability_rows(runs: Iterable[RunFolder]) -> list[Row]:
    """The rows of ``stability.json``: runs that differ in nothing but their seed are compared."""
    kinds: dict[str, list[tuple[RunFolder, Mask]]] = defaultdict(list)
    for run in runs:
        gates = gates_of(run)
        if gates is not None:
            kind = run.config.model_copy(update={"seed": 0}).model_dump_json()
            kinds[kind + run.data_sha256].append((run, gates))
    return [_row(found) for found in kinds.values() if len(found) > 1]


def _row(found: list[tuple[RunFolder, Mask]]) -> Row:
    config = found[0][0].config
    pairs = list(combinations([gates for _, gates in found], 2))
    agreement = [stability.matched_jaccard(*pair) for pair in pairs]
    chance = [stability.chance_jaccard(*pair) for pair in pairs]
    return {
        "model": config.model,
        "latents": config.latents,
        "seeds": sorted(run.config.seed for run, _ in found),
        "pairs": len(pairs),
        "stability": float(np.mean(agreement)),
        "stability_sd": float(np.std(agreement, ddof=1)) if len(pairs) > 1 else None,
        "stability_chance": float(np.mean(chance)),
    }
