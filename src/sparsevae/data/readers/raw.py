"""What every reader ends in: raw values that were looked through once, with names and labels.

Shape legend: N rows; a row is D columns of a table, or C channels of H x W pixels.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sparsevae.data.dataset import Labels
from sparsevae.data.schema import Schema, listed
from sparsevae.errors import ConfigurationError, DatasetError, NoNumbersError
from sparsevae.storage.arrays import Array, blocks
from sparsevae.storage.sparse import SparseRows

Channels = Literal["first", "last"]

COLOURS = (1, 3)
"""Numbers of channels that tell an axis of channels from rows and columns: grey, colour."""
FEWEST_ROWS = 2
LARGEST = float(np.finfo(np.float32).max)


@dataclass(frozen=True, eq=False)
class Parsed:
    """What a reader takes from a file, not looked at yet.

    Attributes:
        values: Rows, in any of the shapes that :func:`arranged` knows.
        labels: (N,) positions in `classes`, None without labels.
        classes: Names of the classes.
        columns: Names of a table's columns; empty where the file has none.
        notes: Sentences about choices that the file left open.
        channels: Which axis of images holds the channels, where the reader knows.
        schema: What the columns of a table are, where they are more than numbers; values are
            its elements, NaN at gaps.
    """

    values: Any
    labels: Labels | None = None
    classes: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    channels: Channels | None = None
    schema: Schema | None = None


@dataclass(frozen=True, eq=False)
class Raw:
    """Data as they were found, fit to train on: rows of finite real numbers.

    Attributes:
        values: (N, D) or (N, C, H, W), in the dtype of the file; perhaps a read-only memory map,
            or rows of a sparse matrix.
        labels: (N,) int64, the position of each row's class; None for unlabelled data.
        classes: The name of each class; sorted as numbers if all are, else as text.
        columns: The name of each column of a table; empty for images.
        sha256: Checksum of the values in C order, little-endian, followed by the labels.
        source: What was read.
        notes: Sentences about what was chosen where the file left it open, and about columns
            that carry nothing.
        schema: What the columns of a table are, where they are more than numbers; `values` and
            `columns` are its elements, NaN at gaps.
        size: Rows and columns that images were brought to; None where they are as they were.
    """

    values: Array
    labels: Labels | None
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    sha256: str
    source: str
    notes: tuple[str, ...] = ()
    schema: Schema | None = None
    size: int | None = None


def checked(
    parsed: Parsed,
    source: str,
    channels: Channels | None = None,
    fewest: int = FEWEST_ROWS,
) -> Raw:
    """Brings values into one of two shapes and looks through them once, block by block.

    Args:
        parsed: What a reader gives.
        source: What errors call it.
        channels: Which axis of images holds the channels, where neither the reader nor the
            lengths say.
        fewest: Rows that are needed; of fewer than :data:`FEWEST_ROWS` nothing is learned, so
            nothing is said about what they lack.

    Raises:
        DatasetError: If there are fewer rows than needed, labels of another number, a shape or
            dtype that no model takes, or a value that is not a finite 32-bit number.
    """
    values = _numbers(parsed.values, source)
    values, notes = arranged(values, channels or parsed.channels, source)
    if len(values) < fewest:
        rows = "1 row" if len(values) == 1 else f"{len(values)} rows"
        raise DatasetError(f"{source} holds {rows}; at least {fewest} are needed.")
    if parsed.labels is not None and len(parsed.labels) != len(values):
        raise DatasetError(
            f"{source} holds {len(values)} rows and {len(parsed.labels)} labels; give one each."
        )
    names = parsed.columns or tuple(f"x{place}" for place in range(values.shape[1]))
    columns = names if values.ndim == 2 else ()
    gaps = parsed.schema is not None
    if isinstance(values, SparseRows):
        sha256, constant = _look_through_stored(values, parsed.labels, source)
    else:
        sha256, constant = _look_through(values, parsed.labels, columns, source, gaps)
    return Raw(
        values=values,
        labels=parsed.labels,
        classes=parsed.classes,
        columns=columns,
        sha256=sha256,
        source=source,
        notes=(
            *(*parsed.notes, *notes),
            *(_about(constant, columns, parsed) if fewest >= FEWEST_ROWS else ()),
        ),
        schema=parsed.schema,
    )


def arranged(
    values: Array, channels: Channels | None, where: str
) -> tuple[Array, tuple[str, ...]]:
    """A view of shape (N, D) or (N, C, H, W), and a note where channels were taken to be last.

    Args:
        values: (N, D), (N, H, W), (N, C, H, W) or (N, H, W, C).
        channels: Where channels are; by default that is told from an axis of length 1 or 3.
        where: What an error calls the array.

    Raises:
        DatasetError: If it has other axes, an axis of length 0, or channels that cannot be told.
        ConfigurationError: If ``channels`` is another word.

    Examples:
        >>> values, notes = arranged(np.zeros((5, 28, 28, 3)), None, "it")
        >>> values.shape, notes
        ((5, 3, 28, 28), ('The last axis, of length 3, was taken for the channels.',))
    """
    if channels not in (None, "first", "last"):
        raise ConfigurationError(f"Channels come first or last, not {channels!r}.")
    if values.ndim not in (2, 3, 4) or 0 in values.shape:
        raise DatasetError(
            f"{where} holds an array of shape {values.shape}; a table is (rows, columns), images "
            "are (images, rows, columns) or (images, channels, rows, columns)."
        )
    if values.ndim == 2:
        return values, ()
    if values.ndim == 3:
        return values[:, None], ()
    if channels is not None:
        return (values if channels == "first" else np.moveaxis(values, 3, 1)), ()
    first, last = values.shape[1] in COLOURS, values.shape[3] in COLOURS
    if first == last:
        raise DatasetError(
            f"{where} holds images of shape {values.shape[1:]}, and the lengths do not tell which "
            "axis is the channels; say whether channels come 'first' or 'last'."
        )
    if first:
        return values, ()
    note = f"The last axis, of length {values.shape[3]}, was taken for the channels."
    return np.moveaxis(values, 3, 1), (note,)


def _numbers(values: Any, source: str) -> Any:
    """The same values in a dtype that models take; truth values become 0 and 1."""
    if isinstance(values, SparseRows):
        return values
    if values.dtype.kind == "b":
        whole = values if isinstance(values, np.ndarray) else np.asarray(values)
        return whole.view(np.uint8)  # a mapped file stays one
    if values.dtype.kind not in "iuf":
        raise DatasetError(
            f"{source} holds values of type {str(values.dtype)[:40]}; only whole numbers, real "
            "numbers and truth values can be trained on."
        )
    return values


def _look_through(
    values: Array, labels: Labels | None, columns: tuple[str, ...], source: str, gaps: bool
) -> tuple[str, npt.NDArray[np.bool_]]:
    """The checksum, and which columns (of images: whether all pixels) are constant."""
    digest, first = hashlib.sha256(), np.array(values[:1])
    if not columns:
        first = first[(0,) * first.ndim]
    constant, start = np.ones(len(columns) or 1, dtype=bool), 0
    for block in blocks(values):
        if block.dtype.kind == "f" and not gaps:
            _check_finite(block, start, columns, source)
        differs = (block != first).any(axis=0)
        constant &= ~(differs if columns else differs.any())
        digest.update(np.ascontiguousarray(block, block.dtype.newbyteorder("<")).data)
        start += len(block)
    if labels is not None:
        digest.update(labels.astype("<i8").data)
    return digest.hexdigest(), constant


def _look_through_stored(
    values: SparseRows, labels: Labels | None, source: str
) -> tuple[str, npt.NDArray[np.bool_]]:
    """The checksum of a sparse matrix, by what it stores, and which columns are constant."""
    matrix, digest = values.matrix, hashlib.sha256(repr(values.shape).encode())
    if matrix.dtype.kind == "f" and not (np.abs(matrix.data) <= LARGEST).all():
        raise DatasetError(
            f"{source} stores a number that is missing or not finite; leave its row or column out."
        )
    for part in (matrix.data, matrix.indices.astype(np.int64), matrix.indptr.astype(np.int64)):
        digest.update(np.ascontiguousarray(part, part.dtype.newbyteorder("<")).data)
    if labels is not None:
        digest.update(labels.astype("<i8").data)
    ends = (np.asarray(end(axis=0).todense()).ravel() for end in (matrix.min, matrix.max))
    return digest.hexdigest(), np.equal(*ends)


def _check_finite(block: Array, start: int, columns: tuple[str, ...], source: str) -> None:
    wide = block.dtype.itemsize > np.dtype(np.float32).itemsize
    bad = ~(np.abs(block) <= LARGEST) if wide else ~np.isfinite(block)
    if not bad.any():
        return
    row, *rest = (int(place) for place in np.unravel_index(bad.argmax(), bad.shape))
    also = ""
    if columns:
        place = f"row {start + row + 1}, column {columns[rest[0]]!r}"
        others = [columns[n] for n in np.flatnonzero(bad.any(axis=0)) if n != rest[0]]
        also = f", and so are places in {listed(others)}" if others else ""
    else:
        place = f"image {start + row + 1}, channel, row and column {[p + 1 for p in rest]}"
    raise NoNumbersError(
        f"{source}: {place} (counted from 1) is {block[(row, *rest)]}{also}; only numbers up to "
        "3.4e38 can be trained on, so fill such places, or leave the row or column out."
    )


def _about(
    constant: npt.NDArray[np.bool_], columns: tuple[str, ...], parsed: Parsed
) -> Iterator[str]:
    if len(parsed.values) == 1:
        return
    if constant.all():
        yield "All rows are equal; there is nothing to learn from them."
    elif constant.any():
        names = [columns[place] for place in np.flatnonzero(constant)]
        what = "column is constant and carries"
        if len(names) > 1:
            what = "columns are constant and carry"
        yield f"{len(names)} {what} no information: {listed(names)}."
    if parsed.labels is not None and len(np.unique(parsed.labels)) == len(parsed.labels):
        yield "Every row has a class of its own; labels that name no groups are of no use."
