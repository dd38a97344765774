"""Tables with more than numbers: text, dates, booleans and gaps, read as data frames.

Shape legend: N rows, E elements of a row (see :mod:`sparsevae.data.schema`).
"""

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae.data.readers.columns import ISO_DATE, described, is_plain, plain_values
from sparsevae.data.readers.labels import classed
from sparsevae.data.readers.lines import first_lines, no_text
from sparsevae.data.readers.memory import allowance, check_size
from sparsevae.data.readers.parquet import left_out, parquet_file
from sparsevae.data.readers.raw import Parsed
from sparsevae.data.readers.tables import (
    choose,
)
from sparsevae.data.schema import Schema, listed, numbers_of
from sparsevae.errors import DatasetError

MOST_COLUMNS = 10_000
GAPS = (
    *("", "NA", "N/A", "n/a", "<NA>", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "None", "?"),
)
"""What a field of a table in text is where a value is missing."""
DASHES = ("-", ".")
"""What it may be besides in a column of numbers or dates; a category may have such levels."""


def parsed_frame(
    frame: Any,
    where: str,
    memory: int,
    *,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    label: str | None = None,
    schema: Schema | None = None,
    named: bool = True,
) -> Parsed:
    """What a data frame holds: numbers as they are, other columns as elements of a schema.

    Args:
        frame: the rows.
        where: what an error calls the table.
        memory: bytes that values may take.
        columns: names or patterns of the values; by default all but the labels.
        drop: names or patterns that are left out.
        label: name or pattern of the labels.
        schema: what the columns are; found from their values when None.
        named: whether columns have names; an array of numbers has none.

    Raises:
        DatasetError: nothing can be used, or values take more than `memory` bytes.
    """
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if schema is not None:
        columns, drop = schema.names, ()
    choice = choose(list(frame.columns), columns, label, where, drop)
    if len(choice.columns) > MOST_COLUMNS:
        raise DatasetError(
            f"{where} has {len(choice.columns):,} columns that are not all numbers; at most "
            f"{MOST_COLUMNS:,} are taken."
        )
    marks = None if choice.label is None else classed(_labels(frame[choice.label]), where)
    labels, classes = marks or (None, ())
    notes, chosen = choice.notes, frame[list(choice.columns)]
    if schema is None and named and is_plain(chosen):
        return Parsed(np.asarray(chosen), labels, classes, choice.columns, notes)
    if schema is None:
        schema, lines = described(chosen, where, named=named)
        notes += lines
        plain = plain_values(chosen, schema)
        if plain is not None:
            return Parsed(plain, labels, classes, schema.names, notes)
    else:
        notes += schema.unseen(chosen)
    check_size(8 * len(frame) * len(schema.elements), memory, where)
    values = schema.encode(chosen)
    return Parsed(values, labels, classes, schema.elements, notes, schema=schema)


def _labels(series: Any) -> list[Any]:
    """Labels as Python's values; numbers without a fraction that stand beside gaps as they are."""
    return list(series.astype(object).where(series.notna(), "").tolist())


def read_mixed(
    path: Path,
    columns: Sequence[str] | None,
    label: str | None,
    memory: int,
    drop: Sequence[str] = (),
    schema: Schema | None = None,
    header: bool | None = None,
) -> Parsed:
    """A table in a file whose columns are not all numbers.

    Args:
        path: .csv, .tsv or .parquet.
        columns: names or patterns of the values.
        label: name or pattern of the labels.
        memory: bytes that the file and its values may take.
        drop: names or patterns that are left out.
        schema: what the columns are; found from their values when None.
        header: whether the first line of a text holds names, where that is known.

    Raises:
        DatasetError: the file cannot be read, is too large, or nothing in it can be used.
    """
    check_size(path.stat().st_size, memory, str(path))
    if path.suffix.lower() == ".parquet":
        with parquet_file(path) as file:
            index, notes = left_out(file, columns, label) if schema is None else ((), ())
            frame = _whole(file)
        drop = (*drop, *index)
    else:
        frame, notes = _text(path, schema, header, columns or (), label)
    options: dict[str, Any] = {"columns": columns, "drop": drop, "label": label}
    parsed = parsed_frame(frame, str(path), memory, schema=schema, **options)
    return replace(parsed, notes=(*notes, *parsed.notes))


