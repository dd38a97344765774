"""Sparse matrices: of scipy in memory, in its .npz files, and AnnData's .h5ad files by h5py.

What a file says of itself is held against limits before memory is taken. Formats: SciPy,
``scipy.sparse.save_npz``; AnnData, "On-disk format".

Shape legend: N rows of D columns, n numbers that are stored.
"""

import zipfile
import zlib
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae.data.readers.columns import matching
from sparsevae.data.readers.labels import classed
from sparsevae.data.readers.memory import check_size
from sparsevae.data.readers.raw import Parsed
from sparsevae.errors import DatasetError
from sparsevae.storage.sparse import SparseRows

PARTS = {"format.npy", "shape.npy", "data.npy"}
"""Of a file of a sparse matrix, in whichever of scipy's formats."""
LARGEST_NAME = 4096  # bytes that the parts of a few numbers may take
MOST_COLUMNS = 1_000_000
LAYOUTS = {"csr_matrix": "csr", "csc_matrix": "csc"}
UNREADABLE = (  # what zipfile, zlib and NumPy say of files that are damaged
    *(ValueError, KeyError, TypeError, EOFError, NotImplementedError, RuntimeError),
    *(zipfile.BadZipFile, zlib.error),
)


def is_matrix(rows: Any) -> bool:
    """Whether rows are a sparse matrix or array of scipy."""
    return hasattr(rows, "tocsr") and hasattr(rows, "nnz")


def is_annotated(rows: Any) -> bool:
    """Whether rows are an AnnData object, without loading its package."""
    return all(hasattr(rows, name) for name in ("X", "obs", "var_names", "n_obs"))


def sparse_rows(matrix: Any, where: str) -> SparseRows:
    """A sparse matrix as rows; duplicates are summed, stored numbers are not copied if they fit.

    Raises:
        DatasetError: it has no numbers, or indices outside of its shape.
    """
    if matrix.dtype.kind not in "biuf":
        raise DatasetError(f"{where} holds values of type {matrix.dtype}, which are no numbers.")
    if len(matrix.shape) != 2:
        raise DatasetError(f"{where} has the shape {matrix.shape}; give rows and columns.")
    try:
        if hasattr(matrix, "check_format"):
            matrix.check_format(full_check=True)
        rows = matrix.tocsr()
    except ValueError as error:
        raise DatasetError(f"{where} is a damaged sparse matrix ({error}); replace it.") from None
    if not rows.has_canonical_format:
        rows = rows.copy()
        rows.sum_duplicates()
    if not 0 < rows.shape[1] <= MOST_COLUMNS:
        raise DatasetError(
            f"{where} has {rows.shape[1]:,} columns; give 1 to {MOST_COLUMNS:,} of them."
        )
    return SparseRows(rows.astype(np.uint8) if rows.dtype.kind == "b" else rows)


def from_annotated(data: Any, label: str | None) -> Parsed:
    """The matrix of an AnnData object, names of its variables, and labels of its observations."""
    columns = tuple(map(str, data.var_names))
    matrix = data.X[:] if not is_matrix(data.X) and hasattr(data.X, "to_memory") else data.X
    values = sparse_rows(matrix, "X") if is_matrix(matrix) else np.asarray(matrix)
    if label is None:
        return Parsed(values, columns=columns)
    (name,) = matching([str(name) for name in data.obs.columns], [label], "obs")
    return Parsed(values, *classed(data.obs[name].astype(str).tolist(), "obs"), columns)


def is_scipys(path: Path) -> bool:
    """Whether an .npz file is a sparse matrix of scipy, by the names of its parts."""
    try:
        with zipfile.ZipFile(path) as archive:
            return set(archive.namelist()) >= PARTS
    except (OSError, NotImplementedError, zipfile.BadZipFile):
        return False


