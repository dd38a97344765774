r"""Reading anybody's data: arrays, tables, folders of images, by one function.

>>> import tempfile
>>> with tempfile.NamedTemporaryFile("w", suffix=".csv") as file:
...     _ = file.write("width,length,kind\n1.5,3,b\n2.5,4,a\n")
...     file.flush()
...     raw = read(file.name, labels="kind")
>>> raw.values.shape, raw.columns, raw.labels, raw.classes
((2, 2), ('width', 'length'), array([1, 0]), ('a', 'b'))
"""

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sparsevae.data.readers.arrays import read_array, read_npz
from sparsevae.data.readers.hub import PREFIX, read_hub
from sparsevae.data.readers.images import read_folder
from sparsevae.data.readers.labels import labels_of
from sparsevae.data.readers.memory import allowance
from sparsevae.data.readers.mixed import read_mixed
from sparsevae.data.readers.parquet import read_parquet
from sparsevae.data.readers.raw import FEWEST_ROWS, Channels, Parsed, Raw, checked
from sparsevae.data.readers.shards import has_shards, matrix_in, read_shards
from sparsevae.data.readers.sparse import is_scipys, read_h5ad, read_scipy
from sparsevae.data.readers.tables import read_text
from sparsevae.data.schema import Schema
from sparsevae.errors import ConfigurationError, DatasetError, NoNumbersError

__all__ = ["Raw", "read"]

IDX_NAME = re.compile(r".*[.-](idx\d?|ubyte)(-ubyte)?(\.gz)?", re.IGNORECASE)
OPTIONS = {
    "array": ("npz",),
    "columns": ("table", "hub"),
    "drop": ("table",),
    "schema": ("table",),
    "labels": ("array", "npz", "table", "hub", "annotated"),
    "channels": ("array", "npz"),
    "size": ("folder",),
    "colour": ("folder", "shards"),
    "header": ("table",),
}
"""Which kinds of data each option is for; `memory` is for all."""
KINDS = {
    ".npy": "array",
    ".npz": "npz",
    ".csv": "table",
    ".tsv": "table",
    ".parquet": "table",
    ".h5ad": "annotated",
}
WHAT = {
    "array": "an array",
    "table": "a table",
    "folder": "a folder of images",
    "shards": "a folder of arrays",
    "sparse": "a sparse matrix",
    "annotated": "an AnnData file",
}
LARGE = 2**30
"""Bytes of a .npy file of a matrix of numbers, row by row, from which on rows are read one by one,
not mapped: what is mapped counts as memory of the process."""


