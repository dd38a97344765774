"""Tables with more than numbers: text, dates, booleans and gaps, read as data frames.

Shape legend: N rows, E elements of a row (see :mod:`sparsevae.data.schema`).
"""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from sparsevae.data.readers.columns import described, is_plain, plain_values
from sparsevae.data.readers.labels import classed
from sparsevae.data.readers.memory import allowance, check_size
from sparsevae.data.readers.raw import Parsed
from sparsevae.data.readers.tables import (
    about_names,
    choose,
    first_lines,
    no_text,
    parquet_file,
)
from sparsevae.data.schema import Schema
from sparsevae.errors import DatasetError

MOST_COLUMNS = 10_000
GAPS = ("", "NA", "N/A", "#N/A", "NaN", "nan", "NAN", "null", "NULL", "?")
"""What a field of a table in text is where a value is missing."""


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
) -> Parsed:
    """A table in a file whose columns are not all numbers.

    Args:
        path: .csv, .tsv or .parquet.
        columns: names or patterns of the values.
        label: name or pattern of the labels.
        memory: bytes that the file and its values may take.
        drop: names or patterns that are left out.
        schema: what the columns are; found from their values when None.

    Raises:
        DatasetError: the file cannot be read, is too large, or nothing in it can be used.
    """
    check_size(path.stat().st_size, memory, str(path))
    if path.suffix.lower() == ".parquet":
        frame: Any = _parquet(path)
        notes: tuple[str, ...] = ()
    else:
        frame, notes = _text(path, schema)
    options: dict[str, Any] = {"columns": columns, "drop": drop, "label": label}
    parsed = parsed_frame(frame, str(path), memory, schema=schema, **options)
    return replace(parsed, notes=(*notes, *parsed.notes))


def read_frame(path: str, schema: Schema | None) -> Any:
    """A table in a file as a data frame with all its columns.

    Args:
        path: .csv, .tsv or .parquet.
        schema: what some of the columns are.

    Raises:
        DatasetError: the file cannot be read, is no table, or is larger than what is allowed.
    """
    place = Path(path).expanduser()
    if place.suffix.lower() not in (".csv", ".tsv", ".parquet"):
        raise DatasetError(f"{path} is no table; give a .csv, .tsv or .parquet file.")
    try:
        check_size(place.stat().st_size, allowance(None), path)
        return _parquet(place) if place.suffix.lower() == ".parquet" else _text(place, schema)[0]
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}.") from error


def _parquet(path: Path) -> Any:
    with parquet_file(path) as file:
        return file.read(use_threads=False).to_pandas(ignore_metadata=True)


def _text(path: Path, schema: Schema | None) -> tuple[Any, tuple[str, ...]]:
    """A table in text as a data frame, and notes about its names.

    Categories of text are read as text even where a file holds levels that look like numbers.
    """
    import pandas

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            names, header, options = first_lines(path)
            texts = () if schema is None else schema.columns
            levels = {c.name for c in texts if c.levels and isinstance(c.levels[0], str)}
            frame = pandas.read_csv(
                path,
                header=header,
                names=list(range(len(names))),
                index_col=False,
                dtype={place: str for place, name in enumerate(names) if name in levels},
                keep_default_na=False,
                na_values=list(GAPS),
                low_memory=False,
                **options,
            )
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not text in UTF-8; save it as CSV in UTF-8.") from error
    except (ValueError, Warning) as error:
        raise no_text(path, error) from error
    return frame.set_axis(list(names), axis=1), about_names(names, header)
