"""Columns of any kind as numbers that a model takes, and back.

A schema says what every column of a table is. Its elements are what a model sees of a row: first
numbers and dates (days since 1970), then booleans (0 or 1), then one element a level of every
category (1 for the level that a row has). A value that is missing is NaN in all its elements.

Shape legend: N rows, E elements of a row.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sparsevae.data.scaling import Scaling
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array

ColumnKind = Literal["number", "date", "boolean", "category"]
Level = str | bool | int | float
ORDER: tuple[ColumnKind, ...] = ("number", "date", "boolean", "category")
WORDS: dict[ColumnKind, tuple[str, str]] = {
    "number": ("number", "numbers"),
    "date": ("date", "dates"),
    "boolean": ("boolean", "booleans"),
    "category": ("category", "categories"),
}
LISTED = 10  # names that a sentence lists; of more it gives the number
LONGEST_NAMED = 40  # characters of one
EPOCH = np.datetime64("1970-01-01", "us")
DAY = np.timedelta64(1, "D") / np.timedelta64(1, "us")  # microseconds


@dataclass(frozen=True)
class Column:
    """What one column of a table is.

    Attributes:
        name: of the column.
        kind: "number", "date", "boolean" or "category".
        levels: of a category, in their order.
        dtype: NumPy's name of the type that values get back: "int64" where all were whole,
            "bool"; of a date "D" where all were at midnight, otherwise "s".
        gaps: whether a value was missing.
    """

    name: str
    kind: ColumnKind
    levels: tuple[Level, ...] = ()
    dtype: str = "float64"
    gaps: bool = False

    @property
    def elements(self) -> tuple[str, ...]:
        """What its elements are called: by the column, or by column and level."""
        if self.kind != "category":
            return (self.name,)
        return tuple(f"{self.name}={level}" for level in self.levels)

    def encode(self, series: Any) -> Array:
        """Values of a column of a data frame as elements, float64, shape ``(N, elements)``.

        A level that the schema lacks counts as missing: the model knows nothing of it.

        Raises:
            DatasetError: a value is of another kind, or not finite.
        """
        if self.kind == "category":
            return _one_hot(series, self.levels)
        values, odd = days_of(series) if self.kind == "date" else numbers_of(series)
        if self.kind == "boolean":
            odd |= ~np.isnan(values) & ~np.isin(values, (0, 1))
        if odd.any():
            what = {"date": "a date", "boolean": "true or false"}.get(self.kind, "a finite number")
            found = str(series.iloc[int(odd.argmax())])[:40]
            raise DatasetError(f"The column {self.name!r} holds {found!r}, which is not {what}.")
        return values[:, None]

    def decode(self, values: Array) -> Any:
        """The values of elements of shape ``(N, elements)``: the likeliest level, rounded numbers.

        NaN gives a missing value.
        """
        import pandas

        missing = np.isnan(values[:, 0])
        if self.kind == "category":
            levels = np.array(self.levels, dtype=object)
            chosen = levels[np.nan_to_num(values).argmax(1)]
            chosen[missing] = None
            return pandas.Series(chosen).infer_objects()
        column = values[:, 0].astype(np.float64)
        if self.kind == "date":
            ticks = np.rint(np.nan_to_num(column) * DAY).clip(-(2**62), 2**62).astype(np.int64)
            dates = (EPOCH + ticks.astype("timedelta64[us]")).astype(f"datetime64[{self.dtype}]")
            dates = dates.astype("datetime64[s]")
            dates[missing] = np.datetime64("NaT")
            return pandas.Series(dates)
        if self.kind == "boolean":
            column = np.where(missing, np.nan, column > 0.5)
        if missing.any() and self.dtype == "bool":
            return pandas.Series([None if np.isnan(v) else bool(v) for v in column], dtype=object)
        if missing.any() or self.dtype == "float64":
            return pandas.Series(np.rint(column) if self.dtype == "int64" else column)
        return pandas.Series(np.rint(column).astype(self.dtype))


@dataclass(frozen=True)
class Schema:
    """What all columns of a table are, those that were left out apart.

    Attributes:
        columns: in the order of the table.
        named: whether the table had names; otherwise it was an array of numbers with gaps.

    Example:
        >>> schema = Schema((Column("kind", "category", ("a", "b")), Column("size", "number")))
        >>> schema.elements
        ('size', 'kind=a', 'kind=b')
    """

    columns: tuple[Column, ...]
    named: bool = True

    @property
    def names(self) -> tuple[str, ...]:
        """Of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def ordered(self) -> tuple[Column, ...]:
        """The columns in the order of their elements."""
        return tuple(sorted(self.columns, key=lambda column: ORDER.index(column.kind)))

    @property
    def elements(self) -> tuple[str, ...]:
        """Names of the elements."""
        return tuple(name for column in self.ordered for name in column.elements)

    @property
    def numbers(self) -> int:
        """How many elements, the first ones, are numbers or dates."""
        return sum(column.kind in ("number", "date") for column in self.columns)

    def sentences(self) -> tuple[str, ...]:
        """How each kind of column is treated, for people."""
        kinds = [column.kind for column in self.columns]
        parts = [
            f"{_counted(kinds.count(kind), *WORDS[kind])} "
            f"({listed([c.name for c in self.columns if c.kind == kind])})"
            for kind in ORDER
            if kind in kinds
        ]
        gaps = [column.name for column in self.columns if column.gaps]
        missing = f"Gaps in {listed(gaps)}: no part of the score, and marked for the encoder."
        return (
            f"Columns: {', '.join(parts)}.",
            "Likelihood: mixed. Gaussian for numbers and dates, Bernoulli for booleans, "
            "categorical for categories.",
            *((missing,) if gaps else ()),
        )

    def likelihood(self) -> dict[str, Any]:
        """The likelihood of its elements: Gaussian, Bernoulli and categorical."""
        levels = [len(c.levels) for c in self.columns if c.kind == "category"]
        booleans = sum(column.kind == "boolean" for column in self.columns)
        return {"kind": "mixed", "booleans": booleans, "levels": levels}

    def encode(self, frame: Any) -> Array:
        """Rows of a data frame as elements, float64 with NaN at gaps, shape ``(N, E)``.

        Raises:
            DatasetError: columns are absent, or one holds something of another kind.
        """
        absent = [name for name in self.names if name not in frame.columns]
        if absent:
            raise lacking(absent)
        parts, wrong = [], []
        for column in self.ordered:
            try:
                parts.append(column.encode(frame[column.name]))
            except DatasetError as error:
                wrong.append(str(error))
        if wrong:
            raise DatasetError(" ".join(_first_few(wrong)))
        return np.concatenate(parts, axis=1)

    def unseen(self, frame: Any) -> tuple[str, ...]:
        """A line on each category of a data frame with levels that count as gaps.

        Args:
            frame: N rows with the columns of the schema.
        """
        lines = []
        for column in self.columns:
            if column.kind != "category":
                continue
            series = frame[column.name]
            full = ~missing(series)
            odd = full & (_places(series, column.levels) < 0)
            if odd.any():
                such = str(series.iloc[int(odd.argmax())])[:LONGEST_NAMED]
                lines.append(
                    f"{column.name[:LONGEST_NAMED]!r}: {odd.sum():,} of {full.sum():,} values are "
                    f"levels that the model has not seen (such as {such!r}); they count as gaps."
                )
        return tuple(_first_few(lines))

    def decode(self, values: Array) -> Any:
        """A data frame, in the order of the table, of elements of shape ``(N, E)``."""
        import pandas

        ends = np.cumsum([0, *(len(column.elements) for column in self.ordered)])
        parts = {
            column.name: column.decode(values[:, start:end])
            for column, start, end in zip(self.ordered, ends, ends[1:], strict=False)
        }
        return pandas.DataFrame({name: parts[name] for name in self.names})

    def scaling(self, values: Array) -> Scaling:
        """Mean 0 and standard deviation 1 for numbers, by training elements ``(N, E)``."""
        numbers = values[:, : self.numbers]
        shift, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
        shift[: self.numbers] = np.nanmean(numbers, axis=0)
        spread = np.nanstd(numbers, axis=0)
        rounding = len(values) * np.finfo(np.float64).eps * np.abs(shift[: self.numbers])
        scale[: self.numbers] = np.where(spread > rounding, spread, 1.0)
        return Scaling("standard", tuple(shift.tolist()), tuple(scale.tolist()))

    def seen(self, values: Array, train: npt.NDArray[np.int64]) -> tuple["Schema", Array]:
        """The schema without what no training row has, and the elements that are left.

        A row with a level that goes has a gap there.

        Args:
            values: elements of all rows, shape ``(N, E)``.
            train: places of the training rows.

        Raises:
            DatasetError: a column has no value in the training rows.
        """
        some = values[train]
        alive = np.asarray((np.nan_to_num(some) > 0).any(0))
        alive[: self.numbers] = (~np.isnan(some[:, : self.numbers])).any(0)
        columns, at = {}, 0
        for column in self.ordered:
            width = len(column.elements)
            kept = alive[at : at + width]
            alive[at : at + width] = kept | (column.kind == "boolean")
            if not kept.any() and column.kind != "boolean":
                raise DatasetError(
                    f"The column {column.name!r} has no value in the training rows; drop it."
                )
            levels = tuple(level for level, k in zip(column.levels, kept, strict=False) if k)
            columns[column.name] = replace(column, levels=levels)
            at += width
        if alive.all():
            return self, values
        blocks = self.likelihood()["levels"]
        left, start = values[:, alive].copy(), values.shape[1] - sum(blocks)
        at = start
        for width in blocks:  # rows whose level went have a gap
            kept = alive[start : start + width]
            part = left[:, at : at + kept.sum()]
            part[part.sum(1) == 0] = np.nan
            start, at = start + width, at + int(kept.sum())
        return replace(self, columns=tuple(columns[name] for name in self.names)), left


