"""How much an evaluation does at most, from the shapes of what is measured alone.

Numbers therefore do not depend on the machine, and data that a user makes large cost no more than
large images of a few thousand rows do. Up to MNIST's sizes nothing is left out; what is left out
beyond stands in the columns of the group "scope".

Shape legend: N rows of E elements, J latent dimensions, K classes.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sparsevae.data.dataset import Labels
from sparsevae.data.splits import shuffled

HELD = 2**24  # numbers of the rows that are measured, or half of those of their codes
AT_ONCE = 2**22  # numbers of the rows, or decoded rows, of one batch
SCORED = 2**29  # numbers that are decoded for the importance-weighted bound
ABLATED = 2**28  # numbers that are decoded without a dimension
LEARNED = 120_000 * 784  # numbers of the images that a classifier sees in all
FEWEST = 100  # rows that are taken however large they are
CLASSES = 100  # classes that columns about classes are of
COUNTED = 2  # rows of a class that is one of more than that
TAUGHT = 5  # training rows of a class, on average, from which a classifier learns
PAIRS = 300  # of classes between which paths are walked
SEED = 0  # of every sample


def rows_held(rows: int, elements: int, latents: int) -> int:
    """How many of the rows are measured: all, or as many as memory has room for.

    Example:
        >>> rows_held(10_000, 784, 64), rows_held(200_000, 100, 16), rows_held(4_000, 11_025, 16)
        (10000, 167772, 1521)
    """
    return min(rows, max(FEWEST, HELD // max(elements, 2 * latents)))


def sample(rows: int, size: int) -> npt.NDArray[np.int64]:
    """Ascending places of ``size`` rows, the same each time, shape ``(size,)``."""
    return np.sort(shuffled(rows, SEED)[:size])


def rows_at_once(elements: int, most: int) -> int:
    """Rows of a batch: ``most``, or fewer where rows are large.

    Example:
        >>> rows_at_once(784, 1000), rows_at_once(11_025, 1000)
        (1000, 380)
    """
    return max(1, min(most, AT_ONCE // elements))


def rows_scored(rows: int, elements: int, samples: int) -> int:
    """Rows whose importance-weighted bound is measured with the default number of draws.

    Example:
        >>> rows_scored(1000, 784, 500), rows_scored(1000, 3072, 500), rows_scored(1000, 11_025, 9)
        (1000, 349, 1000)
    """
    return min(rows, max(FEWEST, SCORED // (samples * elements)))


def rows_ablated(rows: int, elements: int, latents: int) -> int:
    """Rows that are decoded again without each dimension.

    Example:
        >>> rows_ablated(1000, 784, 64), rows_ablated(1000, 784, 1024)
        (1000, 334)
    """
    return min(rows, max(FEWEST, ABLATED // (elements * latents)))


@dataclass(frozen=True, eq=False)
class Counted:
    """The rows and classes that columns about classes are of.

    Attributes:
        places: of M of the rows, ascending, shape ``(M,)``.
        labels: class of each, shape ``(M,)``.
        classes: numbers of the classes, ascending.
        whole: whether these are all rows.
    """

    places: npt.NDArray[np.int64]
    labels: Labels
    classes: Labels
    whole: bool


def counted(labels: Labels) -> Counted | None:
    """All rows; or of more than 100 classes those of the 100 that have most rows.

    Of classes with as many rows a fixed sample is taken. With so many classes one needs two rows
    to count; None where there are no two such.

    Args:
        labels: class of every row, shape ``(N,)``.

    Example:
        >>> counted(np.arange(1000)) is None
        True
        >>> len(counted(np.arange(3000) % 500).classes)
        100
    """
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) <= CLASSES:
        return Counted(np.arange(len(labels)), labels, classes, True)
    order = shuffled(len(classes), SEED)
    chosen = order[np.argsort(-counts[order], kind="stable")][:CLASSES]
    chosen = np.sort(chosen[counts[chosen] >= COUNTED])
    if len(chosen) < 2:
        return None
    places = np.flatnonzero(np.isin(labels, classes[chosen]))
    return Counted(places, labels[places], classes[chosen], False)


def class_pairs(classes: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Which classes a path leads from and to: every two, or 300 pairs of as many as may be.

    Example:
        >>> [side.tolist() for side in class_pairs(3)]
        [[0, 0, 1], [1, 2, 2]]
        >>> starts, ends = class_pairs(100)
        >>> len({*zip(starts, ends)}), len({*starts, *ends})
        (300, 100)
    """
    if math.comb(classes, 2) <= PAIRS:
        starts, ends = np.triu_indices(classes, 1)
        return starts, ends
    order, place = shuffled(classes, SEED), np.arange(PAIRS)
    first, apart = place % classes, 1 + place // classes
    return order[first], order[(first + apart) % classes]
