"""Columns of a table by name: which are values, which one holds the labels."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sparsevae.data.files.naming import listed
from sparsevae.errors import DatasetError

MOST_COLUMNS = 100_000


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
    wanted = tuple(columns) if columns is not None else _all_but(label, counts)
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


def _all_but(label: str | None, counts: Counter[str]) -> tuple[str, ...]:
    return tuple(name for name in counts.elements() if name not in ("", label))
