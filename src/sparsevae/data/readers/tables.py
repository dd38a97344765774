"""Readers of tables by way of pandas: .csv and .tsv, one row a line, and .parquet.

Shape legend: N rows, D columns of numbers.
"""

import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae.data.readers.labels import classed, is_number
from sparsevae.data.readers.memory import BLOCK, check_size, gathered
from sparsevae.data.readers.raw import LISTED, Parsed, listed
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array

MOST_COLUMNS = 100_000
LONGEST_LINE = 2**22
NAN = ("nan", "NaN", "NAN")
TOO_MANY_FIELDS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


@dataclass(frozen=True)
class Choice:
    """Names of the columns with values, the one with labels, and a note on what was left out."""

    columns: tuple[str, ...]
    label: str | None
    notes: tuple[str, ...] = ()


def choose(
    names: Sequence[str], columns: Sequence[str] | None, label: str | None, where: str
) -> Choice:
    """Settles which columns are read.

    Args:
        names: Of all columns in the file.
        columns: Of the values, in the order that is wanted; by default all that have a name, but
            for the labels.
        label: Of the labels.
        where: What an error calls the file.

    Raises:
        DatasetError: If a name is absent, stands twice, is asked for twice, or there are none or
            more than :data:`MOST_COLUMNS`.
    """
    if len(names) > MOST_COLUMNS:
        raise DatasetError(f"{where} has {len(names)} columns; at most {MOST_COLUMNS} are read.")
    counts = Counter(names)
    named = tuple(name for name in names if name not in ("", label))
    wanted = named if columns is None else tuple(columns)
    for name in (*wanted, *([] if label is None else [label])):
        if counts[name] != 1:
            problem = "several columns" if counts[name] else "no column"
            raise DatasetError(
                f"{where} has {problem} {name!r}; its columns are {listed(tuple(counts))}."
            )
    if not wanted or len(set(wanted)) < len(wanted) or label in wanted:
        raise DatasetError(
            f"{where}: {listed(wanted) or 'no columns'} cannot be the values with {label!r} as "
            "labels; name at least one column, each once, and not that of the labels."
        )
    nameless = columns is None and counts[""] > 0
    return Choice(wanted, label, ("Columns without a name were left out.",) if nameless else ())


# ------------------------------------------------------------------ text