def read_scipy(path: Path, memory: int) -> Parsed:
    """A sparse matrix that ``scipy.sparse.save_npz`` wrote; nothing is unpickled.

    Raises:
        DatasetError: the file is damaged, or unpacks to more than ``memory`` bytes.
    """
    from scipy import sparse

    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {part.filename: part.file_size for part in archive.infolist()}
        check_size(sum(sizes.values()), memory, str(path))
        if max(sizes["shape.npy"], sizes["format.npy"]) > LARGEST_NAME:
            raise ValueError("its shape is no pair of numbers")
        matrix = sparse.load_npz(path)
        check_size(8 * matrix.shape[0], memory, str(path))
        return Parsed(sparse_rows(matrix, str(path)))
    except UNREADABLE as error:
        reason = str(error).split("\n")[0][:200]
        raise DatasetError(f"{path} is no sparse matrix of scipy ({reason}).") from error


def read_h5ad(path: Path, label: str | None, memory: int) -> Parsed:
    """The matrix X of an .h5ad file, names of variables, and labels from ``obs``.

    Args:
        path: the file.
        label: name or pattern of a column of ``obs``.
        memory: bytes that values may take.

    Raises:
        DatasetError: h5py is not installed, the file is damaged or no AnnData, or there are more
            values than ``memory`` allows.
    """
    try:
        h5py = import_module("h5py")
    except ImportError:
        raise DatasetError(
            f"{path} needs the package h5py; install it with: pip install h5py."
        ) from None
    try:
        with h5py.File(path, "r") as file:
            return _annotated(h5py, file, label, memory, str(path))
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError) as error:
        reason = str(error).split("\n")[0][:200]
        raise DatasetError(f"{path} is no .h5ad file that can be read ({reason}).") from error


def _annotated(h5py: Any, file: Any, label: str | None, memory: int, where: str) -> Parsed:
    content = file["X"]
    if isinstance(content, h5py.Dataset):
        check_size(content.size * content.dtype.itemsize, memory, where)
        values: Any = np.asarray(content)
        width = values.shape[-1]
    else:
        values = sparse_rows(_compressed(content, memory, where), where)
        width = values.shape[1]
    names = _column(h5py, file["var"], str(file["var"].attrs["_index"]), width)
    columns = tuple(names) if len(set(names)) == len(names) else ()
    if label is None:
        return Parsed(values, columns=columns)
    known = [str(name) for name in file["obs"].attrs["column-order"]]
    fitting = matching(known, [label], f"{where}, obs,")
    marks = _column(h5py, file["obs"], fitting[0], len(values))
    return Parsed(values, *classed(marks, where), columns)


def _compressed(group: Any, memory: int, where: str) -> Any:
    """A group of compressed rows or columns as a matrix of scipy."""
    from scipy import sparse

    layout = LAYOUTS[str(group.attrs["encoding-type"])]
    rows, columns = (int(length) for length in group.attrs["shape"])
    parts = [group[name] for name in ("data", "indices", "indptr")]
    check_size(sum(part.size * part.dtype.itemsize for part in parts), memory, where)
    check_size(8 * rows, memory, where)
    made = sparse.csr_matrix if layout == "csr" else sparse.csc_matrix
    return made(tuple(part[:] for part in parts), shape=(rows, columns))


def _column(h5py: Any, table: Any, name: str, length: int) -> list[str]:
    """A column of obs or var as text: plain, or a category by its codes."""
    column = table[name]
    if isinstance(column, h5py.Dataset):
        if column.shape != (length,):
            raise ValueError(f"{name} has the shape {column.shape}")
        return _texts(h5py, column)
    levels = _texts(h5py, column["categories"])
    codes = column["codes"][:]
    if codes.shape != (length,):
        raise ValueError(f"{name} has the shape {codes.shape}")
    return [levels[code] if code >= 0 else "" for code in codes]


def _texts(h5py: Any, values: Any) -> list[str]:
    """What a data set holds, numbers and truth values too, as text."""
    plain = values.asstr()[:] if h5py.check_string_dtype(values.dtype) else values[:]
    return [str(value) for value in plain]
