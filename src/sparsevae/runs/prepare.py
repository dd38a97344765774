"""From raw rows to what a run is trained on: chosen likelihood and scaling, a test part aside.

Nothing here copies the rows: those of a mapped file stay there.

Shape legend: N rows of shape (D,) or (C, H, W).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sparsevae.data import Dataset, Split
from sparsevae.data.files import Raw
from sparsevae.data.scaling import Kind, Scaling, values_of
from sparsevae.data.splits import shuffled, stratified_indices
from sparsevae.errors import ConfigurationError
from sparsevae.models.likelihoods import Named, check_domain, family
from sparsevae.storage.arrays import blocks, selected
from sparsevae.training import defaults, recipes
from sparsevae.training.config import DataConfig, RunConfig, StudyConfig

TEST_FRACTION = 0.1
MOST_TEST_ROWS = 10_000  # more would make measuring longer, and its numbers hardly surer
SPLIT_SEED = 0  # one split for all seeds of a run, so that their numbers compare


@dataclass(frozen=True)
class Prepared:
    """Everything that a run on raw rows needs.

    Attributes:
        config: of the run.
        dataset: training rows and the rows held out.
        data: what the run keeps of the data.
        told: what was chosen and why, one sentence each.
    """

    config: RunConfig
    dataset: Dataset
    data: DataConfig
    told: tuple[str, ...]


def prepare(
    raw: Raw,
    *,
    model: str = "vsc",
    latents: int = 16,
    likelihood: Named = "auto",
    scaling: Kind | Literal["auto"] = "auto",
    channels: tuple[int, ...] | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    test_fraction: float = TEST_FRACTION,
    arguments: Mapping[str, Any] | None = None,
) -> Prepared:
    """Settle everything that is left open, and hold rows out.

    Args:
        raw: what was read.
        model: a row of the table of models.
        latents: J.
        likelihood: of the table of likelihoods; "auto" looks at the values.
        scaling: "auto" brings the rows to where the likelihood is defined.
        channels: widths of the trunk.
        epochs: passes over the training rows; None takes about 1,000 steps, 25 passes at least.
        batch_size: rows a step.
        seed: of weights, order and noise; the rows held out do not depend on it.
        test_fraction: share of the rows that are held out, 10,000 rows at most.
        arguments: further arguments of the model's class.

    Raises:
        ConfigurationError: a setting is unknown or out of its range.
        DatasetError: the likelihood is not defined for the scaled rows.
    """
    if likelihood != "auto":
        family(likelihood)
    train, test = held_out(raw, test_fraction)
    training = selected(raw.values, train)
    batch = batch_size or defaults.batch_size(training)
    settled = defaults.make_plan(
        raw.values,
        training,
        batch_size=batch,
        likelihood=likelihood,
        kind=scaling,
        channels=channels,
        epochs=epochs,
    )
    name = re.sub(r"[^\w-]+", "-", Path(raw.source).stem).strip("-") or "data"
    study = StudyConfig.checked(
        {
            "models": (model,),
            "latents": (latents,),
            "seeds": (seed,),
            "epochs": settled.epochs,
            "batch_size": batch,
            "recipe": settled.recipe,
            "channels": settled.channels,
            "arguments": {model: {**(arguments or {}), "likelihood": settled.likelihood}},
        }
    )
    (config,) = recipes.runs(study, name)
    _check_domain(raw, settled.likelihood, settled.scaling)
    labels = [None if raw.labels is None else raw.labels[part] for part in (train, test)]
    dataset = Dataset(
        name,
        Split(training, labels[0], settled.scaling),
        Split(raw.values[test], labels[1], settled.scaling),
        raw.classes,
        checksum(raw, settled.scaling, test_fraction),
    )
    data = _kept(raw, settled, test_fraction)
    return Prepared(config, dataset, data, (*raw.notes, *_told(dataset, settled)))


def held_out(raw: Raw, fraction: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of training and of test rows, ascending; every class keeps its share.

    Raises:
        ConfigurationError: the fraction is not between 0 and 1.
    """
    if not 0 < fraction < 1:
        raise ConfigurationError(
            f"The test fraction is a share between 0 and 1, both excluded; got {fraction}."
        )
    total = len(raw.values)
    size = min(max(1, round(fraction * total)), MOST_TEST_ROWS, total - 1)
    if raw.labels is None:
        test = np.sort(shuffled(total, SPLIT_SEED)[:size])
    else:
        test = stratified_indices(raw.labels, size, SPLIT_SEED)
    return np.delete(np.arange(total), test), test


def checksum(raw: Raw, scaling: Scaling, test_fraction: float) -> str:
    """Of what is trained on: the values, which of them, and how they are scaled."""
    text = f"{raw.sha256} {json.dumps(scaling.to_json())} {test_fraction} {SPLIT_SEED}"
    return hashlib.sha256(text.encode()).hexdigest()


def _check_domain(raw: Raw, likelihood: Named, scaling: Scaling) -> None:
    for block in blocks(raw.values):
        check_domain(likelihood, values_of(scaling.apply(block)))


def nameless(count: int) -> tuple[str, ...]:
    """What columns without names are called: x0, x1, …"""
    return tuple(f"x{place}" for place in range(count))


def _kept(raw: Raw, settled: defaults.Plan, test_fraction: float) -> DataConfig:
    values = values_of(raw.values)
    return DataConfig(
        source=raw.source,
        dtype=raw.values.dtype.name,
        scaling=settled.scaling,
        low=values.low,
        high=values.high,
        columns=() if raw.columns == nameless(len(raw.columns)) else raw.columns,
        classes=raw.classes,
        test_fraction=test_fraction,
        reason=settled.reason,
    )


SCALINGS: dict[Kind, str] = {
    "none": "Values go to the model as they are.",
    "grey": "Grey levels 0 to 255 go to the model as 0 to 1.",
    "minmax": "Each column's or channel's range goes to the model as 0 to 1.",
    "standard": "Each column or channel goes to the model with mean 0 and standard deviation 1.",
}


def _told(dataset: Dataset, settled: defaults.Plan) -> tuple[str, ...]:
    shape, count = dataset.shape, len(dataset.train)
    rows = f"{count:,} rows of {shape[0]} columns"
    images = f"{count:,} images of shape {shape} (channels, rows, columns)"
    return (
        f"{images if len(shape) > 1 else rows} to train on, {len(dataset.test):,} held out.",
        f"Likelihood: {settled.likelihood}. {settled.reason}",
        f"Scaling: {settled.scaling.kind}. {SCALINGS[settled.scaling.kind]}",
        f"Network: {settled.trunk} of widths {', '.join(map(str, settled.channels))}.",
    )
