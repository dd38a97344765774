"""What the columns of a data frame are, found from their values.

Shape legend: N rows, D columns.
"""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data.readers.fields import mostly, written
from sparsevae.data.readers.labels import is_number
from sparsevae.data.readers.raw import LARGEST
from sparsevae.data.schema import (
    LISTED,
    Column,
    Level,
    Schema,
    days_of,
    level_of,
    listed,
    missing,
    numbers_of,
)
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array

MOST_LEVELS = 50
ROWS_A_LEVEL = 3  # fewer, and a text names rows rather than kinds of them
LONGEST_LEVEL = 200  # characters
ISO_DATE = re.compile(r"\s*\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?")
NUMERIC = ("integer", "floating", "mixed-integer-float", "decimal")


def is_frame(rows: Any) -> bool:
    """Whether rows are a pandas data frame, without loading pandas."""
    return hasattr(rows, "columns") and hasattr(rows, "dtypes") and hasattr(rows, "iloc")


def is_plain(frame: Any) -> bool:
    """Whether a data frame is a matrix of numbers without gaps, or of booleans alone."""
    kinds = {getattr(dtype, "kind", "O") for dtype in frame.dtypes}
    extension = any(not isinstance(dtype, np.dtype) for dtype in frame.dtypes)
    if extension or not (kinds <= set("iuf") or kinds == {"b"}):
        return False
    return not bool(frame.isna().to_numpy().any())


def matching(names: Sequence[str], patterns: Sequence[str], where: str) -> list[str]:
    """The names that one of the patterns stands for, in the order of the patterns.

    Args:
        names: of all columns.
        patterns: names, or patterns as of file names, such as ``"x*"``.
        where: what an error calls the table.

    Raises:
        DatasetError: patterns stand for none; all of them are named.
    """
    found: dict[str, None] = {}
    known = set(names)
    absent: list[str] = []
    for pattern in patterns:
        exact = [pattern] if pattern in known else []
        fitting = exact or [name for name in names if fnmatchcase(name, pattern)]
        if not fitting:
            absent.append(pattern)
        found |= dict.fromkeys(fitting)
    if absent:
        what = "column" if len(absent) == 1 else "columns"
        raise DatasetError(
            f"{where} has no {what} {listed(absent)}; its columns are {listed(names)}."
        )
    return list(found)


def described(frame: Any, where: str, *, named: bool = True) -> tuple[Schema, tuple[str, ...]]:
    """What the columns of a data frame are, and lines on those that are left out or in doubt.

    Args:
        frame: the rows.
        where: what an error calls the table.
        named: whether columns have names; those of an array of numbers are all kept.

    Raises:
        DatasetError: names stand twice, or no column can be used.
    """
    names = list(frame.columns)
    if len(set(names)) < len(names):
        raise DatasetError(f"{where} has columns of the same name; give each its own.")
    columns: list[Column] = []
    reasons: dict[str, str] = {}
    doubts: dict[str, str] = {}
    for name in names:
        column = _described(name, frame[name], named)
        if isinstance(column, Column):
            columns.append(column)
            if doubt := _doubt(column):
                doubts[name] = doubt
        else:
            reasons[name] = column
    if reasons and not (named and columns):
        raise DatasetError(f"{where} has no column to learn from: {_reasons(reasons)}.")
    notes: tuple[str, ...] = (f"Left out: {_reasons(reasons)}.",) if reasons else ()
    if doubts:
        notes += (
            f"Taken for categories: {_reasons(doubts)}; if they are amounts or times, write them "
            "as 1234.5 and 2024-01-31.",
        )
    return Schema(tuple(columns), named), notes


def plain_values(frame: Any, schema: Schema) -> Array | None:
    """The columns of a schema as a matrix of numbers; None where they are more than that.

    They are more where a value is missing, where there are categories or dates, and where
    booleans stand beside numbers.
    """
    kinds = {column.kind for column in schema.columns}
    truths = {column.dtype == "bool" for column in schema.columns}
    if kinds & {"category", "date"} or len(truths) > 1 or any(c.gaps for c in schema.columns):
        return None
    numbers = [numbers_of(frame[name])[0] for name in schema.names]
    dtypes = [np.dtype("u1" if c.dtype == "bool" else c.dtype) for c in schema.columns]
    return np.stack(numbers, 1).astype(np.result_type(*dtypes))


