"""What the runs of a study amount to, written from run folders alone.

DIR/results.csv       one row a run
DIR/stability.json    whether seeds find the same gates, see sparsevae.studies.stability
DIR/verdicts.json     what the runs say of each claim, see sparsevae.experiments.claims
DIR/figures/*, DIR/report.html

Needed beside DIR/runs is DIR/references.json; without it the report does without what any model
must beat.
"""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from sparsevae.errors import RunFolderError
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.files import read_json, replacing, write_json
from sparsevae.studies.stability import stability_rows

COLUMNS = (
    "dataset",
    "split",
    "model",
    "prior",
    "alpha",
    "latents",
    "seed",
    "recipe",
    "epochs",
    "parameters",
    "negative_elbo",
    "reconstruction",
    "kl",
    "sparsity_penalty",
    "loss",
    "mse",
    "active_units",
    "used_dimensions",
    "active_per_image",
    "selectivity",
    "always_on",
    "dead",
    "exact_zeros",
    "kernel",
    "seconds",
)


def finished_runs(out: Path) -> list[RunFolder]:
    """Finished runs of a study's folder, in the order of their names; of a run folder, itself.

    Raises:
        RunFolderError: there is none.
    """
    paths = [out, *sorted((out / "runs").glob("*"))]
    found = [RunFolder(path) for path in paths if path.is_dir()]
    finished = [run for run in found if run.finished]
    if not finished:
        raise RunFolderError(f"{out} holds no finished runs; name the folder of a study.")
    return finished


def write_report(out: Path) -> Path:
    """Write tables, verdicts, figures and the report of a study.

    Args:
        out: folder of a study, or of a run.

    Returns:
        The path of the report.

    Raises:
        RunFolderError: there is no finished run, or the runs are of different data.
    """
    from sparsevae import report
    from sparsevae.experiments import claims

    runs, references = finished_runs(out), references_of(out)
    stability = stability_rows(runs)
    write_results(out / "results.csv", runs)
    write_json(out / "stability.json", stability)
    claims.write(out / "verdicts.json", claims.judge((run.metrics for run in runs), references))
    return report.build(out, runs, references, stability=stability)


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
    studies = []
    for folder in folders:
        runs = finished_runs(folder)
        stability = stability_rows(runs)
        studies.append(report.read(folder, runs, references_of(folder), stability=stability))
    return report.compare(out, studies)


def references_of(folder: Path) -> dict[str, Any]:
    """What any model must beat, as it was measured beside a study; empty where it was not."""
    path = folder / "references.json"
    return dict(read_json(path)) if path.is_file() else {}


def draw(run: RunFolder) -> list[Path]:
    """Draw the pictures of a run into its folder, as PNG and as SVG.

    Returns:
        The files; none where the run keeps no pictures, and none of what it has not: no plane
        with one latent dimension, no mean of a class without labels, no images of a table.
    """
    from sparsevae.report import figures

    arrays, references = run.pictures, references_of(run.path.absolute().parents[1])
    classes = run.data.classes or references.get("classes", ())
    sheets = {}
    if "grid" in arrays and run.config.latents > 1:
        sheets["latent_space"] = figures.latent_space(run, classes)
    if "class_code" in arrays:
        sheets["activated_dimensions"] = figures.activated_dimensions(run, classes)
    if "effects" in arrays:
        sheets["column_effects"] = figures.column_effects(run)
    if "restored" in arrays:
        sheets["reconstructions"] = figures.reconstructions(run, references)
    return [
        figures.save(sheet, run.path / "figures" / f"{name}.{ending}")
        for name, sheet in sheets.items()
        for ending in ("png", "svg")
    ]


def write_results(path: Path, runs: Iterable[RunFolder]) -> None:
    """One row a run: first the columns that every study has, then all further metrics."""
    rows = [run.metrics for run in runs]
    further = dict.fromkeys(name for row in rows for name in row if name not in COLUMNS)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *further])
        writer.writeheader()
        writer.writerows(rows)
