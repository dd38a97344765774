"""Rows that somebody holds in memory: arrays, pandas data frames and tensors, as arrays.

Shape legend: N rows of shape (D,), (H, W), (C, H, W) or (H, W, C).
"""

from typing import Any

import numpy as np
from torch import Tensor

from sparsevae.data import Raw
from sparsevae.data.readers.labels import labels_of
from sparsevae.data.readers.raw import Channels, Parsed, checked
from sparsevae.errors import DatasetError
from sparsevae.storage.arrays import Array

SOURCE = "given rows"


def nameless(count: int) -> tuple[str, ...]:
    """What columns without names are called: x0, x1, …"""
    return tuple(f"x{place}" for place in range(count))


def named_array(rows: Any) -> tuple[Array, tuple[str, ...]]:
    """Rows as an array of numbers that is not copied where that can be, and names of columns.

    Args:
        rows: an array, a data frame, a tensor or what a reader of files gives.

    Returns:
        Shape ``(N, ...)``, and the names where the columns have some.

    Raises:
        DatasetError: these are no rows of numbers.
    """
    if isinstance(rows, Raw):
        named = rows.columns != nameless(len(rows.columns))
        return rows.values, rows.columns if named else ()
    if isinstance(rows, Tensor):
        rows = rows.detach().cpu().numpy()
    given = getattr(rows, "columns", ())
    columns = tuple(given) if all(isinstance(name, str) for name in given) else ()
    values = rows if hasattr(rows, "dtype") and hasattr(rows, "shape") else np.asarray(rows)
    if values.dtype.kind not in "biuf" or len(values.shape) < 2:
        raise DatasetError(
            f"Rows are an array of numbers of shape (rows, columns) or of images; got "
            f"{values.dtype} of shape {values.shape}."
        )
    return values, columns


def raw_rows(
    rows: Any,
    labels: Any = None,
    *,
    columns: tuple[str, ...] = (),
    channels: Channels | None = None,
    fewest: int = 2,
) -> Raw:
    """Rows to fit to, looked through and with a checksum, as if they had been read from a file.

    Args:
        rows: an array, a data frame or a tensor.
        labels: one label a row, whole numbers or text; None without.
        columns: names, in place of those of a data frame.
        channels: where images have their channels, where that is not plain.
        fewest: rows that are needed.

    Raises:
        DatasetError: too few rows, no numbers, a number that is not finite, or labels of another
            length.
    """
    if isinstance(rows, Raw):
        return rows
    values, names = named_array(rows)
    if len(values) == 0:
        raise DatasetError("There are no images or rows to learn from; give at least two.")
    classes: tuple[str, ...]
    marks, classes = (None, ()) if labels is None else labels_of(np.asarray(labels), "labels")
    return checked(Parsed(values, marks, classes, columns or names), SOURCE, channels, fewest)
