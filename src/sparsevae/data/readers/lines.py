"""The first lines of a table in text, and its empty ones: how pandas is to read the rest."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sparsevae.data.readers.fields import DECIMAL
from sparsevae.data.readers.labels import is_number
from sparsevae.errors import DatasetError

MOST_COLUMNS = 100_000
LONGEST_LINE = 2**22
QUOTED = 60  # characters of the first line in a note
IN_QUOTES = re.compile(r'(^|[,;\t])"[^"]*(?:""[^"]*)*("|$)')
TOO_MANY_FIELDS = re.compile(r"Expected (\d+) fields in line (\d+), saw (\d+)")


@dataclass(frozen=True)
class Start:
    """How a table in text starts.

    Attributes:
        names: of the columns; x0, x1, … where the first line is none of names.
        options: for ``pandas.read_csv``.
        notes: what is to be said of the choice.
    """

    names: tuple[str, ...]
    options: dict[str, Any]
    notes: tuple[str, ...] = ()


class Empty(NamedTuple):
    """How many lines are empty: before the first that is not, after the last, between; of all."""

    before: int
    after: int
    between: int
    lines: int


def first_lines(path: Path, header: bool | None = None, known: Sequence[str] = ()) -> Start:
    """The names of the columns, and how pandas reads a table in text.

    Args:
        path: the file.
        header: whether its first line holds names; otherwise these decide it where they can, or
            the rule of :func:`sparsevae.data.readers.tables.read_text`.
        known: names of columns that are expected.

    Raises:
        DatasetError: a line is too long, or there are fewer than two.
    """
    import pandas

    line = _first_line(path)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else _delimiter(line)
    if (count := line.count(delimiter) + 1) > MOST_COLUMNS:
        raise DatasetError(f"{path} has {count} columns; at most {MOST_COLUMNS} are read.")
    options: dict[str, Any] = {"sep": delimiter, "encoding": "utf-8-sig", "compression": None}
    try:
        rows = pandas.read_csv(path, header=None, nrows=2, dtype=str, na_filter=False, **options)
    except pandas.errors.EmptyDataError:
        rows = ()
    if len(rows) < 2:
        raise DatasetError(f"{path} has fewer than two lines; give names and rows of numbers.")
    top, second = (tuple(map(str.strip, fields)) for fields in rows.to_numpy())
    numbered = tuple(f"x{place}" for place in range(len(top)))
    notes: tuple[str, ...] = ()
    if header is None and known and set(known) <= set(top) | set(numbered):
        header = set(known) <= set(top)
    if header is None:
        header, notes = _by_rule(top, second, line.strip())
    names = top if header else numbered
    if (empty := _empty(path, delimiter)).between and len(names) > 1:
        were = "empty line was" if empty.between == 1 else "empty lines were"
        notes += (f"{empty.between:,} {were} passed over.",)
    elif empty.between:  # of one column, where they are gaps
        ends = [*range(empty.before), *range(empty.lines - empty.after, empty.lines)]
        options |= {"skip_blank_lines": False, "skiprows": ends}
    return Start(names, {**options, "header": 0 if header else None}, notes)


def no_text(path: Path, error: Exception) -> DatasetError:
    """What a table in text has that pandas cannot read, in one sentence."""
    if many := TOO_MANY_FIELDS.search(str(error)):
        return DatasetError(
            f"{path}: line {many[2]} has {many[3]} fields and the first one {many[1]}; give "
            "every row the same columns."
        )
    reason = str(error).strip().split("\n")[0][:200]
    return DatasetError(f"{path} is not a table in text ({reason}); replace it.")


def _first_line(path: Path) -> str:
    """The first line that is not empty."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        for line in iter(partial(stream.readline, LONGEST_LINE), ""):
            if len(line) == LONGEST_LINE:
                raise DatasetError(
                    f"{path} has a line of {LONGEST_LINE} characters or more; a row stands on a "
                    "line."
                )
            if line.strip(" \r\n"):
                return line
    return ""


def _delimiter(line: str) -> str:
    """What is between the fields of .csv, by the first line without what stands in quotes."""
    bare = IN_QUOTES.sub(r"\1", line.strip("\r\n"))
    fields = [field.strip() for field in bare.split(";")]
    if len(fields) > 1 and all("," not in f or DECIMAL.fullmatch(f) for f in fields):
        return ";"
    return "\t" if "\t" in bare and "," not in bare else ","


def _by_rule(
    top: tuple[str, ...], second: tuple[str, ...], line: str
) -> tuple[bool, tuple[str, ...]]:
    """Whether the first line holds names, by what it and the second hold, and what to say."""
    pairs = [(is_number(name), is_number(below)) for name, below in zip(top, second, strict=True)]
    if not any(above for above, _ in pairs) or (False, True) in pairs:
        return True, ()
    if _counts_up(top):
        note = "The first line counts up and was taken for names of columns; if it is a row of "
        return True, (note + "numbers, give --no-header (header=False).",)
    shown = line if len(line) <= QUOTED else line[:QUOTED] + "…"
    return False, (
        f"The first line, {shown!r}, holds no names and was taken for a row, so the columns are "
        "called x0, x1 and so on; if it does hold names, give --header (header=True).",
    )


def _counts_up(names: Sequence[str]) -> bool:
    """Whether the numbers among names are 0, 1, 2 … or 1, 2, 3 …, at least three of them."""
    numbers = [name for name in names if is_number(name)]
    counting = [[str(start + step) for step in range(len(numbers))] for start in (0, 1)]
    return len(numbers) > 2 and numbers in counting


def _empty(path: Path, delimiter: str) -> Empty:
    """The lines of a file without anything, those inside of quotes apart."""
    before = between = after = lines = quotes = 0
    blank, full = b" \r\n" if delimiter == "\t" else b" \t\r\n", False
    with path.open("rb") as stream:
        for line in iter(partial(stream.readline, LONGEST_LINE), b""):
            lines += 1
            quotes += line.count(b'"')
            if quotes % 2 == 0 and not line.strip(blank):
                after += 1
                continue
            before, between = (before, between + after) if full else (after, between)
            full, after = True, 0
    return Empty(before, after, between, lines)
