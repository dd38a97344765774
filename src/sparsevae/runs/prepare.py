"""From raw rows to what a run is trained on: rows held out, everything else settled.

Nothing here copies the rows: those of a mapped file stay there.

Shape legend: N rows of shape (D,) or (C, H, W).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data import Dataset, Raw, Split
from sparsevae.data.readers.raw import FEWEST_ROWS, Parsed, checked
from sparsevae.data.scaling import Kind, Scaling, values_of
from sparsevae.data.schema import Schema
from sparsevae.data.splits import shuffled, stratified_indices
from sparsevae.errors import ConfigurationError
from sparsevae.models.likelihoods import check_domain, family
from sparsevae.runs.given import nameless
from sparsevae.storage.arrays import Rows, Selection, placed_blocks
from sparsevae.storage.sparse import is_sparse
from sparsevae.training.config import DataConfig, RunConfig
from sparsevae.training.defaults import Settled, settle

TEST_FRACTION = 0.1
TABLE_STEPS = 3000  # of training: hidden columns make gradients noisy, and gaps need more of them
INPUT_GAPS = 0.3  # the largest share of a table's columns that training hides from the encoder
MIXED = "The table has gaps, or columns that are no numbers."
MOST_TEST_ROWS = 10_000  # more would make measuring longer, and its numbers hardly surer
SPLIT_SEED = 0  # one split for all seeds of a run, so that their numbers compare
SCALINGS: dict[Kind, str] = {
    "none": "Values go to the model as they are.",
    "grey": "Grey levels 0 to 255 go to the model as 0 to 1.",
    "minmax": "Each column's or channel's range goes to the model as 0 to 1.",
    "standard": "Each column or channel goes to the model with mean 0 and standard deviation 1.",
}


@dataclass(frozen=True)
class Prepared:
    """Everything that a run on raw rows needs.

    Attributes:
        config: of the run.
        dataset: training rows and the rows held out; the same twice where none are.
        data: what the run keeps of the data.
        notes: what was chosen and why, one sentence each.
    """

    config: RunConfig
    dataset: Dataset
    data: DataConfig
    notes: tuple[str, ...]


def prepare(raw: Raw, *, test_fraction: float = TEST_FRACTION, **settings: Any) -> Prepared:
    """Hold rows out, and settle everything that is left open from the other ones.

    Args:
        raw: what was read.
        test_fraction: share of the rows that are held out, 10,000 rows at most; 0 for none.
        **settings: of :func:`sparsevae.training.defaults.settle`.

    Raises:
        ConfigurationError: a setting is unknown or out of its range.
        DatasetError: the likelihood is not defined for the scaled rows.
    """
    train, test = held_out(raw, test_fraction)
    if raw.schema is not None:
        raw, settings = of_table(raw, train, settings)
    training: Rows = Selection(raw.values, train) if len(test) else raw.values
    name = re.sub(r"[^\w-]+", "-", Path(raw.source).stem).strip("-") or "data"
    settled = settle(training, **{"name": name, **settings})
    _check_domain(raw.values, settled, raw.columns)
    labels = [None if raw.labels is None else raw.labels[part] for part in (train, test)]
    own = Split(training, labels[0], settled.scaling)
    kept = Selection(raw.values, test) if is_sparse(raw.values) else raw.values[test]
    held = Split(kept, labels[1], settled.scaling) if len(test) else own
    sha256 = checksum(raw, settled.scaling, test_fraction)
    dataset = Dataset(name, own, held, raw.classes, sha256)
    values = values_of(training)
    data = DataConfig(
        source=raw.source,
        dtype=raw.values.dtype.name,
        scaling=settled.scaling,
        low=values.low,
        high=values.high,
        columns=() if raw.columns == nameless(len(raw.columns)) else raw.columns,
        classes=raw.classes,
        test_fraction=test_fraction or None,
        reason=settled.reason if raw.schema is None else MIXED,
        table=raw.schema,
        size=raw.size,
    )
    notes = (*raw.notes, *_notes(dataset.shape, len(train), len(test), settled, raw.schema))
    return Prepared(settled.config, dataset, data, notes)


def of_table(
    raw: Raw, train: npt.NDArray[np.int64], settings: dict[str, Any]
) -> tuple[Raw, dict[str, Any]]:
    """A table of columns of all kinds with what its training rows have, and how it is fitted.

    Args:
        raw: with a schema.
        train: places of the training rows.
        settings: of :func:`prepare`.

    Raises:
        ConfigurationError: another likelihood or scaling is asked for than such a table takes.
        DatasetError: a column has no value in the training rows.
    """
    assert raw.schema is not None  # the caller's condition
    schema, values = raw.schema.seen(raw.values, train)
    if schema != raw.schema:
        parsed = Parsed(values, raw.labels, raw.classes, schema.elements, raw.notes, schema=schema)
        raw = checked(parsed, raw.source)
    named = settings.get("likelihood", "auto")
    floor = {}
    if isinstance(named, Mapping) and named.get("kind") == "mixed":
        floor = {name: value for name, value in named.items() if name == "floor"}
    elif named not in ("auto", "mixed"):
        raise ConfigurationError(
            f"{raw.source} has gaps or columns that are no numbers, which the likelihood 'mixed' "
            f"is for; got {named!r}: leave it open, or name columns of numbers without gaps."
        )
    if settings.get("scaling", "auto") not in ("auto", "standard"):
        raise ConfigurationError(
            f"{raw.source} has gaps or columns that are no numbers; its numbers are standardised, "
            f"so leave the scaling {settings['scaling']!r} out."
        )
    arguments = {"input_gaps": INPUT_GAPS, **(settings.get("arguments") or {})}
    fitted = {
        "likelihood": {**schema.likelihood(), **floor},
        "scaling": schema.scaling(values[train]),
        "arguments": arguments,
        "steps": TABLE_STEPS,
    }
    return raw, {**settings, **fitted}


def held_out(raw: Raw, fraction: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Places of training and of test rows, ascending; every class keeps its share.

    Raises:
        ConfigurationError: the fraction is not 0 and not between 0 and 1, or leaves fewer than two
            rows to train on.
    """
    total = len(raw.values)
    if fraction == 0:
        return np.arange(total), np.empty(0, np.int64)
    if not 0 < fraction < 1:
        raise ConfigurationError(
            f"The test fraction is a share between 0 and 1, or 0 for none; got {fraction}."
        )
    size = min(max(1, round(fraction * total)), MOST_TEST_ROWS, total - 1)
    if total - size < FEWEST_ROWS:
        raise ConfigurationError(
            f"{raw.source} has {total} rows; with a share of {fraction:g} held out they leave "
            f"{total - size} to train on, and {FEWEST_ROWS} are needed: give more rows, or a "
            "smaller test fraction, 0 for none."
        )
    if raw.labels is None:
        test = np.sort(shuffled(total, SPLIT_SEED)[:size])
    else:
        test = stratified_indices(raw.labels, size, SPLIT_SEED)
    return np.delete(np.arange(total), test), test


