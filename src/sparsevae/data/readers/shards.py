"""A matrix of numbers in one large .npy file, or in a folder of .npy and .safetensors files.

The files of a folder are one matrix, in the natural order of their names. Rows are read where they
are asked for, with plain reads: nothing stays mapped, so the memory that is used is the rows'.
Format of safetensors: https://github.com/huggingface/safetensors, "Format".

Shape legend: N rows of D columns.
"""

import json
import math
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data.readers import images
from sparsevae.data.readers.arrays import header
from sparsevae.data.readers.raw import Parsed
from sparsevae.data.schema import listed
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array

ENDINGS = (".npy", ".safetensors")
LONGEST_HEADER = 2**20  # bytes of a safetensors header: thousands of tensors
TYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}
TYPES |= {"I16": "<i2", "I8": "i1", "U8": "u1"}
NEAR = 8  # rows between two that are asked for which are read along in one read


@dataclass(frozen=True)
class Shard:
    """Rows of one file.

    Attributes:
        path: The file.
        offset: Bytes before the first number.
        rows: How many there are.
        dtype: Of a number in the file; of bfloat16 its bits.
        bfloat: Whether the bits are bfloat16.
    """

    path: Path
    offset: int
    rows: int
    dtype: np.dtype[Any]
    bfloat: bool = False


class Shards:
    """The rows of several files as one matrix, see :class:`sparsevae.storage.arrays.Rows`.

    Args:
        shards: In order.
        columns: D.
    """

    def __init__(self, shards: tuple[Shard, ...], columns: int) -> None:
        self.shards, self.columns = shards, columns
        self.ends = np.cumsum([shard.rows for shard in shards])
        types = [np.dtype(np.float32) if s.bfloat else s.dtype.newbyteorder("=") for s in shards]
        self.dtype: np.dtype[Any] = np.result_type(*types)

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, D)``."""
        return int(self.ends[-1]), self.columns

    @property
    def ndim(self) -> int:
        """2."""
        return 2

    @property
    def size(self) -> int:
        """N·D."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, chosen: Any) -> Array:
        if isinstance(chosen, slice):
            start, stop, step = chosen.indices(len(self))
            if step == 1:
                return self._between(start, max(start, stop))
            chosen = np.arange(start, stop, step)
        if np.ndim(chosen) == 0:
            return np.asarray(self._at(np.array([int(chosen)]))[0])
        return self._at(np.asarray(chosen))

    def _at(self, places: npt.NDArray[Any]) -> Array:
        """Rows in any order; those that lie near each other are read at once."""
        if places.dtype == bool:
            places = np.flatnonzero(places)
        places = np.where(places < 0, places + len(self), places)
        if places.size and not 0 <= places.min() <= places.max() < len(self):
            raise IndexError(f"there are {len(self)} rows")
        rows = np.empty((len(places), self.columns), self.dtype)
        order = np.argsort(places, kind="stable")
        breaks = np.flatnonzero(np.diff(places[order]) > NEAR) + 1
        for part in np.split(order, breaks) if len(order) else ():
            first, last = int(places[part[0]]), int(places[part[-1]])
            rows[part] = self._between(first, last + 1)[places[part] - first]
        return rows

    def _between(self, start: int, stop: int) -> Array:
        """Rows from one place up to another, not included."""
        rows = np.empty((stop - start, self.columns), self.dtype)
        at = start
        while at < stop:
            number = int(np.searchsorted(self.ends, at, side="right"))
            shard, before = self.shards[number], int(self.ends[number]) - self.shards[number].rows
            count = min(stop, before + shard.rows) - at
            part = rows[at - start : at - start + count]
            part[:] = read_rows(shard, at - before, count, self.columns)
            at += count
        return rows


def read_rows(shard: Shard, start: int, count: int, columns: int) -> Array:
    """Rows of one file, shape ``(count, columns)``.

    Raises:
        DatasetError: If the file has become shorter.
    """
    place = shard.offset + start * columns * shard.dtype.itemsize
    flat = np.fromfile(shard.path, shard.dtype, count * columns, offset=place)
    if len(flat) != count * columns:
        raise DatasetError(f"{shard.path} was changed while it was read; start again.")
    if shard.bfloat:
        flat = (flat.astype(np.uint32) << 16).view(np.float32)
    return flat.reshape(count, columns)


