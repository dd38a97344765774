"""The runs of a study as claims see them: by model and size, one row a seed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sparsevae.models import MODELS
from sparsevae.storage.arrays import Row

Settings = Mapping[tuple[str, int], Mapping[int, Row]]  # (model, J) → seed → metrics

PLANE = 2  # dimensions of a code that can be looked at whole
LARGE = 16  # the least that "large" means


class UnmeasuredError(Exception):
    """A number that a claim needs is not among the metrics; the text says which."""


@dataclass(frozen=True)
class Seed:
    """All that one seed says at one size.

    Attributes:
        size: J.
        rows: metrics by model.
        smallest: metrics by model at the smallest size of the study.
        baselines: what is reached without a model, see :mod:`sparsevae.evaluation.baselines`.
    """

    size: int
    rows: Mapping[str, Row]
    smallest: Mapping[str, Row] = field(default_factory=dict)
    baselines: Mapping[str, Any] = field(default_factory=dict)

    def metric(self, model: str, name: str) -> float:
        """A metric of a model.

        Raises:
            UnmeasuredError: it has none.
        """
        return _metric(self.rows, model, name)

    def at_smallest(self, model: str, name: str) -> float:
        """The same at the smallest size, J among them as ``latents``."""
        if model not in self.smallest:
            raise UnmeasuredError(f"no smaller size was run with {MODELS[model].title}")
        return _metric(self.smallest, model, name)

    def without_model(self, row: str, column: str) -> float:
        """The error of a baseline."""
        try:
            return float(self.baselines["denoising"][row][column])
        except KeyError:
            raise UnmeasuredError(f"{row} is not measured") from None


def _metric(rows: Mapping[str, Row], model: str, name: str) -> float:
    value = rows.get(model, {}).get(name)
    if value is None:
        raise UnmeasuredError(f"{name} of {MODELS[model].title} is not measured")
    return float(value)


def by_setting(rows: Iterable[Row]) -> dict[tuple[str, int], dict[int, Row]]:
    """The rows by model and latent size, then by seed.

    A model that a grid has in several kinds at a size is left out: no claim says which is meant.
    """
    settings: dict[tuple[str, int], dict[int, Row]] = {}
    several = set[tuple[str, int]]()
    for row in rows:
        key, seed = (str(row["model"]), int(row["latents"])), int(row["seed"])
        if seed in settings.setdefault(key, {}):
            several.add(key)
        settings[key][seed] = row
    return {key: own for key, own in settings.items() if key not in several}


def largest_size(settings: Settings, models: Iterable[str]) -> int | None:
    """The largest J that all the models were run with; None below 16."""
    sizes = (  # of each model
        {size for model, size in settings if model == name and size >= LARGE} for name in models
    )
    return max(set.intersection(*sizes), default=None)


def seeds_at(
    settings: Settings, models: Iterable[str], size: int, baselines: Mapping[str, Any]
) -> list[Seed]:
    """The seeds that all the models were run with at a size."""
    names = tuple(models)
    runs = {name: settings.get((name, size), {}) for name in names}
    shared = sorted(set.intersection(*(set(own) for own in runs.values())))
    least = min((at for _, at in settings), default=size)
    smallest = {name: settings.get((name, least), {}) for name in names if least < size}
    return [
        Seed(
            size,
            {name: runs[name][seed] for name in names},
            {name: own[seed] for name, own in smallest.items() if seed in own},
            baselines,
        )
        for seed in shared
    ]
