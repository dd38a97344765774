"""Reader of IDX files, the format of MNIST and its relatives, gzipped or not.

A file is four bytes (0, 0, type, number of axes), one big-endian 32-bit length per axis, and the
values. Nothing in a file is believed: the header is held against the content, and no more is
unpacked than the header may claim. Format: http://yann.lecun.com/exdb/mnist/ (file formats).
"""

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.errors import DatasetError

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MOST_AXES = 8
MOST_BYTES = 2**31
GZIP_MAGIC = b"\x1f\x8b"
CHUNK = 2**20


def read(path: Path, most: int = MOST_BYTES) -> npt.NDArray[Any]:
    """The array in the IDX file at `path`, in the machine's byte order.

    Args:
        path: An IDX file, gzipped or not (told by its content, not its name).
        most: Largest array to accept, in bytes.

    Raises:
        DatasetError: If the file cannot be read, is truncated or corrupt, or is no IDX file.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}.") from error
    return parse(content, str(path), most)


def parse(
    content: bytes | bytearray, where: str = "the IDX data", most: int = MOST_BYTES
) -> npt.NDArray[Any]:
    """The array in the bytes of an IDX file, gzipped or not.

    Args:
        content: The whole file.
        where: What an error calls it.
        most: Largest array to accept, in bytes.

    Raises:
        DatasetError: If the content is truncated, too long, corrupt, or not IDX.

    Examples:
        >>> parse(bytes([0, 0, 8, 1, 0, 0, 0, 3, 5, 0, 4]))
        array([5, 0, 4], dtype=uint8)
    """
    stream = _open(content)
    dtype, shape = _header(stream, where)
    size = math.prod(shape) * dtype.itemsize
    if size > most:
        raise DatasetError(f"{where} claims {size} bytes of values; at most {most} are read.")
    values = _take(stream, size + 1, where)
    if len(values) != size:
        held = f"only {len(values)}" if len(values) < size else "more"
        raise DatasetError(
            f"{where} claims {size} bytes of values in its header and holds {held}; "
            "the file is damaged, replace it."
        )
    return np.frombuffer(values, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def unpack(content: bytes, most: int, where: str) -> bytearray:
    """The content of a file that may be gzipped, at most `most` bytes of it and one more.

    One byte too many is kept, so that the caller sees that there is more, and no more than that,
    so that a small file which unpacks to terabytes does no harm.

    Raises:
        DatasetError: If the gzip stream is truncated or corrupt.
    """
    return _take(_open(content), most + 1, where)


def _open(content: bytes | bytearray) -> io.BufferedIOBase:
    raw = io.BytesIO(content)
    return gzip.GzipFile(fileobj=raw) if content[:2] == GZIP_MAGIC else raw


def _take(stream: io.BufferedIOBase, size: int, where: str) -> bytearray:
    """Up to `size` bytes, in steps, so that memory follows the content and not the claim."""
    taken = bytearray()
    try:
        while len(taken) < size and (step := stream.read(min(CHUNK, size - len(taken)))):
            taken += step
    except EOFError as error:
        raise DatasetError(f"{where} is a truncated gzip file; replace it.") from error
    except (OSError, zlib.error) as error:
        raise DatasetError(f"{where} is a damaged gzip file ({error}); replace it.") from error
    return taken


def _header(stream: io.BufferedIOBase, where: str) -> tuple[np.dtype[Any], tuple[int, ...]]:
    magic = _take(stream, 4, where)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in TYPES:
        raise DatasetError(
            f"{where} is not an IDX file: it starts with {magic.hex() or 'nothing'} in place of "
            "0000, a type from 08 to 0e and a number of axes."
        )
    axes = magic[3]
    if not 1 <= axes <= MOST_AXES:
        raise DatasetError(f"{where} claims {axes} axes; 1 to {MOST_AXES} are read.")
    lengths = _take(stream, 4 * axes, where)
    if len(lengths) < 4 * axes:
        raise DatasetError(f"{where} ends inside its header; the file is truncated, replace it.")
    shape = struct.unpack(f">{axes}I", lengths)
    if 0 in shape:
        raise DatasetError(f"{where} holds an array of shape {shape}, without any value.")
    return np.dtype(TYPES[magic[2]]), shape
