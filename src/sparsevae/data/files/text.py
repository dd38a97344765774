"""Reader of tables in text: .csv and .tsv, one row a line, numbers and perhaps labels."""

import csv
from array import array
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

import numpy as np

from sparsevae.data.files.gathering import BLOCK, Gathered
from sparsevae.data.files.labels import Labelling
from sparsevae.data.files.naming import is_number
from sparsevae.data.files.raw import Found
from sparsevae.data.files.tables import Choice, choose
from sparsevae.errors import DatasetError

Row = tuple[int, list[str]]
"""The number of a line in the file, from 1, and its fields."""

LONGEST_LINE = 2**22


def read(path: Path, columns: Sequence[str] | None, label: str | None, memory: int) -> Found:
    """Values (N, D) float64 and labels of a table in text.

    Fields of .tsv are apart by tabs, of .csv by commas, or by semicolons where the first line has
    no comma. The first line holds names if none of its fields is a number, if its numbers count
    up from 0 or 1, or if a number stands under a text; otherwise columns are x0, x1, ….

    Args:
        path: The file, in UTF-8.
        columns: Names of the values; by default all but the labels.
        label: Name of the labels.
        memory: Bytes of values to keep in memory; more go to a file.

    Raises:
        DatasetError: If a row has another number of fields, a field is no number, a line is too
            long, or a name is not there.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names, rows, notes = _named(_rows(stream, path), path)
            choice = choose(names, columns, label, str(path))
            return _values(rows, names, choice, memory, path, notes)
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path} is not text in UTF-8; save it as CSV in UTF-8.") from error
    except csv.Error as error:
        raise DatasetError(f"{path} is not a table in text ({error}); replace it.") from error


def _values(
    rows: Iterator[Row],
    names: Sequence[str],
    choice: Choice,
    memory: int,
    path: Path,
    notes: tuple[str, ...],
) -> Found:
    labelling = Labelling(str(path))
    with Gathered(memory, str(path)) as gathered:
        for numbers in _blocks(rows, names, choice, labelling, path):
            gathered.add(np.frombuffer(numbers).reshape(-1, len(choice.columns)))
        values = gathered.array()
    found = Found(values, columns=choice.columns, notes=(*notes, *choice.notes))
    return found if choice.label is None else found.labelled(labelling)


def _blocks(
    rows: Iterator[Row], names: Sequence[str], choice: Choice, labelling: Labelling, path: Path
) -> Iterator["array[float]"]:
    """The numbers of some rows at a time; labels go to `labelling` on the way."""
    place_of = {name: place for place, name in enumerate(names)}
    places = [place_of[name] for name in choice.columns]
    numbers = array("d")
    for line, fields in rows:
        if len(fields) != len(names):
            raise DatasetError(
                f"{path}: line {line} has {len(fields)} fields and the first one {len(names)}; "
                "give every row the same columns."
            )
        numbers.extend(_parsed([fields[place] for place in places], line, choice, path))
        if choice.label is not None:
            labelling.add([fields[place_of[choice.label]]])
        if len(numbers) >= BLOCK:
            yield numbers
            numbers = array("d")
    if numbers:
        yield numbers


def _parsed(fields: list[str], line: int, choice: Choice, path: Path) -> list[float]:
    try:
        if "_" not in "".join(fields):  # float() would take 1_000
            return [float(field) for field in fields]
    except ValueError:
        pass
    column, field = next(
        pair for pair in zip(choice.columns, fields, strict=True) if not is_number(pair[1])
    )
    what = f"holds {field[:40]!r}, which is not a number" if field.strip() else "is empty"
    raise DatasetError(
        f"{path}: line {line}, column {column[:40]!r} {what}; fill it with one, or leave the "
        "column out, or name it as the labels."
    )


def _rows(stream: IO[str], path: Path) -> Iterator[Row]:
    lines = _lines(stream, path)
    first = next(lines, "")
    comma = ";" if ";" in first and "," not in first else ","
    delimiter = "\t" if path.suffix.lower() == ".tsv" else comma
    reader = csv.reader(chain([first], lines), delimiter=delimiter, strict=True)
    for fields in reader:
        if fields:
            yield reader.line_num, fields


def _lines(stream: IO[str], path: Path) -> Iterator[str]:
    """The lines of a file, none of which is taken into memory when it is endless."""
    while line := stream.readline(LONGEST_LINE):
        if len(line) == LONGEST_LINE:
            raise DatasetError(
                f"{path} has a line of {LONGEST_LINE} characters or more; a row stands on a line."
            )
        yield line


def _named(
    rows: Iterator[Row], path: Path
) -> tuple[Sequence[str], Iterator[Row], tuple[str, ...]]:
    """The names of the columns, the rows below them, and a note where there are no names."""
    first = list(zip(range(2), rows, strict=False))
    if len(first) < 2:
        raise DatasetError(f"{path} has fewer than two lines; give names and rows of numbers.")
    (_, (line, top)), (_, second) = first
    numbers = [field.strip() for field in top if is_number(field)]
    if _counts_up(numbers):
        note = "The first line counts up and was taken for names of columns."
    elif not numbers or _stands_over_numbers(top, second[1]):
        note = ""
    else:
        note = "The first line holds no names, so the columns are called x0, x1 and so on."
        names = tuple(f"x{place}" for place in range(len(top)))
        return names, chain([(line, top), second], rows), (note,)
    return tuple(name.strip() for name in top), chain([second], rows), (note,) if note else ()


def _counts_up(numbers: list[str]) -> bool:
    """Whether these are 0, 1, 2 … or 1, 2, 3 …, at least three of them."""
    counting = [[str(start + step) for step in range(len(numbers))] for start in (0, 1)]
    return len(numbers) > 2 and numbers in counting


def _stands_over_numbers(top: list[str], second: list[str]) -> bool:
    """Whether there is a text with a number below it."""
    pairs = zip(top, second, strict=False)
    return any(not is_number(above) and is_number(below) for above, below in pairs)
