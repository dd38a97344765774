"""What the runs of a study amount to, written from run folders alone.

DIR/results.csv       one row a run
DIR/stability.json    whether seeds find the same gates: one row for each kind of run that has
                      gates and several seeds, with

    model, latents, seeds   what was compared
    varied                  in what it differs from others of that model and size, if it does
    pairs                   number of pairs of seeds
    stability               mean over pairs of the matched Jaccard index of the gates
    stability_sd            its sample standard deviation over pairs; null for a single pair
    stability_chance        the same with the images of one run permuted
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparsevae.metrics import stability
from sparsevae.metrics.table import METRICS
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.arrays import Row
from sparsevae.storage.files import replacing, write_json
from sparsevae.training.grids import differences, in_words

Mask = npt.NDArray[np.bool_]


def write_results(folder: Path, runs: Sequence[RunFolder]) -> None:
    """Write ``results.csv`` and ``stability.json``.

    Args:
        folder: of the study.
        runs: its finished runs, a row each; columns stand in the order of the table of metrics,
            settings that vary behind the seed.
    """
    varied = differences([run.config for run in runs])
    rows = [{**own, **run.metrics} for run, own in zip(runs, varied, strict=True)]
    present = dict.fromkeys(name for run in runs for name in run.metrics)
    columns = [row.key for row in METRICS if row.key in present]
    after = columns.index("seed") + 1 if "seed" in columns else len(columns)
    columns[after:after] = [
        name
        for name in dict.fromkeys(name for own in varied for name in own)
        if name not in present
    ]
    path = folder / "results.csv"
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys([*columns, *present])))
        writer.writeheader()
        writer.writerows(rows)
    write_json(folder / "stability.json", stability_rows(runs))


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
    kinds: dict[str, list[RunFolder]] = defaultdict(list)
    runs = list(runs)
    varied = dict(zip(runs, differences([run.config for run in runs]), strict=True))
    for run in runs:
        kind = run.config.model_copy(update={"seed": 0}).model_dump_json()
        kinds[kind + run.data_sha256].append(run)
    several = (alike for alike in kinds.values() if len(alike) > 1)
    return [row for alike in several if (row := _stability(alike, varied[alike[0]]))]


def _stability(alike: Sequence[RunFolder], varied: Row) -> Row | None:
    """One row; None unless several of the runs keep their gates."""
    gates = {run: mask for run in alike if (mask := gates_of(run)) is not None}
    pairs = list(combinations(gates.values(), 2))
    if not pairs:
        return None
    agreement = [stability.matched_jaccard(*pair) for pair in pairs]
    chance = [stability.chance_jaccard(*pair) for pair in pairs]
    configs = [run.config for run in gates]
    return {
        "model": configs[0].model,
        "latents": configs[0].latents,
        **({"varied": in_words(varied)} if varied else {}),
        "seeds": sorted(config.seed for config in configs),
        "pairs": len(pairs),
        "stability": float(np.mean(agreement)),
        "stability_sd": float(np.std(agreement, ddof=1)) if len(pairs) > 1 else None,
        "stability_chance": float(np.mean(chance)),
    }
