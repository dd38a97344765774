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
from sparsevae.data.readers.lines import MOST_COLUMNS, first_lines, no_text
from sparsevae.data.readers.memory import BLOCK, gathered
from sparsevae.data.readers.raw import Parsed
from sparsevae.data.schema import LISTED, listed
from sparsevae.errors import DatasetError, NoNumbersError
from sparsevae.storage.arrays import Array

NO_NUMBER = re.compile("could not convert|cannot safely convert", re.IGNORECASE)
NAN = ("nan", "NaN", "NAN")


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
    asked = [*drop, *([] if label is None else [label]), *(columns or ())]
    matching(names, asked, where)  # names all that are absent
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
    asked = [*wanted, *([] if label is None else [label])]
    if several := [name for name in dict.fromkeys(asked) if counts[name] > 1]:
        raise DatasetError(
            f"{where} has several columns {listed(several)}; its columns are "
            f"{listed(tuple(counts))}."
        )
    if columns is not None and label in wanted and label not in columns:
        wanted = tuple(name for name in wanted if name != label)  # a pattern meant it too
    beside = "" if label is None else f" beside the labels {label!r}"
    if not wanted:
        raise DatasetError(
            f"{where} has no column left for the values{beside}; keep at least one column."
        )
    if len(set(wanted)) < len(wanted) or label in wanted:
        raise DatasetError(
            f"{where}: {listed(wanted)} cannot be the values{beside}; name at least one column, "
            "each once, and not that of the labels."
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
    header: bool | None = None,
) -> Parsed:
    """Values (N, D) float64 and labels of a table in text.

    Fields of .tsv are apart by tabs, of .csv by commas; or by semicolons or tabs, where the first
    line has no comma but in quotes and, beside semicolons, in numbers such as 9,5. The first line
    holds names if none of its fields is a number, if its numbers count up from 0 or 1, or if a
    number stands under a text; otherwise columns are x0, x1, …. Where it holds all names that are
    asked for, it is taken for names.

    Args:
        path: The file, in UTF-8.
        columns: Names of the values; by default all but the labels.
        label: Name of the labels.
        memory: Bytes that values may take.
        drop: Names of columns that are not read.
        header: Whether the first line holds names, where that is known.

    Raises:
        DatasetError: If a row has too many fields, a field is no number, there are more values
            than `memory` allows, or a name is not there.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # pandas warns of rows longer than the first one
            start = first_lines(path, header, columns or ())
            choice = choose(start.names, columns, label, str(path), drop)
            choice = replace(choice, notes=(*start.notes, *choice.notes))
            rows = at_once(len(start.names), memory)
            with closing(_frames(path, start.names, choice, rows, start.options)) as frames:
                return collected(frames, choice, memory, str(path), np.float64)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not text in UTF-8; save it as CSV in UTF-8.") from error
    except (ValueError, Warning) as error:
        raise no_text(path, error) from error


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
    options = {**options, "names": places, "index_col": False, "keep_default_na": False}
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
