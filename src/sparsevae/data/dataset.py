"""What every data set is here: two splits of images or a table, perhaps labelled, and a checksum.

Shapes: N images, C channels, H rows, W columns; N rows of D columns of a table.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from sparsevae.data.scaling import GREY, Scaling
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Floats, Rows

Images = npt.NDArray[np.uint8]
Labels = npt.NDArray[np.int64]
Factors = npt.NDArray[np.float64]
Indices = slice | npt.NDArray[np.integer] | npt.NDArray[np.bool_] | list[int] | range


@dataclass(frozen=True, eq=False)
class Split:
    """Images, or the rows of a table, with their labels.

    Attributes:
        images: (N, C, H, W) uint8, grey levels 0 to 255; with a scaling numbers of any type,
            (N, D) too, and perhaps a :class:`sparsevae.storage.arrays.Selection` of a mapped file.
        labels: (N,) int64, the index of each image's class; None for unlabelled data.
        scaling: what brings them to where a model takes them; None for grey levels.
        factors: (N, K) float64, the value of each factor that an image was drawn from, NaN where
            it is absent; None where they are not known.

    Raises:
        DatasetError: If an array has another type or shape, or the lengths differ.

    Examples:
        >>> Split(np.zeros((3, 1, 28, 28), np.uint8), np.array([7, 0, 4])).take([2, 0]).labels
        array([4, 7])
    """

    images: Rows
    labels: Labels | None = None
    scaling: Scaling | None = None
    factors: Factors | None = None

    def __post_init__(self) -> None:
        images, labels = self.images, self.labels
        if self.scaling is None and (images.dtype != np.uint8 or images.ndim != 4):
            raise DatasetError(
                f"images are {images.dtype} of shape {images.shape}; "
                "give uint8 grey levels of shape (images, channels, rows, columns)."
            )
        if labels is not None and (labels.dtype != np.int64 or labels.shape != images.shape[:1]):
            raise DatasetError(
                f"labels are {labels.dtype} of shape {labels.shape} for {len(images)} images; "
                f"give int64 labels of shape ({len(images)},)."
            )

    def __len__(self) -> int:
        return len(self.images)

    def take(self, indices: Indices) -> "Split":
        """The images at `indices` (integers, a mask or a slice), in that order, as a new split."""
        chosen: slice | npt.NDArray[np.integer] | npt.NDArray[np.bool_]
        if isinstance(indices, list | range):
            chosen = np.asarray(indices, dtype=None if indices else np.int64)  # [] is float64
        else:
            chosen = indices
        labels = None if self.labels is None else self.labels[chosen]
        factors = None if self.factors is None else self.factors[chosen]
        return Split(self.images[chosen], labels, self.scaling, factors)

    def scaled(self) -> Floats:
        """All images as a model takes them, float32, shape ``(N, *shape)``."""
        return (self.scaling or GREY).apply(self.images)


@dataclass(frozen=True, eq=False)
class Dataset:
    """A named pair of splits.

    Attributes:
        name: What :func:`sparsevae.data.load` knows it by.
        train: The split to fit on.
        test: The split to score on; images of the same shape.
        classes: The name of each class, in the order of the labels; empty without labels.
        sha256: Checksum of the four arrays in the order train images, train labels, test images,
            test labels; computed here unless given.
        note: One sentence about where the arrays come from, where that needs saying.
        factor_groups: Which columns of the splits' factors belong together, by name.

    Raises:
        DatasetError: If the splits differ in image shape, one of them is empty, or a label has
            no class.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...] = ()
    sha256: str = ""
    note: str = ""
    factor_groups: Mapping[str, slice] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._check()
        if not self.sha256:
            object.__setattr__(self, "sha256", checksum(self.train, self.test))

    def _check(self) -> None:
        shapes = self.train.images.shape[1:], self.test.images.shape[1:]
        if shapes[0] != shapes[1]:
            raise DatasetError(
                f"{self.name}: training images are {shapes[0]} and test images {shapes[1]}; "
                "both must have the same shape."
            )
        for word, split in (("training", self.train), ("test", self.test)):
            if len(split) == 0:
                raise DatasetError(f"{self.name}: the {word} split is empty; give some images.")
            labels = split.labels
            if labels is not None and not 0 <= labels.min() <= labels.max() < len(self.classes):
                raise DatasetError(
                    f"{self.name}: {word} labels run from {labels.min()} to {labels.max()} but "
                    f"{len(self.classes)} classes are named; name a class for every label from 0."
                )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape (C, H, W) of one image, or (D,) of one row of a table."""
        return tuple(self.train.images.shape[1:])


def checksum(*splits: Split) -> str:
    """SHA-256 (hexadecimal) of the images and labels of `splits`, C order, one after another."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(np.ascontiguousarray(split.images).data)
        if split.labels is not None:
            digest.update(np.ascontiguousarray(split.labels).data)
    return digest.hexdigest()
