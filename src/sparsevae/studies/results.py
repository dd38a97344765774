"""What the runs of a study amount to, written from run folders alone.

DIR/results.csv       one row a run
DIR/stability.json    whether seeds find the same gates: one row for each kind of run that has
                      gates and several seeds, with

    model, latents, seeds   what was compared
    pairs                   number of pairs of seeds
    stability               mean over pairs of the matched Jaccard index of the gates
    stability_sd            its sample standard deviation over pairs; null for a single pair
    stability_chance        the same with the images of one run permuted
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sparsevae.errors import RunFolderError
from sparsevae.metrics import stability
from sparsevae.runs.folder import RunFolder, finished_runs
from sparsevae.storage.arrays import Array, Row
from sparsevae.storage.files import read_json, replacing, write_json

Mask = npt.NDArray[np.bool_]
BASELINES = "baselines.json"
OLD_BASELINES = "references.json"
COLUMNS = (
    *("dataset", "split", "model", "prior", "alpha", "latents", "seed", "recipe", "epochs"),
    *("parameters", "negative_elbo", "reconstruction", "kl", "sparsity_penalty", "loss", "mse"),
    *("active_units", "used_dimensions", "active_per_image", "selectivity", "always_on", "dead"),
    *("exact_zeros", "kernel", "seconds"),
)


def write_results(folder: Path, runs: Sequence[RunFolder]) -> None:
    """Write ``results.csv`` and ``stability.json``.

    Args:
        folder: of the study.
        runs: its finished runs; a row has first the columns that every study has, then all
            further metrics.
    """
    rows = [run.metrics for run in runs]
    further = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    path = folder / "results.csv"
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *further])
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
    for run in runs:
        kind = run.config.model_copy(update={"seed": 0}).model_dump_json()
        kinds[kind + run.data_sha256].append(run)
    several = (alike for alike in kinds.values() if len(alike) > 1)
    return [row for alike in several if (row := _stability(alike))]


def _stability(alike: Sequence[RunFolder]) -> Row | None:
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
        "seeds": sorted(config.seed for config in configs),
        "pairs": len(pairs),
        "stability": float(np.mean(agreement)),
        "stability_sd": float(np.std(agreement, ddof=1)) if len(pairs) > 1 else None,
        "stability_chance": float(np.mean(chance)),
    }


def move_old_names(folder: Path) -> None:
    """Give a file of an earlier version its present name."""
    if (folder / OLD_BASELINES).is_file() and not (folder / BASELINES).exists():
        (folder / OLD_BASELINES).rename(folder / BASELINES)


def baselines_of(folder: Path) -> Row:
    """What is reached without a model, as it was measured beside a study; empty if it was not."""
    paths = [folder / BASELINES, folder / OLD_BASELINES]
    return next((dict(read_json(path)) for path in paths if path.is_file()), {})


def write_report(out: Path) -> Path:
    """Write tables, figures and the report of a study.

    Args:
        out: folder of a study, or of a run.

    Returns:
        The path of the report.

    Raises:
        RunFolderError: there is no finished run, or the runs are of different data.
    """
    from sparsevae import report

    runs = finished_runs(out)
    write_results(out, runs)
    return report.build(out, runs, baselines_of(out), stability=stability_of(out))


def stability_of(folder: Path) -> list[Row]:
    """The rows of ``stability.json``; none where it was not written."""
    path = folder / "stability.json"
    return list(read_json(path, list)) if path.is_file() else []


def write_comparison(folders: Sequence[Path], out: Path) -> Path:
    """Write one page of several studies.

    Args:
        folders: of two studies or more.
        out: folder of the page, which is no study's.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: a folder holds no finished run or runs of different data, is named
            twice, or is where the page would go.
    """
    from sparsevae import report

    if out.resolve() in [folder.resolve() for folder in folders]:
        raise RunFolderError(f"{out} holds the report of a study: name another folder with --out.")
    studies = [
        report.read(
            folder, finished_runs(folder), baselines_of(folder), stability=stability_of(folder)
        )
        for folder in folders
    ]
    return report.compare(out, studies)


def draw(run: RunFolder, moved: Mapping[str, Array] | None = None) -> list[Path]:
    """Draw the pictures of a run into its folder, as PNG and as SVG.

    Args:
        run: finished.
        moved: of :func:`sparsevae.report.grids.moved_grid`, drawn in place of the grid that is
            kept.

    Returns:
        The files; none where the run keeps no pictures, and none of what it has not: no plane
        with one latent dimension, no mean of a class without labels, no images of a table.
    """
    from sparsevae.report import figures

    arrays, baselines = run.pictures, baselines_of(run.path.absolute().parents[1])
    classes = run.data.classes or baselines.get("classes", ())
    sheets = {}
    if "grid" in arrays and run.config.latents > 1:
        sheets["latent_space"] = figures.latent_space(run, classes, moved or {})
    if "class_code" in arrays:
        sheets["activated_dimensions"] = figures.activated_dimensions(run, classes)
    if "effects" in arrays:
        sheets["column_effects"] = figures.column_effects(run)
    if "restored" in arrays:
        sheets["reconstructions"] = figures.reconstructions(run, baselines)
    return [
        figures.save(sheet, run.path / "figures" / f"{name}.{ending}")
        for name, sheet in sheets.items()
        for ending in ("png", "svg")
    ]
