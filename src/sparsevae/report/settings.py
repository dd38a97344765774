"""What was run, in words: what a reader must know first, the settings, the models' arguments."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from sparsevae.metrics import keys
from sparsevae.report.study import Study
from sparsevae.training.recipes import RECIPES

STAND_IN = {
    "mnist-5k": "The data are 5,000 images of MNIST that come with this package, not "
    "MNIST itself. Numbers on this page do not compare with published numbers on MNIST.",
}


def summary(study: Study) -> list[str]:
    """The study in a few words each: data, sizes, seeds, epochs."""
    configs = [run.config for run in study.runs]
    images, seeds = study.baselines.get("images", {}), {config.seed for config in configs}
    epochs = sorted({config.epochs for config in configs})
    counts = [f"{images['train']:,} training images"] if "train" in images else []
    return [
        *counts,
        f"{in_a_row(study.sizes)} latent dimensions",
        f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}",
        f"{in_a_row(epochs)} epoch{'s' if epochs != [1] else ''}",
    ]


def in_a_row(values: Iterable[Any]) -> str:
    """Values as a sentence has them.

    Example:
        >>> in_a_row([2]), in_a_row([2, 64]), in_a_row(["AE", "VAE", "VSC"])
        ('2', '2 and 64', 'AE, VAE and VSC')
    """
    *first, last = (str(value) for value in values)
    return f"{', '.join(first)} and {last}" if first else last


def notices(study: Study) -> list[str]:
    """What a reader must know beside the first number."""
    configs = [run.config for run in study.runs]
    sentences = [STAND_IN[name] for name in {c.dataset for c in configs} if name in STAND_IN]
    if study.baselines.get("note"):
        sentences.append(study.baselines["note"])
    for limit in sorted({config.limit for config in configs if config.limit is not None}):
        sentences.append(
            f"Only the first {limit:,} images of the training and of the test data are used."
        )
    if any(config.split == "validation" for config in configs):
        sentences.append("The runs are scored on images held out from the training data.")
    if any("effects" in run.arrays for run in study.runs):
        sentences.append(
            "The data are a table: what is said of images and pixels below is of its rows and "
            "columns, and errors are in standard deviations of scaled columns."
        )
    left_out = (note for run in study.runs for note in run.diagnosis.get("notes", ()))
    sentences += dict.fromkeys(left_out)
    if not study.baselines:
        sentences.append("What is reached without a model was not measured for this page.")
    return sentences


def settings(study: Study) -> dict[str, str]:
    """What was run, each thing once; what is not known is left out."""
    configs = [run.config for run in study.runs]
    images = study.baselines.get("images", {})
    words = {"train": "training", "test": "test"}
    counts = (f"{images[key]:,} {word} images" for key, word in words.items() if key in images)
    accuracies = [row.get(keys.CLASSIFIER_ACCURACY) for row in study.rows]
    settings = {
        "Data": _joined([configs[0].dataset, *counts]),
        "Scored on": _joined(config.split for config in configs),
        "Latent sizes J": _joined(config.latents for config in configs),
        "Seeds": _joined(config.seed for config in configs),
        "Recipe": _joined(
            f"{name} – {RECIPES[name].about}" if name in RECIPES else name
            for name in (config.recipe for config in configs)
        ),
        "Epochs": _joined(config.epochs for config in configs),
        "Batch size": _joined(config.batch_size for config in configs),
        "Learning rate": _joined(_rate(config.learning_rate) for config in configs),
        "Trunk widths": _joined("-".join(map(str, config.widths)) for config in configs),
        "Classifier behind distances of images": _joined(
            f"{100 * share:.1f}\u00a0% of test images right" for share in accuracies if share
        ),
        "Kernels": _joined(row["kernel"] for row in study.rows),
        "Versions": _joined(
            f"{name} {version}" for run in study.runs for name, version in run.versions.items()
        ),
        "Checksum of the data": _joined(run.data_sha256 for run in study.runs),
    }
    return {name: value for name, value in settings.items() if value}


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


def arguments(study: Study) -> list[tuple[str, int, str, str]]:
    """Model, latent size, prior and arguments of every kind of run."""
    kinds = (
        (
            run.title,
            run.config.latents,
            str(run.metrics["prior"]),
            ", ".join(f"{key} = {json.dumps(v)}" for key, v in run.config.arguments.items()),
        )
        for run in study.runs
    )
    return list(dict.fromkeys(kinds))
