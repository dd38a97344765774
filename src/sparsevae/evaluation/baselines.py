"""What any model must beat, from the data alone, kept as ``baselines.json`` beside a study.

version                                        of what is measured; others are measured again
dataset, note, classes, data_sha256, images    what was measured
collapse_floor, perfect_score, mean_image_mse  scores without a code, nats and per pixel
denoising, denoising_examples                  MSE of trivial denoisers, of all or pictured images
probes                                         columns of codes without a model, by their names
"""

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae.data import Dataset, Split
from sparsevae.evaluation import pictures
from sparsevae.evaluation.limits import counted
from sparsevae.evaluation.probes import class_columns, with_classes
from sparsevae.evaluation.sparsity import uneven_columns
from sparsevae.metrics import bounds, images
from sparsevae.metrics.bounds import solver
from sparsevae.metrics.table import LEVELS
from sparsevae.storage.arrays import Floats, Row
from sparsevae.storage.files import read_json, write_json

RAW = "raw pixels"
VERSION = 2  # of what is measured
FITTED, MOST_NUMBERS = 10_000, 2**25  # rows and numbers that principal components are fitted to


def write_baselines(
    dataset: Dataset, sizes: Iterable[int], path: Path, say: Callable[[str], None]
) -> None:
    """Measure what any model must beat, and add it to a study's file where it is not there yet.

    Args:
        dataset: from which everything follows.
        sizes: latent sizes; as many principal components stand beside the codes.
        path: the file; of other data or an earlier version, it is replaced.
        say: is given a line before anything is measured, for it takes a while.
    """
    kept = dict(read_json(path)) if path.is_file() else {}
    if kept.get("data_sha256") != dataset.sha256 or kept.get("version") != VERSION:
        kept = {}
    rows = kept.get("probes", {})
    missing = [name for name in code_names(dataset, sizes) if name not in rows]
    if kept and not missing:
        return
    say("Measuring what any model must beat: mean image, filters, raw pixels, PCA.")
    kept = kept or trivial_scores(dataset)
    rows = {**rows, **measured_codes(dataset, missing)}
    write_json(path, {**kept, "probes": rows})


def trivial_scores(dataset: Dataset) -> dict[str, Any]:
    """The data, and what is reached on them without a model."""
    train, test = dataset.train.scaled(), dataset.test.scaled()
    denoisers = bounds.TrivialDenoisers(train, dataset.train.labels)
    examples = test[pictures.example_indices(dataset.test.labels, len(test))]
    seed = pictures.NOISE_SEED
    columns = {
        **bounds.gaussian_columns(test, LEVELS, seed),
        **bounds.damaged_columns(test, LEVELS, seed),
    }
    pictured = bounds.gaussian_columns(examples, pictures.SIGMAS, seed)
    return {
        "version": VERSION,
        "dataset": dataset.name,
        "note": dataset.note,
        "classes": list(dataset.classes),
        "data_sha256": dataset.sha256,
        "images": {"train": len(train), "test": len(test)},
        "collapse_floor": bounds.collapse_floor(train, test),
        "perfect_score": bounds.perfect_score(test),
        "mean_image_mse": images.mse(test, train.mean(0, keepdims=True)),
        "denoising": denoisers.rows(test, columns),
        "denoising_examples": denoisers.rows(examples, pictured),
    }


def code_names(dataset: Dataset, sizes: Iterable[int]) -> list[str]:
    """Names of codes that need no model: raw pixels, and 16, 50 and ``sizes`` components.

    There are fewer principal components than pixels, and than training images.
    """
    most = min(len(dataset.train), int(np.prod(dataset.shape)))
    counts = sorted({*bounds.COMPONENTS, *sizes})
    return [RAW, *(f"PCA-{count}" for count in counts if count < most)]


def measured_codes(dataset: Dataset, names: Iterable[str]) -> dict[str, Row]:
    """The columns of :mod:`sparsevae.evaluation.probes` for codes that need no model.

    Args:
        dataset: principal components are those of its training images.
        names: of :func:`code_names`.

    Returns:
        A row of columns by name.
    """
    from sklearn.decomposition import PCA

    train, test = dataset.train.scaled(), dataset.test.scaled()
    labels = dataset.test.labels
    known = None if labels is None else counted(labels)
    rows = {}
    for name in names:
        encode: Callable[[Floats], Floats] = _flat
        if name != RAW:
            fit = PCA(int(name.removeprefix("PCA-")), **solver(test))
            encode = partial(_projected, fit.fit(_flat(train)))
        codes = encode(test)
        labelled = with_classes(dataset.train, known, encode, codes)
        rows[name] = {**uneven_columns(codes), **class_columns(labelled)}
    return rows


def own_baselines(dataset: Dataset, components: int) -> dict[str, Any]:
    """Errors on held-out rows of principal components and of the mean row, scaled units.

    Args:
        dataset: of the user's own; components are those of up to :data:`FITTED` of its training
            rows.
        components: the largest number of components.

    Returns:
        ``mean_row``: mean squared error an element of the mean training row; ``pca``: a list of
        the errors of 0, 1, 2, … components, as many as there are.
    """
    from sklearn.decomposition import PCA

    rows, test = _flat(_some(dataset.train)), _flat(_some(dataset.test))
    there = ~np.isnan(test)
    if np.isnan(rows).any() or not there.all():  # gaps of a table: the mean of what is there
        usual = np.nan_to_num(np.nanmean(rows, 0))
        rows, test = (np.where(np.isnan(x), usual, x) for x in (rows, test))
    most = min(components, min(rows.shape) - 1)
    if not np.ptp(rows, axis=0).any():  # no component explains anything of rows that are all alike
        error = float(np.square(test - rows[0], dtype=np.float64)[there].mean())
        return {"mean_row": error, "pca": [error] * (most + 1)}
    fit = PCA(max(1, most), **solver(rows)).fit(rows)
    left, codes = test - fit.mean_, fit.transform(test)
    errors = [np.square(left, dtype=np.float64)[there].mean()]
    for place in range(most):
        left = left - codes[:, place, None] * fit.components_[place]
        errors.append(np.square(left, dtype=np.float64)[there].mean())
    return {"mean_row": float(errors[0]), "pca": [float(error) for error in errors]}


def _some(split: Split) -> Floats:
    """Up to :data:`FITTED` rows and :data:`MOST_NUMBERS` numbers of a split, evenly spaced."""
    most = max(2, min(FITTED, MOST_NUMBERS // int(np.prod(split.images.shape[1:]))))
    chosen = np.arange(0, len(split), max(1, -(-len(split) // most)))
    return split.take(chosen).scaled()


def _flat(x: Floats) -> Floats:
    return x.reshape(len(x), -1)


def _projected(components: Any, x: Floats) -> Floats:
    return np.asarray(components.transform(_flat(x)))
