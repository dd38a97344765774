"""Readers of NumPy's own files: .npy is mapped into memory, .npz is unpacked within a limit.

Nothing is ever unpickled, and a header is held against the bytes behind it before anything is
allocated. Format: NumPy, "NEP 1 — A simple file format for NumPy arrays".
"""

import io
import math
import warnings
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from sparsevae.data.files.labels import labels_of
from sparsevae.data.files.naming import listed
from sparsevae.data.files.raw import Found
from sparsevae.data.idx import CHUNK, MOST_AXES
from sparsevae.errors import DatasetError

Array = npt.NDArray[Any]

LONGEST_HEADER = 10_000
HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
CONVENTIONS = (
    ("x", "y"),
    ("X", "y"),
    ("images", "labels"),
    ("data", "labels"),
    ("data", "target"),
)
"""Names of values and labels that are understood without being named; values may come alone."""


@dataclass(frozen=True)
class Header:
    """What a .npy file says of itself; `size` counts the bytes of values behind `offset`."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    order: Literal["C", "F"]
    offset: int
    size: int


def read_npy(path: Path) -> Array:
    """The array in a .npy file, mapped into memory read-only: its values are not read.

    Raises:
        DatasetError: If it is no .npy file, holds objects, or its size is not what it claims.
    """
    with path.open("rb") as file:
        header = _header(file.read(LONGEST_HEADER + 16), str(path))
    size = path.stat().st_size - header.offset
    _compare(header, size, str(path))
    return np.memmap(path, header.dtype, "r", header.offset, header.shape, header.order)


def read_npz(path: Path, array: str | None, labels: str | None, memory: int) -> Found:
    """Values, and labels if there are some, of an .npz file.

    Args:
        path: The file.
        array: Name of the values; by default the only array, or one of :data:`CONVENTIONS`.
        labels: Name of the labels; by default the partner of the values in :data:`CONVENTIONS`.
        memory: The most bytes that an array may unpack to.

    Raises:
        DatasetError: If the file is damaged, holds objects, unpacks to more than `memory`, has
            no array of that name, or several without one being named.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {_stem(name): name for name in archive.namelist()}
            array, partner = _choose(tuple(members), array, str(path))
            notes = (f"Labels are {partner!r}.",) if partner and labels is None else ()
            labels = labels or partner
            values = _member(archive, members, array, memory, str(path))
            if labels is None:
                return Found(values)
            found = _member(archive, members, labels, memory, str(path))
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError) as error:
        raise DatasetError(f"{path} is a damaged .npz file ({error}); replace it.") from error
    return Found(values, *labels_of(found, f"{path}, array {labels!r}"), notes=notes)


def _stem(name: str) -> str:
    return name.removesuffix(".npy")


def _choose(names: tuple[str, ...], array: str | None, where: str) -> tuple[str, str | None]:
    """The name of the values, and of the labels that by convention belong to them."""
    partners = {values: labels for values, labels in CONVENTIONS if labels in names}
    if array is not None:
        return array, partners.get(array)
    known = dict.fromkeys(values for values, _ in CONVENTIONS if values in names)
    candidates = names if len(names) == 1 else tuple(known)
    if len(candidates) != 1:
        raise DatasetError(
            f"{where} holds {len(names)} arrays ({listed(names)}); say which one has the values, "
            "and which one the labels if there are some."
        )
    return candidates[0], partners.get(candidates[0])


def _member(
    archive: zipfile.ZipFile, members: dict[str, str], name: str, memory: int, where: str
) -> Array:
    if name not in members:
        raise DatasetError(
            f"{where} has no array {name!r}; it holds {listed(list(members)) or 'none'}."
        )
    info, what = archive.getinfo(members[name]), f"{where}, array {name!r},"
    if info.flag_bits & 1:
        raise DatasetError(f"{what} is encrypted; write it without a password.")
    if info.file_size > memory:
        raise DatasetError(
            f"{what} unpacks to {info.file_size} bytes and only {memory} are allowed in memory; "
            "save that array as .npy, which is read without being loaded."
        )
    with archive.open(info) as stream:
        head = stream.read(LONGEST_HEADER + 16)
        header = _header(head, what)
        _compare(header, info.file_size - header.offset, what)
        content = _rest(stream, head[header.offset :], header.size)
    _compare(header, len(content), what)
    values: Array = np.frombuffer(content, header.dtype)
    return values.reshape(header.shape, order=header.order)


def _rest(stream: IO[bytes], start: bytes, size: int) -> bytearray:
    """`start` and what follows it, in steps: memory follows the content and not the claim."""
    content = bytearray(start)
    while len(content) < size and (step := stream.read(min(CHUNK, size - len(content)))):
        content += step
    return content


def _header(head: bytes, where: str) -> Header:
    stream = io.BytesIO(head)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read = HEADERS[np.lib.format.read_magic(stream)]
            shape, fortran, dtype = read(stream, max_header_size=LONGEST_HEADER)
    except Exception as error:  # NumPy gives the header to Python's parser, which raises anything
        raise DatasetError(
            f"{where} is not a .npy file, or its header is damaged; write it with numpy.save."
        ) from error
    if dtype.hasobject:
        raise DatasetError(
            f"{where} holds Python objects, which are never loaded, because that could run a "
            "stranger's program; save it with a type of numbers or text."
        )
    size = math.prod(shape) * dtype.itemsize
    if size <= 0 or min(shape, default=1) < 0 or len(shape) > MOST_AXES or dtype.kind == "V":
        raise DatasetError(
            f"{where} holds an array of shape {shape} and type {str(dtype)[:40]}; give one of "
            f"numbers that is not empty and has at most {MOST_AXES} axes."
        )
    return Header(dtype, shape, "F" if fortran else "C", stream.tell(), size)


def _compare(header: Header, size: int, where: str) -> None:
    if header.size != size:
        raise DatasetError(
            f"{where} claims {header.size} bytes of values in its header and holds {size}; the "
            "file is damaged, replace it."
        )
