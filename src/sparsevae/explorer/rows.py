"""The rows that a study's page shows: test rows where the data are at hand, else stand-ins.

Shape legend: N rows of shape (D,) or (C, H, W), D elements of a row, K principal components.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae import data
from sparsevae.data import Dataset, Raw
from sparsevae.errors import SparseVAEError
from sparsevae.metrics.bounds import solver
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import checksum, held_out
from sparsevae.storage.arrays import Array, Floats, Selection, mean_row
from sparsevae.training.config import DataConfig

TEXTS = (".csv", ".tsv")
TABLES = (*TEXTS, ".parquet")
PCA_ROWS = 5000  # training rows that the components are taken from
MOST_COMPONENTS = 50


@dataclass(frozen=True, eq=False)
class Rows:
    """What a page shows.

    Attributes:
        values: N rows in the data's units, shape ``(N, *shape)``.
        labels: the class of each, shape ``(N,)``; None without labels.
        classes: names of the classes.
        note: one sentence where they are not the test rows.
    """

    values: Array
    labels: Array | None
    classes: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of scaled training rows: x ≈ mean + spread · CᵀC((x − mean)/spread).

    Attributes:
        mean: of every element in the data's units, shape ``(D,)``.
        spread: what an error of 1 is, in the data's units, shape ``(D,)``: the range of the
            values of images, the standard deviation of each column of a table.
        basis: C, the components in order of their variance, shape ``(K, D)``; K may be 0.
    """

    mean: Floats
    spread: Floats
    basis: Floats


def dataset_of(run: RunFolder) -> Dataset | None:
    """The data that a run was trained and measured on, if they can be read again."""
    config = run.config
    try:
        named = {known.name: known.at_hand for known in data.catalogue()}
        if config.dataset not in named:
            return _own(run)
        if not named[config.dataset]:
            return None  # looking at a study downloads nothing
        whole = data.load(config.dataset, limit=config.limit)
        return data.holdout(whole) if config.split == "validation" else whole
    except (SparseVAEError, OSError):
        return None


def _own(run: RunFolder) -> Dataset | None:
    """Data of the user's own, read again from where they were; the checksum says if it is they."""
    kept, fraction = run.data, run.data.test_fraction or 0.0
    beside = run.path.absolute().parent / kept.source  # the path may be relative to another folder
    source = next((str(path) for path in (Path(kept.source), beside) if path.exists()), "")
    for raw in _readings(source, kept) if source else ():
        if checksum(raw, kept.scaling, fraction) != run.data_sha256:
            continue
        train, test = held_out(raw, fraction)
        test = test if len(test) else train
        labels = [None if raw.labels is None else raw.labels[part] for part in (train, test)]
        return Dataset(
            run.config.dataset,
            data.Split(Selection(raw.values, train), labels[0], kept.scaling),
            data.Split(Selection(raw.values, test), labels[1], kept.scaling),
            raw.classes,
            run.data_sha256,
        )
    return None


def _readings(source: str, kept: DataConfig) -> Iterator[Raw]:
    """The file with each of its other columns as the labels, for a run does not keep which."""
    table = kept.table
    columns = kept.columns if table is None else table.names
    options: dict[str, Any] = {"columns": columns or None} if table is None else {"schema": table}
    if Path(source).suffix.lower() not in TABLES:
        options = {"size": kept.size}
    names: list[str | None] = [None]
    if columns and Path(source).suffix.lower() in TEXTS:
        with Path(source).open(encoding="utf-8", errors="replace") as file:
            header = file.readline(2**16).strip().replace("\t", ",").replace(";", ",")
        names += [name for name in header.split(",") if name.strip('"') not in columns]
    for name in names:
        try:
            label = None if name is None else name.strip('"')
            yield data.read(source, labels=label, **options)
        except SparseVAEError:
            continue


def test_rows(dataset: Dataset, most: int) -> Rows:
    """The first test rows of a data set."""
    test = dataset.test
    labels = None if test.labels is None else test.labels[:most]
    return Rows(np.asarray(test.images[:most]), labels, dataset.classes)


def embedded_rows(run: RunFolder, most: int) -> Rows | None:
    """For a run on MNIST that is not on this machine: images of it that come with the package."""
    if run.config.dataset != "mnist":
        return None
    note = (
        "These are images of MNIST that come with the package; the model may have been trained "
        "on them."
    )
    return replace(test_rows(data.load("mnist-5k"), most), note=note)


def components(dataset: Dataset | None, rows: Rows, low: float, high: float) -> Components:
    """The principal components of training rows; none where the data are not at hand.

    Args:
        dataset: of the study.
        rows: give mean and spread where there is no data set.
        low: the smallest value of the data in their units.
        high: the largest.
    """
    values = rows.values if dataset is None else dataset.train.images[:PCA_ROWS]
    flat = np.asarray(values, np.float64).reshape(len(values), -1)
    if np.isnan(flat).any():  # gaps of a table
        flat = np.where(np.isnan(flat), mean_row(flat), flat)
    mean, spread = flat.mean(0), np.full(flat.shape[1], (high - low) or 1.0)
    if values.ndim == 2:
        deviation = flat.std(0)
        spread = np.where(deviation > 0, deviation, 1.0)
    basis = np.zeros((0, flat.shape[1]))
    if dataset is not None:
        basis = _principal((flat - mean) / spread)
    return Components(*(part.astype(np.float32) for part in (mean, spread, basis)))


def _principal(scaled: Array) -> Array:
    """Up to 50 principal components of centred rows, fewer than there are rows."""
    from sklearn.decomposition import PCA

    count = min(MOST_COMPONENTS, scaled.shape[1], len(scaled) - 1)
    return np.asarray(PCA(count, **solver(scaled)).fit(scaled).components_)
