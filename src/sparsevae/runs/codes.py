"""Codes and rows as files: arrays, tables, sparse matrices, pictures.

Shape legend: N rows of shape (D,) or (C, H, W), J latent dimensions.
"""

import csv
import math
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from sparsevae.data import readers
from sparsevae.data.readers.columns import is_frame
from sparsevae.data.readers.memory import allowance
from sparsevae.data.readers.mixed import read_frame
from sparsevae.data.schema import Schema
from sparsevae.errors import DatasetError, OutputError
from sparsevae.evaluation.pictures import shades
from sparsevae.runs.decoding import code_names, codes_of
from sparsevae.runs.given import nameless
from sparsevae.storage.arrays import Array
from sparsevae.storage.files import check_folder, make_folder, replacing
from sparsevae.training.config import DataConfig

MOST_PICTURED = 400  # images of one picture
LARGEST_CODES = 2**31  # bytes that codes and what they are decoded to may take as dense arrays
SMALLEST_PART, LARGEST_ENTRY = 4096, 8  # bytes that a part of a sparse matrix may always take
Writer = Callable[[Path, Array, Sequence[str]], None]


def _npy(path: Path, rows: Array, names: Sequence[str]) -> None:
    with path.open("wb") as file:
        np.save(file, rows, allow_pickle=False)


def _csv(path: Path, rows: Array, names: Sequence[str]) -> None:
    if rows.dtype.kind == "f":
        rows = rows.astype(np.float32)  # models compute in it: further digits would mean nothing
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows([str(number) for number in row] for row in rows)


def _npz(path: Path, rows: Array, names: Sequence[str]) -> None:
    from scipy import sparse

    with path.open("wb") as file:
        sparse.save_npz(file, sparse.csr_matrix(rows))


CODE_WRITERS: dict[str, Writer] = {".npy": _npy, ".csv": _csv, ".npz": _npz}
TABLE_WRITERS: dict[str, Writer] = {".npy": _npy, ".csv": _csv}
FRAME_ENDINGS = (".csv", ".parquet")
TABLE_ENDINGS = (*FRAME_ENDINGS, ".tsv")


def check_place(path: Path, endings: Mapping[str, Writer] | Sequence[str]) -> None:
    """Raise :class:`OutputError` unless a file may be written there under one of the endings."""
    if path.suffix.lower() not in endings:
        raise OutputError(f"{path} has no known ending; let it end in {', '.join(endings)}.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file.")
    check_folder(path.parent)


@contextmanager
def _writing(path: Path) -> Iterator[Path]:
    """As :func:`replacing`, in a folder that is made where it is not there."""
    make_folder(path.parent)
    with replacing(path) as temporary:
        yield temporary


def check_rows_place(path: Path, shape: tuple[int, ...], table: Schema | None = None) -> None:
    """Raise :class:`OutputError` unless rows of that shape or table can be written there.

    Args:
        path: where to.
        shape: of a row.
        table: of the rows where they are a data frame; None where they are an array.
    """
    if table is not None and table.named:
        check_place(path, FRAME_ENDINGS)
        return
    check_place(path, TABLE_WRITERS if len(shape) == 1 else (".npy", ".png"))


def write_codes(path: Path, codes: Array) -> None:
    """Write codes, shape ``(N, J)``: .npy, .csv with names, or .npz of scipy.sparse.

    Raises:
        OutputError: another ending, or a place that cannot be written to.
    """
    check_place(path, CODE_WRITERS)
    with _writing(path) as temporary:
        CODE_WRITERS[path.suffix.lower()](temporary, codes, code_names(codes.shape[1]))


def write_frame(path: Path, frame: Any) -> None:
    """Write a data frame, .csv or .parquet, without its index.

    Raises:
        OutputError: another ending, a place that cannot be written to, or pyarrow is not there.
    """
    check_place(path, FRAME_ENDINGS)
    with _writing(path) as temporary:
        if path.suffix.lower() == ".csv":
            frame.to_csv(temporary, index=False)
            return
        try:
            frame.to_parquet(temporary, index=False)
        except ImportError:
            raise OutputError(
                f"{path} needs the package pyarrow: pip install pyarrow, or write a .csv."
            ) from None


