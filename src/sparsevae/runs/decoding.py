"""Codes that somebody gives, checked, and decoded numbers in the type of the data.

Shape legend: N rows, J latent dimensions.
"""

import re
from typing import Any

import numpy as np

from sparsevae.data.readers.columns import is_frame
from sparsevae.data.readers.raw import LARGEST
from sparsevae.data.schema import listed
from sparsevae.errors import DatasetError
from sparsevae.runs.given import checked_frame, named_array, nameless
from sparsevae.storage.arrays import Array, Floats, place_of

NUMBERED = re.compile(r"z\d+")  # a column of codes, of this model or of another


def code_names(latents: int) -> tuple[str, ...]:
    """What the columns of a table of codes are called: z0, z1, …"""
    return tuple(f"z{j}" for j in range(latents))


def codes_of(codes: Any, latents: int, where: str) -> Floats:
    """Codes as a model takes them, float32 in memory of their own, shape ``(N, J)``.

    Columns that are called z0, z1, … are taken by name, whatever else stands beside them;
    without names they are taken by place.

    Args:
        codes: an array, a tensor, a data frame or a sparse matrix.
        latents: J.
        where: what an error calls them.

    Raises:
        DatasetError: codes of another length, other names, or a number that is not finite.
    """
    wanted = code_names(latents)
    if is_frame(codes):
        frame = checked_frame(codes)
        numbered = [name for name in frame.columns if NUMBERED.fullmatch(name)]
        codes = frame[numbered] if set(wanted) <= set(numbered) else codes
    dense, names = named_array(codes.toarray() if hasattr(codes, "toarray") else codes)
    if set(wanted) == set(names):
        dense = dense[:, [names.index(name) for name in wanted]]
    if dense.ndim != 2 or dense.shape[1] != latents:
        raise DatasetError(
            f"{where}: an array of shape {dense.shape}, but codes of this model are rows of "
            f"{latents} numbers."
        )
    without = ((), nameless(latents), tuple(map(str, range(latents))))
    if set(wanted) != set(names) and names not in without:
        raise DatasetError(
            f"{where}: codes of this model have the columns {listed(wanted)}, and these are "
            f"called {listed(names)}; rename them, or give an array."
        )
    bad = ~(np.abs(dense) <= LARGEST)
    if bad.any():
        raise DatasetError(
            f"{where}: {place_of(bad, 0, wanted)} is {dense[bad][0]}; codes are finite numbers, "
            "so leave such rows out."
        )
    return np.require(dense, np.float32, ["C", "W"])  # torch shares its memory


def in_type(values: Array, dtype: np.dtype[Any]) -> Array:
    """Numbers in a type, cut off at its ends; whole numbers are rounded.

    Example:
        >>> in_type(np.array([300.4, -3.0, 2.6]), np.dtype(np.uint8))
        array([255,   0,   3], dtype=uint8)
    """
    wide = values.astype(np.float64)
    if dtype.kind == "f":
        real = np.finfo(dtype)
        return wide.clip(float(real.min), float(real.max)).astype(dtype)
    whole = np.iinfo(dtype)
    high = float(whole.max)
    if int(high) > whole.max:  # rounded up
        high = float(np.nextafter(high, 0))
    return np.rint(wide).clip(float(whole.min), high).astype(dtype)