def listed(names: Sequence[str]) -> str:
    """The first few names with commas between them, and how many there are besides.

    Examples:
        >>> listed([f"x{place}" for place in range(12)])
        "'x0', 'x1', 'x2', 'x3', 'x4', 'x5', 'x6', 'x7', 'x8', 'x9' and 2 more"
    """
    more = f" and {len(names) - LISTED:,} more" if len(names) > LISTED else ""
    return ", ".join(repr(name[:LONGEST_NAMED]) for name in names[:LISTED]) + more


def lacking(names: Sequence[str], model: str = "The model") -> DatasetError:
    """What is wrong with rows that have no columns of these names.

    Args:
        names: of the columns that are absent, one or more.
        model: what it is called.
    """
    what = "a column" if len(names) == 1 else "the columns"
    return DatasetError(f"{model} was trained on {what} {listed(names)} that these rows lack.")


def _first_few(lines: list[str]) -> list[str]:
    """Sentences on a column each, and of more than a few how many columns there are besides."""
    more = len(lines) - LISTED
    if more <= 0:
        return lines
    return [*lines[:LISTED], f"The same holds for {_counted(more, 'column', 'columns')} more."]


def _counted(count: int, one: str, many: str) -> str:
    return f"{count:,} {one if count == 1 else many}"


