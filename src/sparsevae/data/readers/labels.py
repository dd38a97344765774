"""Labels of any kind, whole numbers or text, as positions in a sorted list of class names."""

import re
from array import array
from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import numpy as np

from sparsevae.data.dataset import Labels
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array, blocks

LONGEST_NAME = 200
WHOLE = re.compile(r"[+-]?\d{1,15}(\.0*)?", re.ASCII)


def is_number(field: str) -> bool:
    """Whether a text is a number: as Python reads it, but for `1_000`, which is a name."""
    try:
        float(field)
    except ValueError:
        return False
    return "_" not in field


def classed(labels: Iterable[Any], where: str) -> tuple[Labels, tuple[str, ...]]:
    """Positions of labels, and the names of the classes, sorted: as numbers if all are, else text.

    Memory grows with the classes, and by 8 bytes a label.

    Args:
        labels: Text, bytes, truth values, or numbers without a fraction.
        where: What an error calls the place the labels come from.

    Returns:
        (N,) positions and the names.

    Raises:
        DatasetError: If a label is missing, has a fraction, is too long, or is something else.

    Examples:
        >>> classed(["9", "10", "9"], "it")
        (array([0, 1, 0]), ('9', '10'))
    """
    positions: dict[str, int] = {}
    taken = array("q")
    for label in labels:
        name = _name(label, len(taken) + 1, where)
        taken.append(positions.setdefault(name, len(positions)))
    names = sorted(positions, key=_order(positions, where))
    place = np.empty(len(names), dtype=np.int64)
    place[[positions[name] for name in names]] = np.arange(len(names))
    return place[np.frombuffer(taken, np.int64)], tuple(names)


def labels_of(values: Array, where: str) -> tuple[Labels, tuple[str, ...]]:
    """Labels and classes of an array of shape (N,) or (N, 1), numbers or text.

    Raises:
        DatasetError: If it has another shape, or its values name no classes.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DatasetError(f"{where} has shape {values.shape}; labels have shape (rows,).")
    return classed(chain.from_iterable(block.tolist() for block in blocks(values)), where)


def _name(label: Any, place: int, where: str) -> str:
    if type(label) is str:
        name = label
    elif isinstance(label, bytes):
        name = label.decode("utf-8", "replace")
    elif isinstance(label, bool | int) or (isinstance(label, float) and label.is_integer()):
        name = str(int(label))
    else:
        raise DatasetError(
            f"{where}: label {place} is {str(label)[:40]!r}; a label is a whole number or text."
        )
    if not name.strip() or len(name) > LONGEST_NAME:
        what = "is empty" if not name.strip() else f"has {len(name)} characters"
        raise DatasetError(
            f"{where}: a label {what}; name a class with 1 to {LONGEST_NAME} characters in every "
            "row, or leave the labels out."
        )
    return name


def _order(names: Iterable[str], where: str) -> Callable[[str], Any]:
    fraction = next((name for name in names if not WHOLE.fullmatch(name)), None)
    if fraction is None:
        return float
    if all(map(is_number, names)):
        raise DatasetError(
            f"{where}: a label is {fraction}; labels name classes, with whole numbers or text, "
            "not quantities."
        )
    return str
