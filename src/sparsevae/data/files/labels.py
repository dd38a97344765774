"""Labels of any kind, whole numbers or text, as positions in a sorted list of class names."""

import re
from array import array
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data.dataset import Labels
from sparsevae.data.files.naming import is_number
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import blocks

LONGEST_NAME = 200
WHOLE = re.compile(r"[+-]?\d{1,15}(\.0*)?", re.ASCII)


class Labelling:
    """Takes labels one by one; memory grows with the classes, and by 8 bytes a label.

    Args:
        where: What an error calls the place the labels come from.

    Examples:
        >>> labelling = Labelling("it")
        >>> labelling.add(["9", "10", "9"])
        >>> labelling.settle()
        (array([0, 1, 0]), ('9', '10'))
    """

    def __init__(self, where: str) -> None:
        self._where = where
        self._positions: dict[str, int] = {}
        self._taken = array("q")

    def add(self, labels: Iterable[Any]) -> None:
        """Takes labels: text, bytes, truth values, or numbers without a fraction.

        Raises:
            DatasetError: If one is missing, has a fraction, is too long, or is something else.
        """
        positions = self._positions
        for label in labels:
            self._taken.append(positions.setdefault(self._name(label), len(positions)))

    def settle(self) -> tuple[Labels, tuple[str, ...]]:
        """(N,) labels and the names of the classes, sorted: as numbers if all are, else as text.

        Raises:
            DatasetError: If the names are numbers with fractions: quantities, not classes.
        """
        names = sorted(self._positions, key=self._order())
        place = np.empty(len(names), dtype=np.int64)
        place[[self._positions[name] for name in names]] = np.arange(len(names))
        return place[np.frombuffer(self._taken, np.int64)], tuple(names)

    def _name(self, label: Any) -> str:
        if type(label) is str:
            name = label
        elif isinstance(label, bytes):
            name = label.decode("utf-8", "replace")
        elif isinstance(label, bool | int) or (isinstance(label, float) and label.is_integer()):
            name = str(int(label))
        else:
            raise DatasetError(
                f"{self._where}: label {len(self._taken) + 1} is {str(label)[:40]!r}; a label is "
                "a whole number or text."
            )
        if not name.strip() or len(name) > LONGEST_NAME:
            what = "is empty" if not name.strip() else f"has {len(name)} characters"
            raise DatasetError(
                f"{self._where}: a label {what}; name a class with 1 to {LONGEST_NAME} characters "
                "in every row, or leave the labels out."
            )
        return name

    def _order(self) -> Any:
        if all(map(WHOLE.fullmatch, self._positions)):
            return float
        if all(map(is_number, self._positions)):
            fraction = next(name for name in self._positions if not WHOLE.fullmatch(name))
            raise DatasetError(
                f"{self._where}: a label is {fraction}; labels name classes, with whole numbers "
                "or text, not quantities."
            )
        return str


def labels_of(values: npt.NDArray[Any], where: str) -> tuple[Labels, tuple[str, ...]]:
    """Labels and classes of an array of shape (N,) or (N, 1), numbers or text.

    Raises:
        DatasetError: If it has another shape, or its values name no classes.
    """
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DatasetError(f"{where} has shape {values.shape}; labels have shape (rows,).")
    labelling = Labelling(where)
    for block in blocks(values):
        labelling.add(block.tolist())
    return labelling.settle()
