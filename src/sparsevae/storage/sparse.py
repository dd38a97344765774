"""Rows of a sparse matrix that become dense a block at a time, as they are taken.

Shape legend: N rows of D columns.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from sparsevae.storage.arrays import Array


@dataclass(frozen=True, eq=False)
class SparseRows:
    """A matrix of scipy.sparse as rows: what is taken of it is a plain array, the rest stays.

    Attributes:
        matrix: in compressed rows, shape ``(N, D)``.
    """

    matrix: Any

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, D)``."""
        return tuple(int(length) for length in self.matrix.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of each number."""
        dtype: np.dtype[Any] = np.dtype(self.matrix.dtype)
        return dtype

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def size(self) -> int:
        """N·D, zeros that are not stored too."""
        rows, columns = self.shape
        return rows * columns

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: Any) -> Array:
        return np.asarray(self.matrix[chosen].toarray())


def stored(rows: Any) -> Array:
    """What a sparse matrix or a selection of its rows stores, and one 0 if it has some.

    Raises:
        AttributeError: the rows are dense.
    """
    chosen = rows.matrix if isinstance(rows, SparseRows) else rows.values.matrix[rows.indices]
    zero = np.zeros(int(chosen.nnz < rows.size), chosen.dtype)
    return np.concatenate([chosen.data, zero])


def is_sparse(rows: Any) -> bool:
    """Whether rows are a sparse matrix, or a selection of the rows of one."""
    return isinstance(getattr(rows, "values", rows), SparseRows)