def read(
    path: str | os.PathLike[str],
    *,
    columns: Sequence[str] | None = None,
    labels: str | None = None,
    array: str | None = None,
    channels: Channels | None = None,
    size: int | None = None,
    memory: int | None = None,
    fewest: int = FEWEST_ROWS,
    drop: Sequence[str] | None = None,
    schema: Schema | None = None,
    numbers: bool = False,
    colour: bool | None = None,
    header: bool | None = None,
) -> Raw:
    """Data of one's own, looked through and with a checksum.

    A .npy file is mapped into memory, never loaded; a large matrix, and a folder of .npy and
    .safetensors files, which are one matrix, are read where rows are asked for. Everything else
    must fit into `memory`.

    Args:
        path: .npy, .npz (of arrays, or a sparse matrix of scipy), .csv, .tsv, .parquet, .h5ad, an
            IDX file (perhaps .gz), a folder of images, or one of .npy and .safetensors
            files of rows, or `hf:NAME` for a data set of the Hugging Face Hub.
        columns: Names of a table's values, in the order wanted, or patterns such as "x*"; by
            default all but the labels.
        labels: Name (or pattern) of a table's column, or name of an array in .npz, with labels;
            with .npy and IDX the path of a second such file.
        array: Name of the values in .npz.
        channels: Whether images have their channels "first" or "last", where that is not plain.
        size: Rows and columns that every image of a folder is brought to.
        memory: Bytes that values may take in memory; by default a quarter of what is free.
        fewest: Rows that are needed: two to learn from, one where nothing is learned.
        drop: Names or patterns of a table's columns that are left out.
        schema: What a table's columns are; found from their values when None.
        numbers: Whether a table must hold finite numbers alone.
        colour: Whether grey images of a folder get three channels even where none is in colour.
        header: Whether the first line of a table in text holds names; by default that is told
            from the line and the one below it.

    Returns:
        Rows of finite real numbers, see :class:`sparsevae.data.Raw`; of a table with text, dates
        or gaps the elements of its schema.

    Raises:
        DatasetError: If the data cannot be read, or are not what can be trained on.
        ConfigurationError: If an option does not go with this kind of data.
    """
    where, kind = str(path), _kind(str(path))
    columns = [columns] if isinstance(columns, str) else columns
    drop = [drop] if isinstance(drop, str) else drop
    given: dict[str, Any] = {"columns": columns, "labels": labels, "array": array}
    given |= {"channels": channels, "drop": drop, "schema": schema, "size": size}
    given |= {"colour": colour, "header": header}
    for name in sorted(name for name, value in given.items() if value is not None):
        if kind not in OPTIONS[name]:
            raise ConfigurationError(
                f"{where} is {WHAT.get(kind, kind)}, and {name!r} is not for that; leave it out."
            )
    if header is not None and where.lower().endswith(".parquet"):
        raise ConfigurationError(f"{where} names its columns itself; leave 'header' out.")
    room = allowance(memory)
    try:
        if schema is None:
            try:
                parsed = _parsed(where, kind, room, given)
                return replace(checked(parsed, where, channels, fewest), size=size)
            except NoNumbersError:
                if kind != "table" or numbers:
                    raise
        place = Path(where).expanduser()
        parsed = read_mixed(place, columns, labels, room, drop or (), schema, header)
        return checked(parsed, where, channels, fewest)
    except OSError as error:
        reason = error.strerror or str(error).split("\n")[0][:200]
        raise DatasetError(f"cannot read {where}: {reason}.") from error
    except MemoryError as error:
        raise DatasetError(
            f"{where} does not fit into memory; give a smaller `memory`."
        ) from error


def _kind(where: str) -> str:
    if where.startswith(PREFIX):
        return "hub"
    place = Path(where).expanduser()
    if os.path.isdir(place):
        return "shards" if has_shards(place) else "folder"
    if not os.path.isfile(place):
        raise DatasetError(f"{where} is not there, or is no file; give a file or a folder.")
    known = "array" if IDX_NAME.fullmatch(place.name) else KINDS.get(place.suffix.lower())
    if known is None:
        raise DatasetError(
            f"{where} has an ending that is not known; data end in {', '.join(KINDS)}, .idx or "
            "-ubyte (perhaps .gz), or are a folder of images."
        )
    return "sparse" if known == "npz" and is_scipys(place) else known


def _parsed(where: str, kind: str, memory: int, given: dict[str, Any]) -> Parsed:
    path, labels = Path(where).expanduser(), given["labels"]
    match kind:
        case "hub":
            return read_hub(where, given["columns"], labels, memory)
        case "folder":
            return read_folder(path, memory, given["size"], bool(given["colour"]))
        case "shards":
            return read_shards(path)
        case "sparse":
            return read_scipy(path, memory)
        case "annotated":
            return read_h5ad(path, labels, memory)
        case "npz":
            return read_npz(path, given["array"], labels, memory)
        case "table":
            chosen = given["columns"], labels, memory, given["drop"] or ()
            if path.suffix.lower() == ".parquet":
                return read_parquet(path, *chosen)
            return read_text(path, *chosen, given["header"])
    values = read_array(path, memory)
    by_row = values.ndim == len("ND") and values.flags.c_contiguous and values.dtype.kind in "iuf"
    if path.suffix.lower() == ".npy" and values.nbytes > LARGE and by_row:
        values = matrix_in(path)
    if labels is None:
        return Parsed(values)
    if _kind(labels) != "array":
        raise ConfigurationError(f"labels of {where} are a .npy or IDX file, not {labels!r}.")
    return Parsed(values, *labels_of(read_array(Path(labels).expanduser(), memory), labels))
