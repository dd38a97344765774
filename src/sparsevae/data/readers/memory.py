"""How much of what a file holds may be taken into memory, and blocks taken within that.

Memory follows what has arrived, never what a file claims to hold.
"""

import os
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.storage.arrays import Array

SHARE_OF_MEMORY = 4
"""A quarter of the memory that is free may be filled, unless the caller says otherwise."""
UNKNOWN = 2**33
"""Bytes of memory that are taken to be free where the system does not say."""
MEMORY, CONTAINER = Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max")
BLOCK = 2**20
"""Numbers that are taken from a file at a time."""


def allowance(memory: int | None) -> int:
    """Bytes that values may take in memory: what the caller says, else a quarter of what is free.

    Raises:
        ConfigurationError: If the caller's number is not positive.
    """
    if memory is not None and memory < 1:
        raise ConfigurationError(f"memory is {memory}; give a positive number of bytes, or None.")
    return free_memory() // SHARE_OF_MEMORY if memory is None else memory


def free_memory() -> int:
    """Bytes of memory that programs could still take, and no more than a container may have.

    Source: Linux, MemAvailable in proc(5), and memory.max of control groups version 2.
    """
    try:
        lines = MEMORY.read_text(encoding="ascii").splitlines()
        sizes = dict(line.split(":", 1) for line in lines)
        available = int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        try:
            available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        except (AttributeError, OSError, ValueError):
            available = UNKNOWN
    try:
        return min(available, int(CONTAINER.read_text(encoding="ascii")))
    except (OSError, ValueError):  # there is none, or it says max
        return min(available, sys.maxsize)


def check_size(size: int, memory: int, where: str) -> None:
    """Refuses what does not fit.

    Raises:
        DatasetError: If `size` bytes are more than `memory`.
    """
    if size > memory:
        raise DatasetError(
            f"{where} holds {size} bytes of values or more and only {memory} are allowed in "
            "memory; give fewer rows, or save them as .npy, which is read without being loaded."
        )


def gathered(blocks: Iterable[Array], memory: int, where: str, width: int = 0) -> Array:
    """One array of blocks of rows; (0, width) without any.

    Raises:
        DatasetError: As soon as they take more than `memory` bytes.
    """
    kept, size = [], 0
    for block in blocks:
        size += block.nbytes
        check_size(size, memory, where)
        kept.append(block)
    return np.concatenate(kept) if kept else np.empty((0, width))
