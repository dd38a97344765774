"""The table of claims and of the parts that decide them, as ``docs/claims.md`` has it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from sparsevae.experiments.claims.seeds import Seed
from sparsevae.metrics import keys
from sparsevae.models import MODELS

Side = Literal["<", ">"]
Place = Literal["plane", "large"]

FOUR = ("ae", "vae", "vsc", "vsc-wu")
NOISY, NOISE = keys.corrupted(keys.MSE, keys.NOISE, 0.3, clipped=True), "0.3 clipped"
CHANCE_TIMES = 5  # selectivity is compared with so many times what chance gives

CLAIMS = {
    "1": "AE: no discernible clusters of classes",
    "2": "VAE: gradual transitions",
    "3": "VSC: a cluster for every class",
    "4": "Warm-up: smoother transitions between classes",
    "5a": "AE: dense activation",
    "5b": "VAE: overlapping activation, no sparsity",
    "5c": "VSC: clearly sparse, other dimensions for other classes",
    "5d": "Warm-up: lower, more homogeneous activation",
    "6": "More dimensions show collapse, warm-up avoids it",
    "7": "Settings exist that prevent collapse with spike probabilities other than 1",
    "8": "Clean and noisy images: AE sharp, does not denoise; VAE denoises partly; "
    "VSC, VSC-WU of low quality",
}


@dataclass(frozen=True)
class Part:
    """One number a seed, and what is claimed of it.

    Attributes:
        name: as in the document; the claim's stands before the dot.
        words: the number in words.
        metric: whose values stand beside the verdict for every model.
        models: that must have been run.
        number: of one seed.
        at: which latent size.
        side: of the threshold that is claimed.
        threshold: where the sides meet.
    """

    name: str
    words: str
    metric: str
    models: tuple[str, ...]
    number: Callable[[Seed], float]
    at: Place
    side: Side
    threshold: float


def _value(name: str, model: str, metric: str, at: Place, side: Side, threshold: float) -> Part:
    """A metric of one model."""
    words = f"{MODELS[model].title} {metric}"
    return Part(
        name, words, metric, (model,), lambda s: s.metric(model, metric), at, side, threshold
    )


def _less(name: str, model: str, other: str, metric: str, at: Place, side: Side) -> Part:
    """A metric of one model less that of another."""

    def number(seed: Seed) -> float:
        return seed.metric(model, metric) - seed.metric(other, metric)

    words = f"{MODELS[model].title} − {MODELS[other].title} {metric}"
    return Part(name, words, metric, (model, other), number, at, side, 0)


def _against(name: str, model: str, metric: str, baseline: tuple[str, str], side: Side) -> Part:
    """A metric of a model less the error of a baseline, given by row and column."""

    def number(seed: Seed) -> float:
        return seed.metric(model, metric) - seed.without_model(*baseline)

    words = f"{MODELS[model].title} − {baseline[0]} {metric}"
    return Part(name, words, metric, (model,), number, "large", side, 0)


def _of(
    name: str,
    words: str,
    metric: str,
    number: Callable[[Seed], float],
    side: Side,
    threshold: float,
) -> Part:
    """A number of VSC that is worked out from several metrics."""
    return Part(name, words, metric, ("vsc",), number, "large", side, threshold)


def _active_share(seed: Seed) -> float:
    return seed.metric("vsc", keys.ACTIVE_PER_IMAGE) / seed.size


def _beyond_chance(seed: Seed) -> float:
    chance = seed.metric("vsc", keys.SELECTIVITY_PERMUTED)
    return seed.metric("vsc", "selectivity") - CHANCE_TIMES * chance


def _unused_growth(seed: Seed) -> float:
    unused = 1 - seed.metric("vsc", keys.USED_DIMENSIONS) / seed.size
    size = seed.at_smallest("vsc", "latents")
    return unused - (1 - seed.at_smallest("vsc", keys.USED_DIMENSIONS) / size)


def _sharper(seed: Seed) -> float:
    ae, *others = (seed.metric(model, keys.MSE) for model in FOUR)
    return ae - min(others)


PATH = keys.PATH_PEAK_TO_MEAN
MARGIN = f"selectivity − {CHANCE_TIMES} selectivity_permuted"
GROWTH = "unused share, large − smallest size"
PARTS = (
    _value("1", "ae", "silhouette", "plane", "<", 0.25),
    _less("2", "vae", "ae", PATH, "plane", "<"),
    _value("3.1", "vsc", "silhouette", "plane", ">", 0.25),
    _less("3.2", "vsc", "vae", "silhouette", "plane", ">"),
    _less("4.1", "vsc-wu", "vsc", PATH, "plane", "<"),
    _less("4.2", "vsc-wu", "vsc", PATH, "large", "<"),
    _value("5a.1", "ae", keys.EXACT_ZEROS, "large", "<", 0.05),
    _value("5a.2", "ae", keys.HOYER, "large", "<", 0.5),
    _value("5b.1", "vae", keys.EXACT_ZEROS, "large", "<", 0.05),
    _value("5b.2", "vae", keys.CLASS_OVERLAP, "large", ">", 0.64),
    _of("5c.1", "VSC active_per_image / J", keys.ACTIVE_PER_IMAGE, _active_share, "<", 0.25),
    _of("5c.2", f"VSC {MARGIN}", "selectivity", _beyond_chance, ">", 0),
    _less("5c.3", "vsc", "vae", keys.CLASS_OVERLAP, "large", "<"),
    _less("5d.1", "vsc-wu", "vsc", keys.ACTIVATION_LEVEL, "large", "<"),
    _less("5d.2", "vsc-wu", "vsc", keys.ACTIVATION_VARIATION, "large", "<"),
    _of("6.1", f"VSC {GROWTH}", keys.USED_DIMENSIONS, _unused_growth, ">", 0.1),
    _less("6.2", "vsc-wu", "vsc", keys.USED_DIMENSIONS, "large", ">"),
    Part("8.1", "AE − lowest other mse", keys.MSE, FOUR, _sharper, "large", "<", 0),
    _against("8.2", "ae", NOISY, ("doing nothing", NOISE), ">"),
    _against("8.3", "vae", NOISY, ("doing nothing", NOISE), "<"),
    _against("8.4", "vae", NOISY, ("PCA-50", NOISE), ">"),
    _against("8.5", "vsc", keys.MSE, ("PCA-16", "clean"), ">"),
    _against("8.6", "vsc", NOISY, ("PCA-16", NOISE), ">"),
    _against("8.7", "vsc-wu", keys.MSE, ("PCA-16", "clean"), ">"),
    _against("8.8", "vsc-wu", NOISY, ("PCA-16", NOISE), ">"),
)