def read_frame(path: str, schema: Schema | None) -> tuple[Any, tuple[str, ...]]:
    """A table in a file as a data frame with all its columns, and what is to be said of it.

    Args:
        path: .csv, .tsv or .parquet.
        schema: what some of the columns are.

    Raises:
        DatasetError: the file cannot be read, is no table, has two columns where a model has
            one, or is larger than what is allowed.
    """
    place = Path(path).expanduser()
    if place.suffix.lower() not in (".csv", ".tsv", ".parquet"):
        raise DatasetError(f"{path} is no table; give a .csv, .tsv or .parquet file.")
    try:
        check_size(place.stat().st_size, allowance(None), path)
        is_parquet = place.suffix.lower() == ".parquet"
        frame, notes = (_parquet(place), ()) if is_parquet else _text(place, schema)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}.") from error
    if schema is not None:
        choice = choose([str(name) for name in frame.columns], schema.names, None, path)
        notes = (*notes, *schema.unseen(frame[list(choice.columns)]))
    return frame, notes


def as_text(path: Path, schema: Schema) -> Any:
    """A table in text as a data frame of its fields, as they are written.

    Args:
        path: .csv or .tsv.
        schema: what some of the columns are.

    Raises:
        DatasetError: the file cannot be read.
    """
    return _fields(path, None, schema.names, None, ())[0]


def _parquet(path: Path) -> Any:
    with parquet_file(path) as file:
        return _whole(file)


def _whole(file: Any) -> Any:
    return file.read(use_threads=False).to_pandas(ignore_metadata=True)


def _text(
    path: Path,
    schema: Schema | None,
    header: bool | None = None,
    known: Sequence[str] = (),
    label: str | None = None,
) -> tuple[Any, tuple[str, ...]]:
    """A table in text as a data frame, and notes about its lines and dashes.

    Categories of text, and classes, are read as text even where a file holds some that look like
    numbers: 01 is not 1. Classes may be called as gaps are.
    """
    texts = () if schema is None else schema.columns
    levels = {c.name for c in texts if c.levels and isinstance(c.levels[0], str)}
    expected = known if schema is None else schema.names
    frame, notes = _fields(path, header, expected, levels, GAPS, label)
    amounts = {column.name for column in texts if column.kind in ("number", "date")}
    levels |= _fitting(label, frame.columns)
    return frame, notes + _without_dashes(frame, levels, amounts)


def _fitting(label: str | None, names: Iterable[str]) -> set[str]:
    """The columns that a label's name or pattern may mean."""
    if label is None:
        return set()
    return {name for name in names if name == label or fnmatchcase(name, label)}


def _fields(
    path: Path,
    header: bool | None,
    known: Sequence[str],
    texts: set[str] | None,
    gaps: Sequence[str],
    label: str | None = None,
) -> tuple[Any, tuple[str, ...]]:
    """A table in text as a data frame, some columns or (None) all as text, and notes."""
    import pandas

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            start = first_lines(path, header, known)
            places, labels = dict(enumerate(start.names)), _fitting(label, start.names)
            frame = pandas.read_csv(
                path,
                names=list(places),
                index_col=False,
                dtype={
                    n: str for n, name in places.items() if texts is None or name in texts | labels
                },
                keep_default_na=False,
                na_values={n: list(gaps) for n, name in places.items() if name not in labels},
                low_memory=False,
                **start.options,
            )
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not text in UTF-8; save it as CSV in UTF-8.") from error
    except (ValueError, Warning) as error:
        raise no_text(path, error) from error
    return frame.set_axis(list(start.names), axis=1), start.notes


def _without_dashes(frame: Any, texts: set[str], amounts: set[str]) -> tuple[str, ...]:
    """Empty the dashes in columns that hold numbers or dates besides, and name these columns."""
    import pandas

    found = []
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if name in texts or pandas.api.types.is_numeric_dtype(column):
            continue
        dashes = column.isin(DASHES)
        rest = column[~dashes & column.notna()]
        if not dashes.any() or not (len(rest) or name in amounts):
            continue
        numeric = not numbers_of(rest)[1].any()
        if numeric or name in amounts or all(ISO_DATE.match(str(field)) for field in rest):
            column = column.where(~dashes)
            column = pandas.to_numeric(column, errors="coerce") if numeric else column
            frame.isetitem(place, column)
            found.append(name)
    return (f"'-' and '.' were taken for gaps in {listed(found)}.",) if found else ()
