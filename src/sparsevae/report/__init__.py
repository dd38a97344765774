"""One self-contained page from the run folders of a study: tables, pictures, definitions.

Nothing is trained or measured here and no data set is read, so a page can be made again from
the folders alone.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from sparsevae.figures.grouping import in_order, model_title
from sparsevae.recipes import RECIPES
from sparsevae.report import galleries, tables
from sparsevae.report.cards import Gallery
from sparsevae.report.columns import glossary
from sparsevae.runs import RunFolder
from sparsevae.storage import make_folder, read_json, write_text

__all__ = ["build"]

STAND_IN = {
    "mnist-5k": "The data are 5,000 images of MNIST that come with an installed package, not "
    "MNIST itself. Numbers on this page do not compare with published numbers on MNIST.",
}


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
        RunFolderError: a run is not finished or cannot be read.
        OutputError: the folder cannot be written to.
    """
    ordered = _ordered(runs)
    names = classes or references.get("classes", ())
    pictures = make_folder(folder / "figures")
    rows = [run.metrics for run in ordered]
    page = _template().render(
        style=_text("style.css"),
        models=list(dict.fromkeys(model_title(row["model"]) for row in rows)),
        dataset=rows[0]["dataset"],
        notices=_notices(ordered, references),
        facts=_facts(ordered, references),
        summary=tables.summary(rows, references),
        parameters=tables.parameters(rows),
        arguments=_arguments(ordered),
        sections=_sections(ordered, pictures, references, names),
        sparsity=tables.sparsity(rows),
        comparisons=galleries.comparisons(ordered, pictures, references),
        glossary=glossary(),
        configuration=_configuration(folder),
    )
    path = folder / "report.html"
    write_text(path, page)
    return path


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


def _notices(runs: Sequence[RunFolder], references: Mapping[str, Any]) -> list[str]:
    """What a reader must know before the first number."""
    configs = [run.config for run in runs]
    notices = [STAND_IN[name] for name in {c.dataset for c in configs} if name in STAND_IN]
    if references.get("note"):
        notices.append(references["note"])
    for limit in sorted({config.limit for config in configs if config.limit is not None}):
        notices.append(
            f"Only the first {limit:,} images of the training and of the test data are used."
        )
    if any(config.split == "validation" for config in configs):
        notices.append("The runs are scored on images held out from the training data.")
    if not references:
        notices.append("What is reached without a model was not measured for this page.")
    return notices


def _facts(runs: Sequence[RunFolder], references: Mapping[str, Any]) -> dict[str, str]:
    """What was run, each thing once."""
    configs, rows = [run.config for run in runs], [run.metrics for run in runs]
    images = references.get("images", {})
    counts = (f"{images[key]:,} {word} images" for key, word in IMAGES.items() if key in images)
    recipes = dict.fromkeys(config.recipe for config in configs)
    versions = (read_json(run.path / "config.json")["versions"] for run in runs)
    return {
        "Data": _joined([configs[0].dataset, *counts]),
        "Scored on": _joined(config.split for config in configs),
        "Latent sizes J": _joined(config.latents for config in configs),
        "Seeds": _joined(config.seed for config in configs),
        "Recipe": _joined(
            f"{name} – {RECIPES[name].about}" if name in RECIPES else name for name in recipes
        ),
        "Epochs": _joined(config.epochs for config in configs),
        "Batch size": _joined(config.batch_size for config in configs),
        "Learning rate": _joined(json.dumps(config.learning_rate) for config in configs),
        "Trunk widths": _joined("-".join(map(str, config.channels)) for config in configs),
        "Kernels": _joined(row["kernel"] for row in rows),
        "Versions": _joined(f"{name} {v}" for found in versions for name, v in found.items()),
        "Checksum of the data": _joined(run.data_sha256 for run in runs),
    }


IMAGES = {"train": "training", "test": "test"}


def _joined(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values))


def _arguments(runs: Sequence[RunFolder]) -> list[tuple[str, int, str, str]]:
    """Model, latent size, prior and arguments of every kind of run."""
    found = (
        (
            model_title(run.config.model),
            run.config.latents,
            str(run.metrics["prior"]),
            ", ".join(f"{key} = {json.dumps(v)}" for key, v in run.config.arguments.items()),
        )
        for run in runs
    )
    return list(dict.fromkeys(found))


def _configuration(folder: Path) -> str:
    path = folder / "study.yaml"
    return path.read_text(encoding="utf-8") if path.is_file() else ""
