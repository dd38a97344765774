"""The names of arrays' types, and rows of data that may be larger than memory.

Shape legend: N rows of any one shape.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sparsevae.errors import DatasetError

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Row = dict[str, Any]
"""One row of a table of results: values by the names of their columns."""

BLOCK_VALUES = 2**22  # numbers that are read at once


class Rows(Protocol):
    """What is read of rows wherever they lie: an array, a mapped file, or a :class:`Selection`.

    Indexing by a slice or by an array of places gives a plain array of those rows.
    """

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, *row)``."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of each number."""

    @property
    def ndim(self) -> int:
        """How many axes there are, that of the rows included."""

    @property
    def size(self) -> int:
        """How many numbers the rows have."""

    def __len__(self) -> int: ...

    def __getitem__(self, chosen: Any, /) -> Any: ...


@dataclass(frozen=True, eq=False)
class Selection:
    """Some rows of an array that are copied only as they are taken; a mapped file stays on disk.

    Attributes:
        values: N rows, shape ``(N, *row)``.
        indices: which of them, in this order, shape ``(M,)``.
    """

    values: Rows
    indices: npt.NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(M, *row)``."""
        return (len(self.indices), *self.values.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of each number."""
        return self.values.dtype

    @property
    def ndim(self) -> int:
        """How many axes there are, that of the rows included."""
        return self.values.ndim

    @property
    def size(self) -> int:
        """How many numbers the rows have."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, chosen: Any, /) -> Array:
        if isinstance(self.values, np.memmap):
            check_length(self.values)
        return np.asarray(self.values[self.indices[chosen]])


def check_length(mapped: "np.memmap[Any, Any]") -> None:
    """See that the file of a mapped array is as long as it was: the system ends who reads behind.

    Raises:
        DatasetError: it is not.
    """
    needed = mapped.offset + mapped.nbytes
    if mapped.filename is not None and os.stat(mapped.filename).st_size < needed:
        raise DatasetError(f"{mapped.filename} was changed while it was read; start again.")


def blocks(x: Rows) -> Iterator[Array]:
    """The rows a block at a time, about :data:`BLOCK_VALUES` numbers each."""
    rows = max(1, BLOCK_VALUES // max(1, x[:1].size))
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


def placed_blocks(x: Rows) -> Iterator[tuple[int, Array]]:
    """As :func:`blocks`, each with the place of its first row."""
    start = 0
    for block in blocks(x):
        yield start, block
        start += len(block)


def place_of(bad: Array, start: int = 0, columns: Sequence[str] = ()) -> str:
    """Where the first true element of a block lies, in words, counted from 1.

    Args:
        bad: truth values, shape ``(N, D)`` or ``(N, C, H, W)``.
        start: place of the block's first row.
        columns: names of D columns, where they have some.

    Example:
        >>> place_of(np.array([[False, False], [False, True]]), 10, ("a", "b"))
        "row 12, column 'b' (counted from 1)"
    """
    row, *rest = (int(place) for place in np.unravel_index(bad.argmax(), bad.shape))
    if len(rest) > 1:
        where = f"image {start + row + 1}, channel, row and column {[at + 1 for at in rest]}"
    else:
        named = len(columns) == bad.shape[1]
        where = f"row {start + row + 1}, column {repr(columns[rest[0]]) if named else rest[0] + 1}"
    return f"{where} (counted from 1)"


def mean_row(x: Rows) -> Array:
    """The mean of all rows, of what is not NaN, float64, shape ``(*shape)``."""
    sums = np.sum([block.sum(0, dtype=np.float64) for block in blocks(x)], axis=0)
    if not np.isnan(sums).any():
        return np.asarray(sums / len(x))
    sums = np.sum([np.nansum(block, 0, dtype=np.float64) for block in blocks(x)], axis=0)
    counts = np.sum([(~np.isnan(block)).sum(0) for block in blocks(x)], axis=0)
    return np.asarray(sums / np.maximum(counts, 1))
