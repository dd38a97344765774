"""One self-contained page from the run folders of a study: tables, pictures, definitions.

Nothing is trained or measured here and no data set is read, so a page can be made again from
the folders alone.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from sparsevae.errors import RunFolderError
from sparsevae.figures.grouping import in_order, model_title
from sparsevae.report import collapse, facts, galleries, tables
from sparsevae.report.cards import Gallery
from sparsevae.report.columns import glossary
from sparsevae.runs import RunFolder
from sparsevae.storage import make_folder, write_text

__all__ = ["build"]


@dataclass(frozen=True)
class Section:
    """The galleries of one latent size."""

    latents: int
    galleries: tuple[Gallery, ...]


def build(
    folder: Path,
    runs: Iterable[RunFolder],
    references: Mapping[str, Any],
    *,
    classes: Sequence[str] = (),
) -> Path:
    """Write ``report.html`` and ``figures/*.png`` of a study.

    Args:
        folder: of the study; its ``study.yaml`` is printed where there is one.
        runs: finished runs of one data set.
        references: what any model must beat, see :mod:`sparsevae.metrics.bounds`; tables and
            pictures do without where it is empty.
        classes: names of the classes in the order of the labels; those of the references, or
            numbers, when left out.

    Returns:
        The path of the page.

    Raises:
        RunFolderError: a run is not finished or cannot be read, or the runs are of different
            data.
        OutputError: the folder cannot be written to.
    """
    ordered = _ordered(runs)
    _check_data(folder, ordered)
    names = classes or references.get("classes", ())
    pictures = make_folder(folder / "figures")
    rows = [run.metrics for run in ordered]
    page = _template().render(
        style=_text("style.css"),
        models=list(dict.fromkeys(model_title(row["model"]) for row in rows)),
        dataset=rows[0]["dataset"],
        notices=facts.notices(ordered, references),
        facts=facts.settings(ordered, references),
        summary=tables.summary(rows, references),
        parameters=tables.parameters(rows),
        arguments=facts.arguments(ordered),
        sections=_sections(ordered, pictures, references, names),
        sparsity=tables.sparsity(rows),
        panels=collapse.panels(ordered),
        comparisons=galleries.comparisons(ordered, pictures, references),
        glossary=glossary(),
        configuration=_configuration(folder),
    )
    path = folder / "report.html"
    write_text(path, page)
    return path


def _check_data(folder: Path, runs: Iterable[RunFolder]) -> None:
    """Numbers of different data do not stand in one table."""
    names = {run.data_sha256: run.config.dataset for run in runs}
    if len(names) > 1:
        raise RunFolderError(
            f"The runs in {folder} are of {len(names)} different data sets "
            f"({', '.join(sorted(names.values()))}): keep each in a folder of its own."
        )


def _text(name: str) -> str:
    return files(__package__ or __name__).joinpath(name).read_text(encoding="utf-8")


def _template() -> Any:
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_text("template.html"))


def _ordered(runs: Iterable[RunFolder]) -> list[RunFolder]:
    """By latent size, then as the table of models, then by seed."""
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


def _sections(
    runs: Sequence[RunFolder],
    pictures: Path,
    references: Mapping[str, Any],
    classes: Sequence[str],
) -> list[Section]:
    """The pictures of every latent size, of each model the first seed."""
    first: dict[tuple[int, str], RunFolder] = {}
    for run in runs:
        first.setdefault((run.config.latents, run.config.model), run)
    sections = []
    for size in dict.fromkeys(size for size, _ in first):
        chosen = [run for (latents, _), run in first.items() if latents == size]
        shown = (
            galleries.latent_spaces(chosen, pictures, classes),
            galleries.activations(chosen, pictures, classes),
            galleries.reconstructions(chosen, pictures, references),
        )
        sections.append(Section(size, shown))
    return sections


def _configuration(folder: Path) -> str:
    path = folder / "study.yaml"
    return path.read_text(encoding="utf-8") if path.is_file() else ""
