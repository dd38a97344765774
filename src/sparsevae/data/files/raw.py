"""What every reader ends in: raw values that were looked through once, with names and labels.

Shape legend: N rows; a row is D columns of a table, or C channels of H x W pixels.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data.dataset import Labels
from sparsevae.data.files import axes
from sparsevae.data.files.labels import Labelling
from sparsevae.data.files.naming import listed
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import blocks

Array = npt.NDArray[Any]

FEWEST_ROWS = 2
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Found:
    """What a reader takes from a file, not looked at yet.

    Attributes:
        values: Rows, in any of the shapes that :func:`sparsevae.data.files.axes.arranged` knows.
        labels: (N,) positions in `classes`, None without labels.
        classes: Names of the classes.
        columns: Names of a table's columns; empty where the file has none.
        notes: Sentences about choices that the file left open.
        channels: Which axis of images holds the channels, where the reader knows.
    """

    values: Array
    labels: Labels | None = None
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    channels: axes.Channels | None = None

    def labelled(self, labelling: Labelling) -> "Found":
        """The same with all labels that were taken."""
        labels, classes = labelling.settle()
        return replace(self, labels=labels, classes=classes)


@dataclass(frozen=True, eq=False)
class Raw:
    """Data as they were found, fit to train on: rows of finite real numbers.

    Attributes:
        values: (N, D) or (N, C, H, W), in the dtype of the file; perhaps a read-only memory map.
        labels: (N,) int64, the position of each row's class; None for unlabelled data.
        classes: The name of each class; sorted as numbers if all are, else as text.
        columns: The name of each column of a table; empty for images.
        sha256: Checksum of the values in C order, little-endian, followed by the labels.
        source: What was read.
        notes: Sentences about what was chosen where the file left it open, and about columns
            that carry nothing.
    """

    values: Array
    labels: Labels | None
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    sha256: str
    source: str
    notes: tuple[str, ...] = ()


def checked(
    found: Found,
    source: str,
    channels: axes.Channels | None = None,
    fewest: int = FEWEST_ROWS,
) -> Raw:
    """Brings values into one of two shapes and looks through them once, block by block.

    Args:
        found: What a reader gives.
        source: What errors call it.
        channels: Which axis of images holds the channels, where neither the reader nor the
            lengths say.
        fewest: Rows that are needed.

    Raises:
        DatasetError: If there are fewer rows than needed, labels of another number, a shape or
            dtype that no model takes, or a value that is not a finite 32-bit number.
    """
    values = _numbers(found.values, source)
    values, notes = axes.arranged(values, channels or found.channels, source)
    if len(values) < fewest:
        raise DatasetError(f"{source} holds {len(values)} rows; at least {fewest} are needed.")
    if found.labels is not None and len(found.labels) != len(values):
        raise DatasetError(
            f"{source} holds {len(values)} rows and {len(found.labels)} labels; give one each."
        )
    names = found.columns or tuple(f"x{place}" for place in range(values.shape[1]))
    columns = names if values.ndim == 2 else ()
    sha256, constant = _look_through(values, found.labels, columns, source)
    return Raw(
        values=values,
        labels=found.labels,
        classes=found.classes,
        columns=columns,
        sha256=sha256,
        source=source,
        notes=(*found.notes, *notes, *_about(constant, columns, found)),
    )


def _numbers(values: Array, source: str) -> Array:
    """The same values in a dtype that models take; truth values become 0 and 1."""
    if values.dtype.kind == "b":
        return values.view(np.uint8)
    if values.dtype.kind not in "iuf":
        raise DatasetError(
            f"{source} holds values of type {str(values.dtype)[:40]}; only whole numbers, real "
            "numbers and truth values can be trained on."
        )
    return values


def _look_through(
    values: Array, labels: Labels | None, columns: tuple[str, ...], source: str
) -> tuple[str, npt.NDArray[np.bool_]]:
    """The checksum, and which columns (of images: whether all pixels) are constant."""
    digest, first = hashlib.sha256(), np.array(values[:1])
    if not columns:
        first = first[(0,) * first.ndim]
    constant, start = np.ones(len(columns) or 1, dtype=bool), 0
    for block in blocks(values):
        if block.dtype.kind == "f":
            _check_finite(block, start, columns, source)
        differs = (block != first).any(axis=0)
        constant &= ~(differs if columns else differs.any())
        digest.update(np.ascontiguousarray(block, block.dtype.newbyteorder("<")).data)
        start += len(block)
    if labels is not None:
        digest.update(labels.astype("<i8").data)
    return digest.hexdigest(), constant


def _check_finite(block: Array, start: int, columns: tuple[str, ...], source: str) -> None:
    wide = block.dtype.itemsize > np.dtype(np.float32).itemsize
    bad = ~(np.abs(block) <= LARGEST) if wide else ~np.isfinite(block)
    if not bad.any():
        return
    row, *rest = (int(place) for place in np.unravel_index(bad.argmax(), bad.shape))
    if columns:
        place = f"row {start + row + 1}, column {columns[rest[0]]!r}"
    else:
        place = f"image {start + row + 1}, channel, row and column {[p + 1 for p in rest]}"
    raise DatasetError(
        f"{source}: {place} (counted from 1) is {block[(row, *rest)]}; only numbers up to 3.4e38 "
        "can be trained on, so fill such places, or leave the row or column out."
    )


def _about(
    constant: npt.NDArray[np.bool_], columns: tuple[str, ...], found: Found
) -> Iterator[str]:
    if len(found.values) == 1:
        return
    if constant.all():
        yield "All rows are equal; there is nothing to learn from them."
    elif constant.any():
        names = [columns[place] for place in np.flatnonzero(constant)]
        what = "column is" if len(names) == 1 else "columns are"
        yield f"{len(names)} {what} constant and carry no information: {listed(names)}."
    if found.labels is not None and len(np.unique(found.labels)) == len(found.labels):
        yield "Every row has a class of its own; labels that name no groups are of no use."
