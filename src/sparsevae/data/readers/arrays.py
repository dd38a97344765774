"""Readers of arrays: .npy is mapped into memory, .npz and IDX are unpacked within a limit.

Nothing is ever unpickled, and a header is held against the bytes behind it before anything is
allocated. Format: NumPy, "NEP 1 — A simple file format for NumPy arrays".
"""

import io
import math
import warnings
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any

import numpy as np

from sparsevae.data import idx
from sparsevae.data.idx import MOST_AXES
from sparsevae.data.readers.labels import labels_of
from sparsevae.data.readers.raw import Parsed
from sparsevae.data.schema import listed
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array

LONGEST_HEADER = 10_016  # bytes; NumPy reads no longer text than 10,000
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
VALUES, LABELS = ("x", "X", "images", "data"), ("y", "labels", "target")
"""Names of values and labels that are understood without being named; values may come alone."""


def read_array(path: Path, memory: int) -> Array:
    """The array in a .npy file, mapped into memory read-only, or in an IDX file.

    Args:
        path: The file.
        memory: Bytes that an IDX file may have and unpack to.

    Raises:
        DatasetError: If it is no such file, holds objects, or its size is not what it claims.
    """
    size = path.stat().st_size
    if path.suffix.lower() == ".npy":
        with path.open("rb") as file:
            _check(file, size, str(path))
        mapped: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        return mapped
    if size > memory:
        raise DatasetError(
            f"{path} has {size} bytes and only {memory} are allowed in memory; save the array as "
            ".npy, which is read without being loaded."
        )
    return idx.read(path, memory)


def read_npz(path: Path, array: str | None, labels: str | None, memory: int) -> Parsed:
    """Values, and labels if there are some, of an .npz file.

    Args:
        path: The file.
        array: Name of the values; by default the only array, or one of :data:`VALUES`.
        labels: Name of the labels; by default the first of :data:`LABELS` beside such values.
        memory: The most bytes that an array may unpack to.

    Raises:
        DatasetError: If the file is damaged, holds objects, unpacks to more than `memory`, has
            no array of that name, or several without one being named.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            array, partner = _choose(tuple(members), array, str(path))
            notes = (f"Labels are {partner!r}.",) if partner and labels is None else ()
            labels = labels or partner
            values = _member(archive, members, array, memory, str(path))
            if labels is None:
                return Parsed(values)
            named = _member(archive, members, labels, memory, str(path))
    except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise DatasetError(f"{path} is a damaged .npz file ({error}); replace it.") from error
    return Parsed(values, *labels_of(named, f"{path}, array {labels!r}"), notes=notes)


def _choose(names: tuple[str, ...], array: str | None, where: str) -> tuple[str, str | None]:
    """The name of the values, and of the labels that by convention belong to them."""
    partner = next((name for name in LABELS if name in names), None)
    if array is not None:
        return array, partner if array in VALUES else None
    known = tuple(name for name in VALUES if name in names)
    candidates = names if len(names) == 1 else known
    if len(candidates) != 1:
        raise DatasetError(
            f"{where} holds {len(names)} arrays ({listed(names)}); say which one has the values, "
            "and which one the labels if there are some."
        )
    return candidates[0], partner if candidates[0] in VALUES else None


def _member(
    archive: zipfile.ZipFile, members: dict[str, str], name: str, memory: int, where: str
) -> Array:
    if name not in members:
        raise DatasetError(
            f"{where} has no array {name!r}; it holds {listed(list(members)) or 'none'}."
        )
    size, what = archive.getinfo(members[name]).file_size, f"{where}, array {name!r},"
    if size > memory:
        raise DatasetError(
            f"{what} unpacks to {size} bytes and only {memory} are allowed in memory; save that "
            "array as .npy, which is read without being loaded."
        )
    with archive.open(members[name]) as file:
        _check(file, size, what)
    with archive.open(members[name]) as file:
        values: Array = np.lib.format.read_array(file, allow_pickle=False)
    return values


def header(path: Path) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Shape, whether columns lie together, type and place of the numbers of a .npy file.

    Raises:
        DatasetError: As :func:`read_array`.
    """
    with path.open("rb") as file:
        return _check(file, path.stat().st_size, str(path))


def _check(
    file: IO[bytes], size: int, where: str
) -> tuple[tuple[int, ...], bool, np.dtype[Any], int]:
    """Holds what a .npy file says of itself against its size, before NumPy believes it."""
    head = io.BytesIO(file.read(LONGEST_HEADER))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            shape, by_column, dtype = HEADERS[np.lib.format.read_magic(head)](head)
    except Exception as error:  # NumPy gives the header to Python's parser, which raises anything
        raise DatasetError(
            f"{where} is not a .npy file, or its header is damaged; write it with numpy.save."
        ) from error
    if dtype.hasobject:
        raise DatasetError(
            f"{where} holds Python objects, which are never loaded, because that could run a "
            "stranger's program; save it with a type of numbers or text."
        )
    claimed, held = math.prod(shape) * dtype.itemsize, size - head.tell()
    if claimed <= 0 or min(shape, default=1) < 0 or len(shape) > MOST_AXES or dtype.kind == "V":
        raise DatasetError(
            f"{where} holds an array of shape {shape} and type {str(dtype)[:40]}; give one of "
            f"numbers that is not empty and has at most {MOST_AXES} axes."
        )
    if claimed != held:
        raise DatasetError(
            f"{where} claims {claimed} bytes of values in its header and holds {held}; the file "
            "is damaged, replace it."
        )
    return shape, by_column, dtype, head.tell()
