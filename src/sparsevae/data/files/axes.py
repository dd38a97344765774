"""Which axis of an array is which: rows first, then columns, or channels, rows and columns."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sparsevae.errors import DatasetError

Array = npt.NDArray[Any]
Channels = Literal["first", "last"]

COLOURS = (1, 3)
"""Numbers of channels that tell an axis of channels from rows and columns: grey, colour."""


def arranged(
    values: Array, channels: Channels | None, where: str
) -> tuple[Array, tuple[str, ...]]:
    """A view of shape (N, D) or (N, C, H, W), and a note where channels were found last.

    Args:
        values: (N, D), (N, H, W), (N, C, H, W) or (N, H, W, C).
        channels: Where channels are; by default that is told from an axis of length 1 or 3.
        where: What an error calls the array.

    Raises:
        DatasetError: If it has other axes, an axis of length 0, or channels that cannot be told.

    Examples:
        >>> values, notes = arranged(np.zeros((5, 28, 28, 3)), None, "it")
        >>> values.shape, notes
        ((5, 3, 28, 28), ('The last axis, of length 3, was taken for the channels.',))
    """
    if values.ndim not in (2, 3, 4) or 0 in values.shape:
        raise DatasetError(
            f"{where} holds an array of shape {values.shape}; a table is (rows, columns), images "
            "are (images, rows, columns) or (images, channels, rows, columns)."
        )
    if values.ndim == 2:
        return values, ()
    if values.ndim == 3:
        return values[:, None], ()
    if channels is not None:
        return (values if channels == "first" else np.moveaxis(values, 3, 1)), ()
    first, last = values.shape[1] in COLOURS, values.shape[3] in COLOURS
    if first == last:
        raise DatasetError(
            f"{where} holds images of shape {values.shape[1:]}, and the lengths do not tell which "
            "axis is the channels; say whether channels come 'first' or 'last'."
        )
    if first:
        return values, ()
    note = f"The last axis, of length {values.shape[3]}, was taken for the channels."
    return np.moveaxis(values, 3, 1), (note,)
