"""Choosing images: fixed shuffles, stratified subsets and the validation hold-out."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from sparsevae.data.dataset import Dataset, Labels, Split
from sparsevae.errors import ConfigurationError

DEFAULT_SHARE = 12
"""The hold-out is one image in this many: 5,000 of MNIST's 60,000."""


def shuffled(count: int, seed: int) -> npt.NDArray[np.int64]:
    """A permutation of 0 .. count-1 that depends on `seed` alone.

    It sorts the raw words of a PCG64 stream: NumPy promises those for ever, while the methods of
    its generators may change from version to version.
    """
    words = np.random.PCG64(seed).random_raw(count)
    return np.argsort(words, kind="stable").astype(np.int64)


def stratified_indices(labels: Labels, size: int, seed: int) -> npt.NDArray[np.int64]:
    """`size` positions drawn so that every class keeps its share.

    Shares that are not whole numbers are settled by largest remainder, so exactly `size`
    positions come back and a class misses its exact share by less than one.

    Args:
        labels: (N,) class of each item.
        size: How many positions to draw, 1 to N.
        seed: The same seed draws the same positions.

    Returns:
        (size,) positions in ascending order.

    Raises:
        ConfigurationError: If `size` is out of range.
    """
    _check_size(size, len(labels))
    _, places, counts = np.unique(labels, return_inverse=True, return_counts=True)
    exact = counts * size / len(labels)
    quota = np.floor(exact).astype(np.int64)
    rest = size - int(quota.sum())
    quota[np.argsort(quota - exact, kind="stable")[:rest]] += 1
    order = shuffled(len(labels), seed)
    order = order[np.argsort(places[order], kind="stable")]  # class by class
    rank = np.arange(len(labels)) - np.repeat(np.cumsum(counts) - counts, counts)
    return np.sort(order[rank < np.repeat(quota, counts)])


def choose(split: Split, size: int, seed: int) -> npt.NDArray[np.int64]:
    """Ascending positions of `size` images of `split`: stratified by label when there are labels.

    Raises:
        ConfigurationError: If `size` is not between 1 and the number of images.
    """
    if split.labels is not None:
        return stratified_indices(split.labels, size, seed)
    _check_size(size, len(split))
    return np.sort(shuffled(len(split), seed)[:size])


def holdout(dataset: Dataset, size: int | None = None, seed: int = 0) -> Dataset:
    """Sets training images aside for choices: the result's `test` is the validation split.

    The true test images are not in the result, so that no choice can look at them. MNIST becomes
    55,000 training and 5,000 validation images.

    Args:
        dataset: Where to take training images from.
        size: Number of validation images; by default a twelfth of the training images.
        seed: The same seed holds out the same images.

    Returns:
        A data set of the same name and classes; stratified by label when there are labels.

    Raises:
        ConfigurationError: If `size` leaves no image on one of the sides.
    """
    total = len(dataset.train)
    size = max(1, round(total / DEFAULT_SHARE)) if size is None else size
    _check_size(size, total - 1)
    held = np.zeros(total, dtype=bool)
    held[choose(dataset.train, size, seed)] = True
    train, validation = dataset.train.take(~held), dataset.train.take(held)
    return replace(dataset, train=train, test=validation, sha256="")


def _check_size(size: int, most: int) -> None:
    if not 1 <= size <= most:
        raise ConfigurationError(
            f"cannot draw {size} images here; ask for a number between 1 and {most}."
        )