def checksum(raw: Raw, scaling: Scaling, test_fraction: float) -> str:
    """Of what is trained on: the values, which of them, and how they are scaled."""
    text = f"{raw.sha256} {json.dumps(scaling.to_json())} {float(test_fraction)} {SPLIT_SEED}"
    return hashlib.sha256(text.encode()).hexdigest()


def _check_domain(values: Rows, settled: Settled, columns: tuple[str, ...]) -> None:
    if is_sparse(values) and settled.scaling.kind == "none":
        check_domain(settled.likelihood, values)
        return
    real = family(settled.likelihood)[0]
    if real.domain == "real" and real.reading == "plain":
        return  # where every finite number is
    for start, block in placed_blocks(values):
        check_domain(settled.likelihood, settled.scaling.apply(block), start, columns)


def _notes(
    shape: tuple[int, ...], train: int, test: int, settled: Settled, schema: Schema | None
) -> tuple[str, ...]:
    rows = f"{train:,} rows of {shape[0]} columns"
    images = f"{train:,} images of shape {shape} (channels, rows, columns)"
    config, named = settled.config, settled.likelihood
    widths = ", ".join(map(str, config.widths))
    if schema is not None:
        return (
            f"{train:,} rows of {len(schema.columns)} columns to train on, {test:,} held out.",
            *schema.sentences(),
            f"Network: mlp of widths {widths}, of {shape[0]} elements a row.",
        )
    kind = config.trunk if len(shape) > 1 or config.trunk == "linear" else "mlp"
    network = f"{kind} of widths {widths}"
    if kind == "linear":
        network = f"linear, a dictionary of {config.latents} atoms of length 1"
    return (
        f"{images if len(shape) > 1 else rows} to train on, {test:,} held out.",
        f"Likelihood: {named if isinstance(named, str) else named['kind']}. {settled.reason}",
        f"Scaling: {settled.scaling.kind}. {SCALINGS[settled.scaling.kind]}",
        f"Network: {network}.",
    )