def write_rows(path: Path, rows: Any, data: DataConfig, *, elements: bool = False) -> None:
    """Write rows in the data's own units: .npy; a table as .csv too, images as .png too.

    Args:
        path: where to; its ending decides.
        rows: shape ``(N, D)`` or ``(N, C, H, W)``; of images a .png shows the first 400. A data
            frame goes to .csv or .parquet.
        data: of the run: names of columns, and what is black and what white.
        elements: whether rows of a table are elements of its schema, and not its columns.

    Raises:
        OutputError: another ending, or a place that cannot be written to.
    """
    if is_frame(rows):
        write_frame(path, rows)
        return
    check_rows_place(path, rows.shape[1:])
    with _writing(path) as temporary:
        if path.suffix.lower() == ".png":
            _png(temporary, rows, data)
        else:
            names = data.columns or nameless(rows.shape[1])
            if data.table is not None:
                names = data.table.elements if elements else data.table.names
            TABLE_WRITERS[path.suffix.lower()](temporary, rows, names)


def _png(path: Path, rows: Array, data: DataConfig) -> None:
    """Images side by side, about as many in a row as there are rows of them."""
    from PIL import Image

    x = data.scaling.apply(rows[:MOST_PICTURED])
    pixels = shades(data.scaling, data.low, data.high)(x)
    across = math.ceil(math.sqrt(len(pixels)))
    black = np.zeros((-len(pixels) % across, *pixels.shape[1:]), np.uint8)
    grid = np.concatenate([pixels, black]).reshape(-1, across, *pixels.shape[1:])
    Image.fromarray(tiles(grid).astype(np.uint8)).save(path, format="png")


def tiles(images: Array) -> Array:
    """Images side by side as one picture, every one of them upright.

    Args:
        images: shape ``(R, M, C, H, W)``; the first row is the top one.

    Returns:
        Shape ``(R·H, M·W, 3)`` for three channels, else ``(R·H, M·W)``, channels averaged.

    Example:
        >>> tiles(np.arange(8).reshape(1, 2, 1, 2, 2))
        array([[0., 1., 4., 5.],
               [2., 3., 6., 7.]])
    """
    rows, columns, channels, height, width = images.shape
    joined = images.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, channels)
    return joined if channels == 3 else np.asarray(joined.mean(2))


def read_codes(path: Path, latents: int, elements: int = 0) -> tuple[Array, tuple[str, ...]]:
    """Codes of a file that :func:`write_codes` or another program wrote, and what to say of it.

    Args:
        path: .npy, .npz of scipy.sparse, or a table, where columns z0, z1, … are found by name.
        latents: J.
        elements: numbers of a row that a code is decoded to; 0 where none is decoded.

    Returns:
        Shape ``(N, J)``, float32, and the reader's notes.

    Raises:
        DatasetError: the file cannot be read, its rows have another length or other names, hold
            a number that is not finite, or are sparse and take too much memory when they are not.
    """
    notes: tuple[str, ...] = ()
    if path.suffix.lower() == ".npz":
        codes: Any = _sparse(path, latents, elements)
    elif path.suffix.lower() in TABLE_ENDINGS:
        codes, notes = read_frame(str(path), None)
    else:
        raw = readers.read(path, fewest=1)
        codes, notes = raw.values, raw.notes
    return codes_of(codes, latents, str(path)), notes


def _sparse(path: Path, latents: int, elements: int) -> Array:
    """A sparse matrix as a dense one; what it unpacks to is known before memory is taken."""
    from scipy import sparse

    each, room = 4 * (latents + elements), min(LARGEST_CODES, allowance(None))
    try:
        with path.open("rb") as file:
            rows, columns = _sparse_shape(file)
            if columns == latents and each * rows <= room:
                matrix = sparse.csr_matrix(sparse.load_npz(file))
                matrix.check_format(full_check=True)
                return np.asarray(matrix.toarray())
    except (OSError, ValueError, KeyError, TypeError, MemoryError, zipfile.BadZipFile):
        raise DatasetError(f"{path} is no sparse matrix of scipy, or is damaged.") from None
    raise DatasetError(
        f"{path} holds {rows} rows of {columns} numbers; codes of this run have {latents}, "
        f"and at most {room // each:,} rows are decoded at once: write fewer into a file."
    )


def _sparse_shape(file: BinaryIO) -> tuple[int, int]:
    """Rows and columns of scipy's file of a sparse matrix.

    Raises:
        ValueError: a part unpacks to more than such a matrix can have.
    """
    with zipfile.ZipFile(file) as archive:
        sizes = {part.filename: part.file_size for part in archive.infolist()}
    if sizes.pop("shape.npy") > SMALLEST_PART:
        raise ValueError
    with np.load(file, allow_pickle=False) as parts:
        rows, columns = (int(length) for length in parts["shape"])
    most = SMALLEST_PART + LARGEST_ENTRY * (rows * columns + rows + columns + 1)
    if min(rows, columns) < 0 or max(sizes.values()) > most:
        raise ValueError
    file.seek(0)
    return rows, columns
