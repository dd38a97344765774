"""Reader of tables in text by way of pandas: .csv and .tsv, one row a line.

It gives data frames of some rows; what they hold is collected within the memory allowed.

Shape legend: N rows, D columns of numbers.
"""

import re
import warnings
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae.data.readers.columns import matching
from sparsevae.data.readers.labels import classed, is_number
from sparsevae.data.readers.memory import BLOCK, gathered
from sparsevae.data.readers.raw import LISTED, Parsed, listed
from sparsevae.errors import DatasetError, NoNumbersError
from sparsevae.storage.arrays import Array

MOST_COLUMNS = 100_000
LONGEST_LINE = 2**22
NO_NUMBER = re.compile("could not convert|cannot safely convert", re.IGNORECASE)
NAN = ("nan", "NaN", "NAN")
NAMELESS = "The first line holds no names, so the columns are called x0, x1 and so on."
COUNTING = "The first line counts up and was taken for names of columns."
TOO_MANY_FIELDS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


@dataclass(frozen=True)
class Choice:
    """Names of the columns with values, the one with labels, and a note on what was left out."""

    columns: tuple[str, ...]
    label: str | None
    notes: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """Of all columns that are wanted."""
        return [*self.columns, *([] if self.label is None else [self.label])]


def choose(
    names: Sequence[str],
    columns: Sequence[str] | None,
    label: str | None,
    where: str,
    drop: Sequence[str] = (),
) -> Choice:
    """Settles which columns are read; each may be named by a pattern, see :func:`matching`.

    Args:
        names: Of all columns in the file.
        columns: Of the values, in the order that is wanted; by default all that have a name, but
            for the labels.
        label: Of the labels.
        where: What an error calls the file.
        drop: Of columns that are not read.

    Raises:
        DatasetError: If a name is absent, stands twice, is asked for twice, or there are none or
            more than :data:`MOST_COLUMNS`.
    """
    if len(names) > MOST_COLUMNS:
        raise DatasetError(f"{where} has {len(names)} columns; at most {MOST_COLUMNS} are read.")
    counts, gone = Counter(names), {"", *matching(names, drop, where)}
    if label is not None:
        fitting = matching(names, [label], where)
        if len(fitting) > 1:
            raise DatasetError(
                f"{where}: {label!r} stands for the columns {listed(fitting)}; name one of them "
                "for the labels."
            )
        (label,) = fitting
    if columns is None:
        wanted = tuple(name for name in names if name not in (*gone, label))
    elif len(set(columns)) < len(columns):
        wanted = tuple(columns)
    else:
        wanted = tuple(name for name in matching(names, columns, where) if name not in gone)
    for name in (*wanted, *([] if label is None else [label])):
        if counts[name] != 1:
            problem = "several columns" if counts[name] else "no column"
            raise DatasetError(
                f"{where} has {problem} {name!r}; its columns are {listed(tuple(counts))}."
            )
    if columns is not None and label in wanted and label not in columns:
        wanted = tuple(name for name in wanted if name != label)  # a pattern meant it too
    if not wanted or len(set(wanted)) < len(wanted) or label in wanted:
        raise DatasetError(
            f"{where}: {listed(wanted) or 'no columns'} cannot be the values with {label!r} as "
            "labels; name at least one column, each once, and not that of the labels."
        )
    nameless = columns is None and counts[""] > 0
    return Choice(wanted, label, ("Columns without a name were left out.",) if nameless else ())


def collected(
    frames: Iterator[Any], choice: Choice, memory: int, where: str, dtype: type | None = None
) -> Parsed:
    """The numbers and labels of data frames that follow one another.

    Args:
        frames: Some rows each; truth values, and numbers written as text, are numbers too.
        choice: Which columns.
        memory: Bytes that values may take.
        where: What an error calls the table.
        dtype: Of the values; by default the smallest type that holds all columns.

    Raises:
        DatasetError: If there are more values than `memory` allows, labels are none, or columns
            hold something else than numbers: all of them are named, each with its first such row.
    """
    labels: list[Any] = []

    def numbers() -> Iterator[Array]:
        start = 0
        for frame in frames:
            if choice.label is not None:
                labels.extend(frame[choice.label].tolist())
            columns = [_numbers(frame[name], start) for name in choice.columns]
            if bad := [column for column in columns if isinstance(column, str)]:
                more = f"; and {len(bad) - LISTED} columns more" if len(bad) > LISTED else ""
                raise NoNumbersError(
                    f"{where}: {'; '.join(bad[:LISTED])}{more} (rows are counted from 1, below "
                    "names), which is not a number; fill it with one, or leave the column out, "
                    "or name it as the labels."
                )
            start += len(frame)
            yield np.stack(columns, axis=1, dtype=dtype or np.result_type(*columns))

    values = gathered(numbers(), memory, where, len(choice.columns))
    if choice.label is None:
        return Parsed(values, columns=choice.columns, notes=choice.notes)
    return Parsed(values, *classed(labels, where), choice.columns, choice.notes)


