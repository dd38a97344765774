"""Rows that arrive block by block: in memory while they are few, in a file behind it when many.

Memory follows what has arrived, never what a file claims to hold.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from sparsevae.errors import ConfigurationError, DatasetError, OutputError
from sparsevae.storage import cache

Array = npt.NDArray[Any]

SHARE_OF_MEMORY = 4
"""A quarter of the memory that is free may be filled, unless the caller says otherwise."""
SHARE_OF_DISK = 2
"""Half of what is free on the disk may be filled."""
UNKNOWN = 2**33
"""Bytes of memory that are taken to be free where the system does not say."""
MEMORY, CONTAINER = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
BLOCK = 2**20
"""Numbers that are taken from a file at a time."""


def free_memory() -> int:
    """Bytes of memory that programs could still take, and no more than a container may have.

    Source: Linux, MemAvailable in proc(5), and memory.max of control groups version 2.
    """
    return min(_available_memory(), _limit_of_container())


def _available_memory() -> int:
    try:
        lines = MEMORY.read_text(encoding="ascii").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return _physical_memory()


def _limit_of_container() -> int:
    try:
        return int(CONTAINER.read_text(encoding="ascii"))
    except (OSError, ValueError):  # there is none, or it says max
        return sys.maxsize


def _physical_memory() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return UNKNOWN


def allowance(memory: int | None) -> int:
    """Bytes that values may take in memory: what the caller says, else a quarter of what is free.

    Raises:
        ConfigurationError: If the caller's number is not positive.
    """
    if memory is not None and memory < 1:
        raise ConfigurationError(f"memory is {memory}; give a positive number of bytes, or None.")
    return free_memory() // SHARE_OF_MEMORY if memory is None else memory


class Gathered:
    """Blocks of rows of one shape and dtype, added one after another inside a `with` block.

    Args:
        memory: Bytes to keep in memory; more than that go to a file in the cache folder that has
            no name any more and is gone as soon as nobody uses the array.
        where: What an error calls the source of the rows.

    Examples:
        >>> with Gathered(memory=100, where="it") as gathered:
        ...     for start in (0, 3):
        ...         gathered.add(np.arange(start, start + 3).reshape(3, 1))
        ...     rows = gathered.array()
        >>> rows[:, 0]
        array([0, 1, 2, 3, 4, 5])
    """

    def __init__(self, memory: int, where: str) -> None:
        self._memory, self._where = memory, where
        self._blocks: list[Array] = []
        self._rows = self._bytes = self._room = 0
        self._dtype, self._shape = np.dtype(np.uint8), (0,)
        self._file: IO[bytes] | None = None

    def __enter__(self) -> "Gathered":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:  # a map of it stays
            self._file.close()

    def expect(self, size: int) -> None:
        """Prepares for so many bytes in all, so that what cannot fit is refused at the start.

        Raises:
            DatasetError: If they would take more than half of what is free on the disk.
            OutputError: If there is no place to write to.
        """
        if size > self._memory:
            self._open()
            self._check_room(size)

    def add(self, block: Array) -> None:
        """Takes one block, which must not be changed afterwards.

        Raises:
            DatasetError: If the rows would take more than half of what is free on the disk.
            OutputError: If the file cannot be written.
        """
        self._dtype, self._shape = block.dtype, block.shape[1:]
        self._rows += len(block)
        self._bytes += block.nbytes
        self._blocks.append(block)
        if self._file is not None or self._bytes > self._memory:
            self._write(self._open())

    def array(self) -> Array:
        """All rows; read-only and memory-mapped where they went to a file."""
        if self._file is not None and self._rows:
            self._file.flush()
            shape = (self._rows, *self._shape)
            return np.memmap(self._file, self._dtype, mode="r", shape=shape)
        if len(self._blocks) == 1:
            return self._blocks[0]
        return np.concatenate(self._blocks or [np.empty((0, *self._shape), self._dtype)])

    def _open(self) -> IO[bytes]:
        if self._file is None:
            folder = cache.folder()
            with _writing():
                folder.mkdir(parents=True, exist_ok=True)
                self._room = shutil.disk_usage(folder).free // SHARE_OF_DISK
                self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 (outlives the block)
        return self._file

    def _write(self, file: IO[bytes]) -> None:
        self._check_room(self._bytes)
        with _writing():
            for block in self._blocks:
                file.write(np.ascontiguousarray(block).data)
        self._blocks = []

    def _check_room(self, size: int) -> None:
        if size > self._room:
            raise DatasetError(
                f"{self._where} holds {size} bytes of values or more, and only {self._room} are "
                f"allowed in the cache {cache.folder()}, half of its disk's free space; give "
                f"fewer rows, or set {cache.CACHE_VARIABLE} to a folder on a larger disk."
            )


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        folder, reason = cache.folder(), error.strerror
        raise OutputError(f"Cannot write to the cache {folder}: {reason}.") from error
