"""Reader of tables in Parquet files, by way of pyarrow.

Shape legend: N rows, D columns of numbers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

from sparsevae.data.readers.raw import Parsed
from sparsevae.data.readers.tables import at_once, choose, collected
from sparsevae.data.schema import listed
from sparsevae.errors import DatasetError


def read_parquet(
    path: Path,
    columns: Sequence[str] | None,
    label: str | None,
    memory: int,
    drop: Sequence[str] = (),
) -> Parsed:
    """Values (N, D) in the smallest type that holds all columns, and labels.

    Args:
        path: The file.
        columns: Names of the values; by default all but the labels.
        label: Name of the labels: whole numbers, text or categories.
        memory: Bytes that values may take.
        drop: Names of columns that are not read.

    Raises:
        DatasetError: If pyarrow is not installed, the file is damaged, there are more values than
            `memory` allows, or a column is not there or holds no numbers.
    """
    with parquet_file(path) as file:
        index, notes = left_out(file, columns, label)
        choice = choose(file.schema_arrow.names, columns, label, str(path), (*drop, *index))
        choice = replace(choice, notes=(*choice.notes, *notes))
        rows = at_once(len(choice.names), memory)
        batches = file.iter_batches(rows, columns=choice.names, use_threads=False)
        frames = (batch.to_pandas(ignore_metadata=True) for batch in batches)
        return collected(frames, choice, memory, str(path))


@contextmanager
def parquet_file(path: Path) -> Iterator[Any]:
    """A Parquet file that is open inside a ``with`` block, read by pyarrow.

    Raises:
        DatasetError: If pyarrow is not installed, or the file is damaged.
    """
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise DatasetError(
            f"{path} needs the package pyarrow; install it with: pip install pyarrow."
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except (pyarrow.ArrowException, ValueError) as error:
        reason = str(error).split("\n")[0][:200]
        raise DatasetError(f"{path} is a damaged Parquet file ({reason}); replace it.") from error


def left_out(
    file: Any, columns: Sequence[str] | None, label: str | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The index of the data frame that a file was written from, and a line that says it goes.

    Args:
        file: that is open.
        columns: names of the values; where some are given, nothing goes.
        label: name of the labels, which stay.

    Returns:
        Names of columns that are left out, and the line; both empty where there are none.
    """
    about = file.schema_arrow.pandas_metadata
    named = about.get("index_columns") if isinstance(about, dict) and columns is None else None
    given = [name for name in named or () if isinstance(name, str)]  # others are ranges
    index = tuple(name for name in file.schema_arrow.names if name in given and name != label)
    if not index:
        return (), ()
    return index, (f"The data frame's index was left out: {listed(index)}.",)
