"""The front door: what a path is, which options go with it, and who reads it."""

import os
import re
from collections.abc import Sequence
from pathlib import Path

from sparsevae.data import idx
from sparsevae.data.files import folder, hub, npy, parquet, text
from sparsevae.data.files.axes import Channels
from sparsevae.data.files.gathering import Array, allowance
from sparsevae.data.files.labels import labels_of
from sparsevae.data.files.raw import FEWEST_ROWS, Found, Raw, checked
from sparsevae.errors import ConfigurationError, DatasetError

IDX_NAME = re.compile(r".*[.-](idx\d?|ubyte)(-ubyte)?(\.gz)?", re.IGNORECASE)
OPTIONS = {
    "array": ("npz",),
    "columns": ("table", "hub"),
    "labels": ("array", "npz", "table", "hub"),
    "channels": ("array", "npz"),
}
"""Which kinds of data each option is for; `memory` is for all."""
KINDS = {".npy": "array", ".npz": "npz", ".csv": "table", ".tsv": "table", ".parquet": "table"}
WHAT = {"array": "an array", "table": "a table", "folder": "a folder of images"}


def read(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    labels: str | None = None,
    array: str | None = None,
    channels: Channels | None = None,
    memory: int | None = None,
    fewest: int = FEWEST_ROWS,
) -> Raw:
    """Data of one's own, looked through and with a checksum.

    A .npy file is mapped into memory, never loaded. What unpacks from .npz and IDX must fit into
    `memory`. Tables, folders of images and data sets of the Hub are kept in memory up to
    `memory` bytes and beyond that in a memory-mapped file in the cache folder, which vanishes
    with the array and takes at most half of the disk's free space.

    Args:
        path: .npy, .npz, .csv, .tsv, .parquet, an IDX file (perhaps .gz), a folder of images,
            or `hf:NAME` for a data set of the Hugging Face Hub.
        columns: Names of a table's values, in the order wanted; by default all but the labels.
        labels: Name of a table's column, or of an array in .npz, with labels; with .npy and IDX
            the path of a second such file.
        array: Name of the values in .npz.
        channels: Whether images have their channels "first" or "last", where that is not plain.
        memory: Bytes that values may take in memory; by default a quarter of what is free.
        fewest: Rows that are needed: two to learn from, one where nothing is learned.

    Returns:
        Rows of finite real numbers, see :class:`sparsevae.data.files.Raw`.

    Raises:
        DatasetError: If the data cannot be read, or are not what can be trained on.
        ConfigurationError: If an option does not go with this kind of data.
        OutputError: If the cache folder cannot be written to.
    """
    where, kind = str(path), _kind(str(path))
    columns = [columns] if isinstance(columns, str) else columns
    given = {"columns": columns, "labels": labels, "array": array, "channels": channels}
    _check_options({name for name, value in given.items() if value is not None}, kind, where)
    room = allowance(memory)
    try:
        found = _found(where, kind, columns, labels, array, room)
    except OSError as error:
        reason = error.strerror or str(error).split("\n")[0][:200]
        raise DatasetError(f"cannot read {where}: {reason}.") from error
    except MemoryError as error:
        raise DatasetError(
            f"{where} does not fit into memory; give a smaller `memory`."
        ) from error
    return checked(found, where, channels, fewest)


def _kind(where: str) -> str:
    if where.startswith(hub.PREFIX):
        return "hub"
    place = Path(where).expanduser()
    if os.path.isdir(place):
        return "folder"
    if not os.path.isfile(place):
        raise DatasetError(f"{where} is not there, or is no file; give a file or a folder.")
    known = "array" if IDX_NAME.fullmatch(place.name) else KINDS.get(place.suffix.lower())
    if known is None:
        raise DatasetError(
            f"{where} has an ending that is not known; data end in {', '.join(KINDS)}, .idx or "
            "-ubyte (perhaps .gz), or are a folder of images."
        )
    return known


def _check_options(given: set[str], kind: str, where: str) -> None:
    for name in sorted(given):
        if kind not in OPTIONS[name]:
            raise ConfigurationError(
                f"{where} is {WHAT.get(kind, kind)}, and {name!r} is not for that; leave it out."
            )


def _found(
    where: str,
    kind: str,
    columns: Sequence[str] | None,
    labels: str | None,
    array: str | None,
    memory: int,
) -> Found:
    path = Path(where).expanduser()
    match kind:
        case "hub":
            return hub.read(where, columns, labels, memory)
        case "folder":
            return folder.read(path, memory)
        case "npz":
            return npy.read_npz(path, array, labels, memory)
        case "table" if path.suffix.lower() == ".parquet":
            return parquet.read(path, columns, labels, memory)
        case "table":
            return text.read(path, columns, labels, memory)
    values = _array(path, memory)
    if labels is None:
        return Found(values)
    if _kind(labels) != "array":
        raise ConfigurationError(f"labels of {where} are a .npy or IDX file, not {labels!r}.")
    return Found(values, *labels_of(_array(Path(labels).expanduser(), memory), labels))


def _array(path: Path, memory: int) -> Array:
    """The array in a .npy file or an IDX file."""
    if path.suffix.lower() == ".npy":
        return npy.read_npy(path)
    size = path.stat().st_size
    if size > memory:
        raise DatasetError(
            f"{path} has {size} bytes and only {memory} are allowed in memory; save the array as "
            ".npy, which is read without being loaded."
        )
    return idx.read(path, memory)
