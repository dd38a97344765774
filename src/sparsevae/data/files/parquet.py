"""Reader of .parquet tables, block by block, by way of the optional package pyarrow."""

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae.data.files.gathering import BLOCK, Gathered
from sparsevae.data.files.labels import Labelling
from sparsevae.data.files.raw import Found
from sparsevae.data.files.tables import Choice, choose
from sparsevae.errors import DatasetError


def read(path: Path, columns: Sequence[str] | None, label: str | None, memory: int) -> Found:
    """Values (N, D) in the smallest type that holds all columns, and labels.

    Args:
        path: The file.
        columns: Names of the values; by default all but the labels.
        label: Name of the labels: whole numbers, text or categories.
        memory: Bytes of values to keep in memory; more go to a file.

    Raises:
        DatasetError: If pyarrow is not installed, the file is damaged, a column is not there or
            holds no numbers, or a value is missing.
    """
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise DatasetError(
            f"{path} needs the package pyarrow; install it with: pip install pyarrow."
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            choice = choose(schema.names, columns, label, str(path))
            dtype = np.result_type(*[_dtype(schema.field(n), path) for n in choice.columns])
            return _values(file, choice, dtype, memory, path)
    except (pyarrow.ArrowException, ValueError) as error:
        reason = str(error).split("\n")[0][:200]
        raise DatasetError(f"{path} is a damaged Parquet file ({reason}); replace it.") from error


def _values(file: Any, choice: Choice, dtype: np.dtype[Any], memory: int, path: Path) -> Found:
    width, rows, done = len(choice.columns), file.metadata.num_rows, 0
    names = [*choice.columns, *([choice.label] if choice.label else [])]
    at_once, labelling = max(1, BLOCK // width), Labelling(str(path))
    with Gathered(memory, str(path)) as gathered:
        gathered.expect(rows * width * dtype.itemsize)
        for batch in file.iter_batches(at_once, columns=names, use_threads=False):
            block = np.empty((len(batch), width), dtype)
            for place, name in enumerate(choice.columns):
                block[:, place] = _numbers(batch.column(name), name, done, path)
            gathered.add(block)
            if choice.label:
                labelling.add(batch.column(choice.label).to_pylist())
            done += len(batch)
        if done != rows:
            raise ValueError(f"it claims {rows} rows and holds {done}")
        found = Found(gathered.array(), columns=choice.columns, notes=choice.notes)
    return found.labelled(labelling) if choice.label else found


def _dtype(field: Any, path: Path) -> np.dtype[Any]:
    kind, types = field.type, import_module("pyarrow.types")
    if types.is_integer(kind) or types.is_floating(kind):
        dtype: np.dtype[Any] = np.dtype(kind.to_pandas_dtype())
        return dtype
    if types.is_boolean(kind):
        return np.dtype(np.uint8)
    raise DatasetError(
        f"{path}: column {field.name!r} holds {str(kind)[:40]}, not numbers; leave it out, "
        "or name it as the labels."
    )


def _numbers(column: Any, name: str, start: int, path: Path) -> Any:
    if column.null_count:
        row = start + int(np.asarray(column.is_null()).argmax())
        raise DatasetError(
            f"{path}: row {row + 1} (counted from 1), column {name!r} has no value; fill it, or "
            "leave the row or column out."
        )
    return column.to_numpy(zero_copy_only=False)