def _described(name: str, series: Any, named: bool) -> Column | str:
    """What a column is, or why it cannot be used."""
    from pandas.api.types import infer_dtype

    rows = np.flatnonzero(~missing(series))
    present = series.iloc[rows]
    gaps = len(present) < len(series)
    if not len(present):
        return "empty"
    kind = infer_dtype(present, skipna=True)
    if kind == "categorical":
        return _category(name, present.astype(object), gaps)
    if kind == "boolean":
        return _constant(present, named) or Column(name, "boolean", (), "bool", gaps)
    if kind in NUMERIC:
        return _number(name, present, gaps, rows, named)
    if kind in ("datetime64", "datetime", "date"):
        return _date(name, present, gaps, rows)
    if kind == "string":
        return _text(name, present, gaps, rows, named)
    return f"values of type {type(present.iloc[0]).__name__}"


def _text(
    name: str, present: Any, gaps: bool, rows: npt.NDArray[np.int64], named: bool
) -> Column | str:
    """What a column of text is: numbers or dates that are written in it, or categories."""
    no_numbers = numbers_of(present)[1]
    if not no_numbers.any():
        return _number(name, present, gaps, rows, named)
    no_dates = np.array([not ISO_DATE.match(text) for text in present], bool)
    if not no_dates.any():
        return _date(name, present, gaps, rows)
    found = _category(name, present, gaps)
    if isinstance(found, Column) or found == "constant":
        return found
    return (
        mostly(present, no_numbers, rows, "numbers")
        or mostly(present, no_dates, rows, "dates")
        or written(present)
        or found
    )


def _doubt(column: Column) -> str:
    """What the levels of a category look like, if like numbers or dates."""
    texts = [level for level in column.levels if isinstance(level, str)]
    if not texts or len(texts) < len(column.levels):
        return ""
    if looks := written(texts):
        return looks
    odd = [text for text in texts if not is_number(text)]
    return f"numbers, and {listed(odd)}" if 2 * len(odd) < len(texts) else ""


def _number(
    name: str, present: Any, gaps: bool, rows: npt.NDArray[np.int64], named: bool
) -> Column | str:
    values, odd = numbers_of(present)
    odd |= np.abs(values) > LARGEST
    if odd.any():
        return mostly(present, odd, rows, "numbers") or "numbers that are not finite"
    if constant := _constant(present, named):
        return constant
    whole = bool((values == np.floor(values)).all()) and float(np.abs(values).max()) < 2**53
    dtype = "int64" if whole else "float64"
    if whole and np.isin(values, (0, 1)).all():
        return Column(name, "boolean", (), dtype, gaps)
    if named and whole and not gaps and len(values) > 2 and (np.diff(values) == 1).all():
        return "counts the rows"
    return Column(name, "number", (), dtype, gaps)


def _date(name: str, present: Any, gaps: bool, rows: npt.NDArray[np.int64]) -> Column | str:
    days, odd = days_of(present)
    if odd.any():
        return mostly(present, odd, rows, "dates") or "dates that cannot be read"
    if constant := _constant(present, True):
        return constant
    return Column(name, "date", (), "D" if (days == np.floor(days)).all() else "s", gaps)


def _category(name: str, present: Any, gaps: bool) -> Column | str:
    levels: list[Level] = [level_of(level) for level in present.unique()]
    if len(levels) == 1:
        return "constant"
    if len(levels) > max(2, min(MOST_LEVELS, len(present) // ROWS_A_LEVEL)):
        return f"text of {len(levels):,} different values"
    if any(len(str(level)) > LONGEST_LEVEL for level in levels):
        return "long text"
    if len({type(level) for level in levels}) > 1:
        levels = sorted(levels, key=str)
    else:
        levels = sorted(levels)  # of one type
    return Column(name, "category", tuple(levels), "object", gaps)


def _constant(present: Any, named: bool) -> str:
    return "constant" if named and present.nunique() == 1 else ""


def _reasons(reasons: dict[str, str]) -> str:
    shown = [f"{name[:40]!r} ({reason})" for name, reason in list(reasons.items())[:LISTED]]
    more = f" and {len(reasons) - LISTED:,} columns more" if len(reasons) > LISTED else ""
    return ", ".join(shown) + more
