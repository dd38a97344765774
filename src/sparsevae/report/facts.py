"""What was run, in words: what a reader must know first, the settings, the models' arguments."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sparsevae.report.figures.grouping import model_title
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.files import read_json
from sparsevae.training.recipes import RECIPES

STAND_IN = {
    "mnist-5k": "The data are 5,000 images of MNIST that come with an installed package, not "
    "MNIST itself. Numbers on this page do not compare with published numbers on MNIST.",
}
IMAGES = {"train": "training", "test": "test"}


def notices(runs: Sequence[RunFolder], references: Mapping[str, Any]) -> list[str]:
    """What a reader must know before the first number."""
    configs = [run.config for run in runs]
    found = [STAND_IN[name] for name in {c.dataset for c in configs} if name in STAND_IN]
    if references.get("note"):
        found.append(references["note"])
    for limit in sorted({config.limit for config in configs if config.limit is not None}):
        found.append(
            f"Only the first {limit:,} images of the training and of the test data are used."
        )
    if any(config.split == "validation" for config in configs):
        found.append("The runs are scored on images held out from the training data.")
    if not references:
        found.append("What is reached without a model was not measured for this page.")
    return found


def settings(runs: Sequence[RunFolder], references: Mapping[str, Any]) -> dict[str, str]:
    """What was run, each thing once; what is not known is left out."""
    configs, rows = [run.config for run in runs], [run.metrics for run in runs]
    images = references.get("images", {})
    counts = (f"{images[key]:,} {word} images" for key, word in IMAGES.items() if key in images)
    recipes = dict.fromkeys(config.recipe for config in configs)
    judges = [row["classifier_accuracy"] for row in rows if row.get("classifier_accuracy")]
    versions = (read_json(run.path / "config.json")["versions"] for run in runs)
    found = {
        "Data": _joined([configs[0].dataset, *counts]),
        "Scored on": _joined(config.split for config in configs),
        "Latent sizes J": _joined(config.latents for config in configs),
        "Seeds": _joined(config.seed for config in configs),
        "Recipe": _joined(
            f"{name} – {RECIPES[name].about}" if name in RECIPES else name for name in recipes
        ),
        "Epochs": _joined(config.epochs for config in configs),
        "Batch size": _joined(config.batch_size for config in configs),
        "Learning rate": _joined(_rate(config.learning_rate) for config in configs),
        "Trunk widths": _joined("-".join(map(str, config.widths)) for config in configs),
        "Classifier behind distances of images": _joined(
            f"{100 * share:.1f}\u00a0% of test images right" for share in judges
        ),
        "Kernels": _joined(row["kernel"] for row in rows),
        "Versions": _joined(f"{name} {v}" for found in versions for name, v in found.items()),
        "Checksum of the data": _joined(run.data_sha256 for run in runs),
    }
    return {name: value for name, value in found.items() if value}


def _rate(rate: Mapping[str, Any] | float) -> str:
    """A learning rate, constant or a schedule, in words.

    Example:
        >>> _rate({"kind": "one-cycle", "peak": 0.004}), _rate(0.001)
        ('one-cycle, peak 0.004', '0.001')
    """
    if not isinstance(rate, Mapping):
        return f"{rate:g}"
    given = (f"{key} {value}" for key, value in rate.items() if key != "kind")
    return ", ".join([str(rate["kind"]), *given])


def _joined(values: Iterable[Any]) -> str:
    return ", ".join(dict.fromkeys(str(value) for value in values))


def arguments(runs: Sequence[RunFolder]) -> list[tuple[str, int, str, str]]:
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
