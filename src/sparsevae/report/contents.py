"""What the page says of one study: everything a template needs, from run folders alone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsevae.errors import RunFolderError
from sparsevae.experiments import claims
from sparsevae.report import collapse, facts, galleries, tables, verdicts
from sparsevae.report.cards import Gallery
from sparsevae.report.figures.grouping import in_order, model_title
from sparsevae.runs.folder import RunFolder

JSON = Mapping[str, Any]


@dataclass(frozen=True)
class Study:
    """A study on disk.

    Attributes:
        folder: its ``study.yaml`` is printed where there is one.
        runs: finished runs of one data set.
        references: what any model must beat; empty where it was not measured.
        classes: names of the classes in the order of the labels; those of the references, or
            numbers, when left out.
        stability: rows of :mod:`sparsevae.studies.stability`.
    """

    folder: Path
    runs: tuple[RunFolder, ...]
    references: JSON
    classes: Sequence[str] = ()
    stability: Sequence[JSON] = ()

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The metrics of every run."""
        return [run.metrics for run in self.runs]


@dataclass(frozen=True)
class Section:
    """The galleries of one latent size."""

    latents: int
    galleries: tuple[Gallery, ...]


def read(
    folder: Path,
    runs: Iterable[RunFolder],
    references: JSON,
    *,
    classes: Sequence[str] = (),
    stability: Sequence[JSON] = (),
) -> Study:
    """A study with its runs by latent size, then as the table of models, then by seed.

    Args:
        folder: of the study.
        runs: finished runs.
        references: as ``references.json`` has them; empty where nothing was measured.
        classes: see :class:`Study`.
        stability: see :class:`Study`.

    Raises:
        RunFolderError: a run is not finished or cannot be read, or the runs are of different
            data.
    """
    found = list(runs)
    _check_data(folder, found)
    names = tuple(classes or references.get("classes", ()))
    return Study(folder, tuple(_ordered(found)), references, names, stability)


def of_study(study: Study, pictures: Path) -> dict[str, Any]:
    """Everything that the page says of a study, under the names that the template has.

    Args:
        study: whose runs.
        pictures: an existing folder, where PNG and SVG files go.
    """
    rows, references = study.rows, study.references
    return {
        "models": list(dict.fromkeys(model_title(row["model"]) for row in rows)),
        "dataset": rows[0]["dataset"],
        "notices": facts.notices(study.runs, references),
        "facts": facts.settings(study.runs, references),
        "verdicts": verdicts.shown(claims.judge(rows, references)),
        "headline": tables.headline(rows, references),
        "groups": tables.groups(rows, references),
        "stability": _stability(study.stability),
        "parameters": tables.parameters(rows),
        "arguments": facts.arguments(study.runs),
        "sections": _sections(study, pictures),
        "panels": collapse.panels(study.runs),
        "comparisons": galleries.comparisons(study.runs, pictures, references),
        "configuration": _configuration(study.folder),
    }


def _check_data(folder: Path, runs: Iterable[RunFolder]) -> None:
    """Numbers of different data do not stand in one table."""
    names = {run.data_sha256: run.config.dataset for run in runs}
    if len(names) > 1:
        raise RunFolderError(
            f"The runs in {folder} are of {len(names)} different data sets "
            f"({', '.join(sorted(names.values()))}): keep each in a folder of its own."
        )


def _ordered(runs: Iterable[RunFolder]) -> list[RunFolder]:
    configs = {run: run.config for run in runs}
    models = in_order(config.model for config in configs.values())
    return sorted(
        configs,
        key=lambda run: (
            configs[run].latents,
            models.index(configs[run].model),
            configs[run].seed,
        ),
    )


def _sections(study: Study, pictures: Path) -> list[Section]:
    """The pictures of every latent size, of each model the first seed."""
    first: dict[tuple[int, str], RunFolder] = {}
    for run in study.runs:
        first.setdefault((run.config.latents, run.config.model), run)
    sections = []
    for size in dict.fromkeys(size for size, _ in first):
        chosen = [run for (latents, _), run in first.items() if latents == size]
        shown = (
            galleries.latent_spaces(chosen, pictures, study.classes),
            galleries.activations(chosen, pictures, study.classes),
            galleries.reconstructions(chosen, pictures, study.references),
        )
        sections.append(Section(size, shown))
    return sections


def _stability(rows: Iterable[JSON]) -> list[list[str]]:
    """A small table: how alike the gates of different seeds are; empty without several seeds."""
    lines = [
        [
            f"{model_title(row['model'])}, J = {row['latents']}",
            str(row["pairs"]),
            f"{row['stability']:.2f}",
            f"{row['stability_chance']:.2f}",
        ]
        for row in rows
    ]
    return [["model", "pairs of seeds", "stability", "by chance"], *lines] if lines else []


def _configuration(folder: Path) -> str:
    path = folder / "study.yaml"
    return path.read_text(encoding="utf-8") if path.is_file() else ""