def has_shards(folder: Path) -> bool:
    """Whether a folder holds files of numbers."""
    with os.scandir(folder) as entries:
        return any(entry.name.lower().endswith(ENDINGS) for entry in entries)


def read_shards(folder: Path) -> Parsed:
    """One matrix of all files of numbers in a folder.

    Raises:
        DatasetError: If a file is damaged, is no matrix of numbers, or has other columns, or if
            there are images beside them.
    """
    paths = sorted(_files(folder), key=_natural)
    if picture := images.first_in(folder):
        raise DatasetError(
            f"{folder} holds images ({picture.relative_to(folder)}) beside numbers "
            f"({paths[0].name}); give each kind a folder of its own."
        )
    found = [_looked_at(path) for path in paths]
    widths = {columns for _, columns in found}
    if len(widths) > 1:
        different = next(p for p, (_, c) in zip(paths, found, strict=True) if c != found[0][1])
        raise DatasetError(
            f"{different} has rows of another length than {paths[0]}; the files of a folder are "
            "one matrix, so move other arrays to another folder."
        )
    shards = tuple(shard for shard, _ in found)
    values = Shards(shards, widths.pop())
    note = f"{len(shards)} files, from {paths[0].name} to {paths[-1].name}, are one matrix."
    rows: Any = values
    return Parsed(rows, notes=(note,))


def matrix_in(path: Path) -> Any:
    """A large .npy file whose rows are read where they are asked for, as :class:`Shards`.

    Raises:
        DatasetError: If it is damaged, or no matrix of numbers.
    """
    shard, columns = _looked_at(path)
    return Shards((shard,), columns)


def _files(folder: Path) -> Iterator[Path]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.lower().endswith(ENDINGS) and entry.is_file():
                yield folder / entry.name


def _natural(path: Path) -> list[tuple[int, str]]:
    """A key under which shard-2 comes before shard-10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _looked_at(path: Path) -> tuple[Shard, int]:
    """What a file's header says, held against its size, and its number of columns."""
    return _of_npy(path) if path.suffix.lower() == ".npy" else _of_safetensors(path)


def _of_npy(path: Path) -> tuple[Shard, int]:
    shape, by_column, dtype, offset = header(path)
    if len(shape) != len(("row", "column")) or by_column or dtype.kind not in "iuf":
        raise DatasetError(
            f"{path} holds an array of shape {shape} and type {dtype}; a shard is a matrix of "
            "numbers, row by row."
        )
    return Shard(path, offset, shape[0], dtype), shape[1]


def _of_safetensors(path: Path) -> tuple[Shard, int]:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length <= min(LONGEST_HEADER, size) else b""
    try:
        tensors = {k: v for k, v in json.loads(text).items() if k != "__metadata__"}
        matrices = {
            name: (entry["dtype"], tuple(map(int, entry["shape"])), entry["data_offsets"])
            for name, entry in tensors.items()
            if len(entry["shape"]) == len(("row", "column")) and entry["dtype"] in TYPES
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DatasetError(f"{path} is no safetensors file, or its header is damaged.") from None
    if len(matrices) != 1:
        names = listed(list(matrices)) or "none"
        raise DatasetError(
            f"{path} holds {len(matrices)} matrices of numbers ({names}); a shard holds one."
        )
    ((kind, (rows, columns), offsets),) = matrices.values()
    dtype, offset = np.dtype(TYPES[kind]), 8 + length + int(offsets[0])
    claimed = rows * columns * dtype.itemsize
    if claimed <= 0 or claimed != int(offsets[1]) - int(offsets[0]) or offset + claimed > size:
        raise DatasetError(
            f"{path} claims {claimed} bytes of values and holds others; replace it."
        )
    return Shard(path, offset, rows, dtype, kind == "BF16"), columns
