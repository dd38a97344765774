"""The names of arrays' types, and rows of data that may be larger than memory.

Shape legend: N rows of any one shape.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]
Row = dict[str, Any]
"""One row of a table of results: values by the names of their columns."""

BLOCK_VALUES = 2**22  # numbers that are read at once


def blocks(x: Array) -> Iterator[Array]:
    """The rows of an array a block at a time, about :data:`BLOCK_VALUES` numbers each."""
    rows = max(1, BLOCK_VALUES // max(1, x[:1].size))
    for start in range(0, len(x), rows):
        yield x[start : start + rows]


def mean_row(x: Array) -> Array:
    """The mean of all rows, float64, shape ``(*shape)``."""
    sums = [block.sum(0, dtype=np.float64) for block in blocks(x)]
    return np.asarray(np.sum(sums, axis=0) / len(x))


@dataclass(frozen=True, eq=False)
class Selection:
    """Some rows of an array that are copied only as they are taken; a mapped file stays on disk.

    Attributes:
        values: N rows, shape ``(N, *row)``.
        indices: which of them, in this order, shape ``(M,)``.
    """

    values: Array
    indices: npt.NDArray[np.int64]

    @property
    def shape(self) -> tuple[int, ...]:
        """``(M, *row)``."""
        return (len(self.indices), *self.values.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the array."""
        return self.values.dtype

    @property
    def ndim(self) -> int:
        """Of the array."""
        return self.values.ndim

    @property
    def size(self) -> int:
        """How many numbers the rows have."""
        return int(np.prod(self.shape))

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, chosen: Any) -> Array:
        """Rows by a slice or an array of places, copied."""
        return np.asarray(self.values[self.indices[chosen]])


def selected(values: Array, indices: npt.NDArray[np.int64]) -> Array:
    """A :class:`Selection` for whoever reads rows as those of an array: by blocks and batches.

    It has shape, dtype, length and indexing by slices and places, and nothing else of an array.
    """
    return cast(Array, Selection(values, indices))