def read_text(path: Path, columns: Sequence[str] | None, label: str | None, memory: int) -> Parsed:
    """Values (N, D) float64 and labels of a table in text.

    Fields of .tsv are apart by tabs, of .csv by commas, or by semicolons where the first line has
    no comma. The first line holds names if none of its fields is a number, if its numbers count
    up from 0 or 1, or if a number stands under a text; otherwise columns are x0, x1, ….

    Args:
        path: The file, in UTF-8.
        columns: Names of the values; by default all but the labels.
        label: Name of the labels.
        memory: Bytes that values may take.

    Raises:
        DatasetError: If a row has too many fields, a field is no number, there are more values
            than `memory` allows, or a name is not there.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # rows longer than the first one
            table, notes = _table(path)
            return _parsed(table, choose(table.names, columns, label, str(path)), notes, memory)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not text in UTF-8; save it as CSV in UTF-8.") from error
    except (ValueError, Warning) as error:
        if many := TOO_MANY_FIELDS.search(str(error)):
            raise DatasetError(
                f"{path}: line {many[2]} has {many[3]} fields and the first one {many[1]}; give "
                "every row the same columns."
            ) from error
        reason = str(error).strip().split("\n")[0][:200]
        raise DatasetError(f"{path} is not a table in text ({reason}); replace it.") from error


@dataclass(frozen=True)
class Text:
    """A table in text: its delimiter, the names of its columns, whether they are on its top."""

    path: Path
    delimiter: str
    names: tuple[str, ...]
    header: int | None

    def chunks(self, numbers: Sequence[int] = ()) -> Iterator[Any]:
        """Data frames of some rows each, whose columns are called 0, 1, ….

        Columns at the places `numbers` are float64, the others text. An empty field is no number.

        Raises:
            ValueError: If a field in a column of numbers is none.
        """
        import pandas

        yield from pandas.read_csv(
            self.path,
            sep=self.delimiter,
            header=self.header,
            names=list(range(len(self.names))),
            index_col=False,
            dtype={n: float if n in numbers else str for n in range(len(self.names))},
            keep_default_na=False,
            na_values=dict.fromkeys(numbers, NAN),
            encoding="utf-8-sig",
            compression=None,
            chunksize=max(1, BLOCK // len(self.names)),
        )


def _table(path: Path) -> tuple[Text, tuple[str, ...]]:
    """What the first two lines say, and a note where they leave something open."""
    import pandas

    with path.open(encoding="utf-8-sig", newline="") as stream:
        line = stream.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise DatasetError(
            f"{path} has a line of {LONGEST_LINE} characters or more; a row stands on a line."
        )
    comma = ";" if ";" in line and "," not in line else ","
    delimiter = "\t" if path.suffix.lower() == ".tsv" else comma
    if line.count(delimiter) >= MOST_COLUMNS:
        count = line.count(delimiter) + 1
        raise DatasetError(f"{path} has {count} columns; at most {MOST_COLUMNS} are read.")
    try:
        options = {"header": None, "nrows": 2, "dtype": str, "na_filter": False}
        top = pandas.read_csv(
            path, sep=delimiter, encoding="utf-8-sig", compression=None, **options
        ).to_numpy()
    except pandas.errors.EmptyDataError:
        top = np.empty((0, 0))
    if len(top) < 2:
        raise DatasetError(f"{path} has fewer than two lines; give names and rows of numbers.")
    names = tuple(str(name).strip() for name in top[0])
    numbers = [name for name in names if is_number(name)]
    over_numbers = any(
        not is_number(name) and is_number(below) for name, below in zip(*top, strict=True)
    )
    if _counts_up(numbers):
        note = "The first line counts up and was taken for names of columns."
        return Text(path, delimiter, names, 0), (note,)
    if not numbers or over_numbers:
        return Text(path, delimiter, names, 0), ()
    note = "The first line holds no names, so the columns are called x0, x1 and so on."
    return Text(path, delimiter, tuple(f"x{n}" for n in range(len(names))), None), (note,)


def _counts_up(numbers: list[str]) -> bool:
    """Whether these are 0, 1, 2 … or 1, 2, 3 …, at least three of them."""
    counting = [[str(start + step) for step in range(len(numbers))] for start in (0, 1)]
    return len(numbers) > 2 and numbers in counting


def _parsed(table: Text, choice: Choice, notes: tuple[str, ...], memory: int) -> Parsed:
    places = [table.names.index(name) for name in choice.columns]
    labels: list[list[str]] = []

    def numbers() -> Iterator[Array]:  # and the labels on the way
        for chunk in table.chunks(places):
            if choice.label is not None:
                labels.append(chunk[table.names.index(choice.label)].tolist())
            yield np.ascontiguousarray(chunk[places].to_numpy(np.float64))

    where = str(table.path)
    try:
        values = gathered(numbers(), memory, where)
    except (UnicodeDecodeError, DatasetError):
        raise
    except ValueError as error:
        if TOO_MANY_FIELDS.search(str(error)):
            raise
        _refuse_fields(table, places)
        raise
    notes = (*notes, *choice.notes)
    if choice.label is None:
        return Parsed(values, columns=choice.columns, notes=notes)
    marks, classes = classed(chain.from_iterable(labels), where)
    return Parsed(values, marks, classes, choice.columns, notes)


def _refuse_fields(table: Text, places: Sequence[int]) -> None:
    """Names the columns that hold no numbers, each with the first field that is none.

    Raises:
        DatasetError: If there are some.
    """
    import pandas

    for chunk in table.chunks():
        bad = []
        for place in places:
            doubtful = pandas.to_numeric(chunk[place], errors="coerce").isna()
            for row, field in chunk[place][doubtful].items():
                if not is_number(field):
                    what = f"holds {field[:40]!r}" if field.strip() else "is empty"
                    bad.append(f"row {row + 1}, column {table.names[place][:40]!r} {what}")
                    break
        if bad:
            more = f"; and {len(bad) - LISTED} columns more" if len(bad) > LISTED else ""
            raise DatasetError(
                f"{table.path}: {'; '.join(bad[:LISTED])}{more} (rows are counted from 1, below "
                "the names), which is not a number; fill it with one, or leave the column out, "
                "or name it as the labels."
            )


# ------------------------------------------------------------------ Parquet


def read_parquet(
    path: Path, columns: Sequence[str] | None, label: str | None, memory: int
) -> Parsed:
    """Values (N, D) in the smallest type that holds all columns, and labels.

    Args:
        path: The file.
        columns: Names of the values; by default all but the labels.
        label: Name of the labels: whole numbers, text or categories.
        memory: Bytes that values may take.

    Raises:
        DatasetError: If pyarrow is not installed, the file is damaged, there are more values than
            `memory` allows, a column is not there or holds no numbers, or a value is missing.
    """
    try:
        pyarrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError:
        raise DatasetError(
            f"{path} needs the package pyarrow; install it with: pip install pyarrow."
        ) from None
    try:
        with parquet.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            choice = choose(schema.names, columns, label, str(path))
            dtype = _common_type([schema.field(name) for name in choice.columns], path)
            check_size(rows * len(choice.columns) * dtype.itemsize, memory, str(path))
            names = [*choice.columns, *([choice.label] if choice.label else [])]
            table = file.read(columns=names, use_threads=False)
            _refuse_gaps(table, choice.columns, path)
            frame = table.select(choice.columns).to_pandas(ignore_metadata=True)
            values = frame.to_numpy(dtype)
            labels = table.column(choice.label).to_pylist() if choice.label else None
    except (pyarrow.ArrowException, ValueError) as error:
        reason = str(error).split("\n")[0][:200]
        raise DatasetError(f"{path} is a damaged Parquet file ({reason}); replace it.") from error
    marks, classes = (None, ()) if labels is None else classed(labels, str(path))
    return Parsed(values, marks, classes, choice.columns, choice.notes)


def _common_type(fields: Sequence[Any], path: Path) -> np.dtype[Any]:
    """The smallest type that holds all columns; truth values are bytes.

    Raises:
        DatasetError: If some columns hold no numbers; all of them are named.
    """
    types = import_module("pyarrow.types")
    wrong, kinds = [], []
    for field in fields:
        if types.is_integer(field.type) or types.is_floating(field.type):
            kinds.append(np.dtype(field.type.to_pandas_dtype()))
        elif types.is_boolean(field.type):
            kinds.append(np.dtype(np.uint8))
        else:
            wrong.append(f"column {field.name[:40]!r} holds {str(field.type)[:40]}")
    if wrong:
        more = f" and {len(wrong) - LISTED} more" if len(wrong) > LISTED else ""
        raise DatasetError(
            f"{path}: {', '.join(wrong[:LISTED])}{more}, not numbers; leave it out, or name it as "
            "the labels."
        )
    return np.result_type(*kinds)


def _refuse_gaps(table: Any, columns: Sequence[str], path: Path) -> None:
    """Names every column without a value somewhere, and the first row of each.

    Raises:
        DatasetError: If there are some.
    """
    rows = {
        name: int(np.argmax(table.column(name).is_null().to_numpy()))
        for name in columns
        if table.column(name).null_count
    }
    if rows:
        gaps = [f"row {row + 1}, column {name[:40]!r}" for name, row in rows.items()]
        more = f" and {len(gaps) - LISTED} columns more" if len(gaps) > LISTED else ""
        raise DatasetError(
            f"{path}: {'; '.join(gaps[:LISTED])}{more} (rows are counted from 1) has no value; "
            "fill it, or leave the row or column out."
        )