def at_once(width: int, memory: int) -> int:
    """How many rows of so many columns are taken at a time with so many bytes of memory."""
    return max(1, min(BLOCK, memory // 8) // width)


def _numbers(column: Any, start: int) -> Array | str:
    """A column of a data frame as numbers, or where it holds something else, in words."""
    import pandas

    if column.dtype.kind in "iuf":
        return np.asarray(column)
    if column.dtype.kind == "b":
        return np.asarray(column, np.uint8)
    numbers = pandas.to_numeric(column.astype(str), errors="coerce")
    for place in np.flatnonzero(numbers.isna()):
        field = str(column.iloc[place])
        if not is_number(field):
            what = f"holds {field[:40]!r}" if field.strip() else "is empty"
            return f"row {start + place + 1}, column {str(column.name)[:40]!r} {what}"
    return np.asarray(numbers, np.float64)


# ------------------------------------------------------------------ text


def read_text(
    path: Path,
    columns: Sequence[str] | None,
    label: str | None,
    memory: int,
    drop: Sequence[str] = (),
) -> Parsed:
    """Values (N, D) float64 and labels of a table in text.

    Fields of .tsv are apart by tabs, of .csv by commas, or by semicolons where the first line has
    no comma. The first line holds names if none of its fields is a number, if its numbers count
    up from 0 or 1, or if a number stands under a text; otherwise columns are x0, x1, ….

    Args:
        path: The file, in UTF-8.
        columns: Names of the values; by default all but the labels.
        label: Name of the labels.
        memory: Bytes that values may take.
        drop: Names of columns that are not read.

    Raises:
        DatasetError: If a row has too many fields, a field is no number, there are more values
            than `memory` allows, or a name is not there.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pandas warns of rows longer than the first one
            names, header, options = first_lines(path)
            choice = choose(names, columns, label, str(path), drop)
            choice = replace(choice, notes=(*about_names(names, header), *choice.notes))
            options, rows = {**options, "header": header}, at_once(len(names), memory)
            with closing(_frames(path, names, choice, rows, options)) as frames:
                return collected(frames, choice, memory, str(path), np.float64)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not text in UTF-8; save it as CSV in UTF-8.") from error
    except (ValueError, Warning) as error:
        raise no_text(path, error) from error


def no_text(path: Path, error: Exception) -> DatasetError:
    """What a table in text has that pandas cannot read, in one sentence."""
    if many := TOO_MANY_FIELDS.search(str(error)):
        return DatasetError(
            f"{path}: line {many[2]} has {many[3]} fields and the first one {many[1]}; give "
            "every row the same columns."
        )
    reason = str(error).strip().split("\n")[0][:200]
    return DatasetError(f"{path} is not a table in text ({reason}); replace it.")


def about_names(names: Sequence[str], header: int | None) -> tuple[str, ...]:
    """What is to be said of the names of a table in text."""
    if header is None:
        return (NAMELESS,)
    return (COUNTING,) if _counts_up(names) else ()


def first_lines(path: Path) -> tuple[tuple[str, ...], int | None, dict[str, Any]]:
    """The names of the columns, whether they are the first line, and how pandas reads the rest."""
    import pandas

    with path.open(encoding="utf-8-sig", newline="") as stream:
        line = stream.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE:
        raise DatasetError(
            f"{path} has a line of {LONGEST_LINE} characters or more; a row stands on a line."
        )
    comma = ";" if ";" in line and "," not in line else ","
    delimiter = "\t" if path.suffix.lower() == ".tsv" else comma
    if (count := line.count(delimiter) + 1) > MOST_COLUMNS:
        raise DatasetError(f"{path} has {count} columns; at most {MOST_COLUMNS} are read.")
    options = {"sep": delimiter, "encoding": "utf-8-sig", "compression": None}
    try:
        rows = pandas.read_csv(path, header=None, nrows=2, dtype=str, na_filter=False, **options)
    except pandas.errors.EmptyDataError:
        rows = ()
    if len(rows) < 2:
        raise DatasetError(f"{path} has fewer than two lines; give names and rows of numbers.")
    top, second = rows.to_numpy()
    names = tuple(name.strip() for name in top)
    pairs = [
        (is_number(name), is_number(below)) for name, below in zip(names, second, strict=True)
    ]
    has_names = not any(above for above, _ in pairs) or (False, True) in pairs
    if has_names or _counts_up(names):
        return names, 0, options
    return tuple(f"x{place}" for place in range(len(names))), None, options


def _counts_up(names: Sequence[str]) -> bool:
    """Whether the numbers among names are 0, 1, 2 … or 1, 2, 3 …, at least three of them."""
    numbers = [name for name in names if is_number(name)]
    counting = [[str(start + step) for step in range(len(numbers))] for start in (0, 1)]
    return len(numbers) > 2 and numbers in counting


def _frames(
    path: Path, names: Sequence[str], choice: Choice, rows: int, options: dict[str, Any]
) -> Generator[Any, None, None]:
    """Data frames of some rows; of numbers first, and of text where a field turns out to be none.

    Columns are read by their places, because names may stand twice among those not wanted.
    """
    import pandas

    places, wanted = list(range(len(names))), [names.index(name) for name in choice.names]
    numbers = wanted[: len(choice.columns)]
    dtype = {place: float if place in numbers else str for place in places}
    options |= {"names": places, "index_col": False, "keep_default_na": False}
    options |= {"chunksize": rows}
    missing, done = dict.fromkeys(numbers, NAN), 0
    try:
        with pandas.read_csv(path, dtype=dtype, na_values=missing, **options) as reader:
            for frame in reader:
                yield frame[wanted].set_axis(choice.names, axis=1)
                done += 1
    except ValueError as error:
        if not NO_NUMBER.search(str(error)):
            raise
        with pandas.read_csv(path, dtype=str, **options) as reader:
            for frame in islice(reader, done, None):
                yield frame[wanted].set_axis(choice.names, axis=1)
