"""Codes and rows as files: arrays, tables, sparse matrices, pictures.

Shape legend: N rows of shape (D,) or (C, H, W), J latent dimensions.
"""

import csv
import math
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from sparsevae.data import readers
from sparsevae.errors import DatasetError, OutputError
from sparsevae.evaluation.pictures import shades
from sparsevae.runs.prepare import nameless
from sparsevae.storage.arrays import Array
from sparsevae.storage.files import make_folder, replacing
from sparsevae.training.config import DataConfig

MOST_PICTURED = 400  # images of one picture
LARGEST_CODES = 2**31  # bytes that codes may take as a dense array
Writer = Callable[[Path, Array, Sequence[str]], None]


def code_names(latents: int) -> tuple[str, ...]:
    """What the columns of a table of codes are called: z0, z1, …"""
    return tuple(f"z{j}" for j in range(latents))


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


def check_place(path: Path, endings: Mapping[str, Writer] | Sequence[str]) -> None:
    """Raise :class:`OutputError` unless a file may be written there under one of the endings."""
    if path.suffix.lower() not in endings:
        raise OutputError(f"{path} has no known ending; let it end in {', '.join(endings)}.")
    if path.is_dir():
        raise OutputError(f"{path} is a folder; name a file.")
    make_folder(path.parent)


def check_codes_place(path: Path) -> None:
    """Raise :class:`OutputError` unless codes can be written there."""
    check_place(path, CODE_WRITERS)


def check_rows_place(path: Path, shape: tuple[int, ...]) -> None:
    """Raise :class:`OutputError` unless rows of that shape can be written there."""
    check_place(path, TABLE_WRITERS if len(shape) == 1 else (".npy", ".png"))


def write_codes(path: Path, codes: Array) -> None:
    """Write codes, shape ``(N, J)``: .npy, .csv with names, or .npz of scipy.sparse.

    Raises:
        OutputError: another ending, or a place that cannot be written to.
    """
    check_codes_place(path)
    with replacing(path) as temporary:
        CODE_WRITERS[path.suffix.lower()](temporary, codes, code_names(codes.shape[1]))


def write_rows(path: Path, rows: Array, data: DataConfig) -> None:
    """Write rows in the data's own units: .npy; a table as .csv too, images as .png too.

    Args:
        path: where to; its ending decides.
        rows: shape ``(N, D)`` or ``(N, C, H, W)``; of images a .png shows the first 400.
        data: of the run: names of columns, and what is black and what white.

    Raises:
        OutputError: another ending, or a place that cannot be written to.
    """
    check_rows_place(path, rows.shape[1:])
    with replacing(path) as temporary:
        if path.suffix.lower() == ".png":
            _png(temporary, rows, data)
        else:
            names = data.columns or nameless(rows.shape[1])
            TABLE_WRITERS[path.suffix.lower()](temporary, rows, names)


def _png(path: Path, rows: Array, data: DataConfig) -> None:
    """Images side by side, about as many in a row as there are rows of them."""
    from PIL import Image

    from sparsevae.report.plots import tiles

    x = data.scaling.apply(rows[:MOST_PICTURED])
    pixels = shades(data.scaling, data.low, data.high)(x)
    across = math.ceil(math.sqrt(len(pixels)))
    black = np.zeros((-len(pixels) % across, *pixels.shape[1:]), np.uint8)
    grid = np.concatenate([pixels, black]).reshape(-1, across, *pixels.shape[1:])
    Image.fromarray(tiles(grid).astype(np.uint8)).save(path, format="png")


def read_codes(path: Path, latents: int) -> Array:
    """Codes of a file that :func:`write_codes` or another program wrote, ``(N, J)`` float32.

    Args:
        path: .npy, .npz of scipy.sparse, or a table.
        latents: J.

    Raises:
        DatasetError: the file cannot be read, or its rows have another length.
    """
    is_sparse = path.suffix.lower() == ".npz"
    codes = _sparse(path, latents) if is_sparse else readers.read(path, fewest=1).values
    if codes.ndim != 2 or codes.shape[1] != latents:
        raise DatasetError(
            f"{path} holds an array of shape {codes.shape}; codes of this run are rows of "
            f"{latents} numbers."
        )
    return codes.astype(np.float32)


def _sparse(path: Path, latents: int) -> Array:
    from scipy import sparse

    try:
        with path.open("rb") as file:
            found = sparse.csr_matrix(sparse.load_npz(file))
        found.check_format(full_check=True)
    except (OSError, ValueError, KeyError, TypeError, MemoryError, zipfile.BadZipFile):
        raise DatasetError(f"{path} is no sparse matrix of scipy, or is damaged.") from None
    rows, columns = found.shape
    if columns != latents or 4 * rows * columns > LARGEST_CODES:
        raise DatasetError(
            f"{path} holds {rows} rows of {columns} numbers; codes of this run have {latents}, "
            f"and at most {LARGEST_CODES // 4 // latents} are decoded at once."
        )
    return np.asarray(found.toarray())