def numbers_of(series: Any) -> tuple[Array, npt.NDArray[np.bool_]]:
    """A column as float64 with NaN at gaps, and which values are no finite numbers."""
    import pandas

    if series.dtype.kind in "iufb":
        values = series.to_numpy(np.float64, na_value=np.nan)
    else:
        plain = series.astype(object).map(lambda v: int(v) if isinstance(v, bool) else v)
        values = pandas.to_numeric(plain, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    odd = (np.isnan(values) & ~missing(series)) | np.isinf(values)
    return np.array(values), odd


def days_of(series: Any) -> tuple[Array, npt.NDArray[np.bool_]]:
    """A column as days since 1970, NaN at gaps, and which values are no dates."""
    import pandas

    gaps = missing(series)
    dates = pandas.to_datetime(series.where(~gaps), errors="coerce", utc=True, format="ISO8601")
    ticks = dates.dt.tz_localize(None).to_numpy("datetime64[us]")
    days = (ticks - EPOCH).astype(np.int64) / DAY
    return np.where(np.isnat(ticks), np.nan, days), np.isnat(ticks) & ~gaps


def missing(series: Any) -> npt.NDArray[np.bool_]:
    """Which values of a column are missing; text of blanks is."""
    gaps = np.array(series.isna(), bool)
    if series.dtype.kind == "O":
        text = series.astype(object)
        gaps |= np.array([isinstance(value, str) and not value.strip() for value in text], bool)
    return gaps


def level_of(value: Any) -> Level:
    """A value of a category as JSON keeps it: what is not plain, such as a date, as text."""
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, str | bool | int | float) else str(plain)


def _places(series: Any, levels: Sequence[Level]) -> npt.NDArray[np.int64]:
    """Where each value of a column is among levels; -1 where it is missing or not there."""
    import pandas

    plain = series.astype(object).map(level_of, na_action="ignore").astype(object)
    return np.asarray(pandas.Index(list(levels), dtype=object).get_indexer(plain))


def _one_hot(series: Any, levels: Sequence[Level]) -> Array:
    """1 at a row's level and 0 at the others; NaN where it is missing or not among them."""
    places = _places(series, levels)
    rows = np.zeros((len(series), len(levels)))
    rows[np.arange(len(series)), places] = 1
    rows[places < 0] = np.nan
    return rows
