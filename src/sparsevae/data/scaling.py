"""What is done to raw data before a model sees them, and undone on the way out.

Nothing here needs the data in memory at once: memory-mapped arrays are read block by block.

Shape legend: N rows of shape (D,) or (C, H, W); K columns (D) or channels (C).
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

import numpy as np

from sparsevae.errors import ConfigurationError
from sparsevae.storage.arrays import Array, Floats, Rows, blocks
from sparsevae.storage.sparse import is_sparse, stored

Kind = Literal["none", "grey", "minmax", "standard"]
Domain = Literal["unit", "real", "counts"]

KINDS: tuple[Kind, ...] = get_args(Kind)
GREY_LEVELS = 255


@dataclass(frozen=True)
class Values:
    """What values occur in an array.

    Attributes:
        low: the smallest.
        high: the largest.
        whole: whether all are whole numbers.
        two: whether there are exactly two.
        grey: whether they are the grey levels of 8-bit pictures: whole numbers that reach 255,
            or images of bytes.
    """

    low: float
    high: float
    whole: bool
    two: bool
    grey: bool


def values_of(x: Rows) -> Values:
    """Look through all values of an array, shape ``(N, ...)``, finite numbers or NaN at gaps."""
    if is_sparse(x):
        x = stored(x)
    low, high, whole = math.inf, -math.inf, True
    for block in blocks(x):
        low = min(low, float(np.fmin.reduce(block, None)))
        high = max(high, float(np.fmax.reduce(block, None)))
        whole = whole and (x.dtype.kind != "f" or bool((block == np.floor(block)).all()))
    two = low < high and all(bool(((b == low) | (b == high)).all()) for b in blocks(x))
    picture = x.dtype == np.uint8 and x.ndim > 2
    grey = whole and low >= 0 and high > 1 and (high == GREY_LEVELS or picture)
    return Values(low, high, whole, two, grey)


@dataclass(frozen=True)
class Scaling:
    """x ↦ (x − shift) / scale, a pair of numbers a column of vectors or channel of images.

    Attributes:
        kind: "none"; "grey" (levels 0 to 255 to [0, 1]); "minmax" (each column's range in the
            training rows to [0, 1], other rows cut off there); "standard" (mean 0, standard
            deviation 1 a column). A column that is constant in the training rows has scale 1,
            as in scikit-learn's ``StandardScaler``: in a fold of a cross-validation that
            happens to good columns too.
        shift: K numbers, or one for all columns.
        scale: as many, all positive.

    Example:
        >>> scaling = fit_scaling("standard", np.array([[0.0, 5.0], [2.0, 5.0]]))
        >>> scaling.apply(np.array([[3.0, 6.0]]))
        array([[2., 1.]], dtype=float32)
        >>> scaling.to_json()
        {'kind': 'standard', 'shift': [1.0, 5.0], 'scale': [1.0, 1.0]}
    """

    kind: Kind
    shift: tuple[float, ...] = (0.0,)
    scale: tuple[float, ...] = (1.0,)

    def __post_init__(self) -> None:
        numbers = np.array([*self.shift, *self.scale])
        if len(self.shift) != len(self.scale) or not np.isfinite(numbers).all():
            raise ConfigurationError("A scaling has as many finite shifts as scales.")
        if not self.scale or min(self.scale) <= 0:
            raise ConfigurationError("The scales of a scaling are positive.")

    def apply(self, x: Rows, clip: bool = True) -> Floats:
        """Raw rows of shape ``(N, *shape)`` as float32 in memory that torch may share.

        Args:
            x: the rows.
            clip: cut "minmax" to the training range. A density of rows that lie outside needs
                them where they are: of what is cut off it is none.
        """
        if self.kind == "none":
            return np.require(x[:], np.float32, ["C_CONTIGUOUS", "WRITEABLE"])
        if x.dtype == np.uint8 and self == GREY:
            return np.asarray(x[:], np.float32) / np.float32(GREY_LEVELS)
        shift, scale = self.columns(x.ndim)
        scaled, start = np.empty(x.shape, np.float32), 0
        for block in blocks(x):
            part = (block - shift) / scale
            cut = clip and self.kind == "minmax"
            scaled[start : start + len(block)] = part.clip(0, 1) if cut else part
            start += len(block)
        return scaled

    def undo(self, x: Floats, dtype: type[np.floating] = np.float32) -> Floats:
        """What a model gives, shape ``(N, *shape)``, in the units of the raw data."""
        shift, scale = self.columns(x.ndim)
        return np.asarray(x * scale + shift, dtype=dtype)

    def log_volume(self, shape: tuple[int, ...]) -> float:
        """Σ log scale over the elements of a row: nats that a density a row loses by undoing.

        Args:
            shape: (D,) or (C, H, W) of a row.
        """
        elements = np.broadcast_to(self.columns(1 + len(shape))[1], (1, *shape))
        return float(np.log(elements).sum())

    def log_volumes(self, x: Floats) -> Floats:
        """:meth:`log_volume` of every row, of the elements that are not NaN, shape ``(N,)``."""
        logs = np.log(np.broadcast_to(self.columns(x.ndim)[1], (1, *x.shape[1:])))
        return np.asarray((logs * ~np.isnan(x)).reshape(len(x), -1).sum(1))

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON."""
        return {name: list(v) if name != "kind" else v for name, v in asdict(self).items()}

    def columns(self, dimensions: int) -> tuple[Array, Array]:
        """Shift and scale, shaped to act on axis 1 of an array of that many dimensions."""
        shape = (1, -1) + (1,) * (dimensions - 2)
        return np.array(self.shift).reshape(shape), np.array(self.scale).reshape(shape)


GREY = Scaling("grey", scale=(float(GREY_LEVELS),))


def from_json(value: Mapping[str, Any]) -> Scaling:
    """The scaling that :meth:`Scaling.to_json` wrote."""
    return Scaling(value["kind"], tuple(value["shift"]), tuple(value["scale"]))


def choose(domain: Domain, values: Values) -> Kind:
    """The scaling that brings data to where a likelihood is defined.

    Args:
        domain: of the likelihood: "unit" for [0, 1], "real", or "counts", which stay untouched.
        values: of the training rows.
    """
    if domain == "counts":
        return "none"
    if domain == "real":
        return "standard"
    if values.low >= 0 and values.high <= 1:
        return "none"
    return "grey" if values.grey else "minmax"


def fit_scaling(kind: Kind, x: Rows) -> Scaling:
    """A scaling with the statistics of training rows.

    Args:
        kind: one of :data:`KINDS`.
        x: training rows, shape ``(N, D)`` or ``(N, C, H, W)``, finite numbers.

    Raises:
        ConfigurationError: an unknown kind.
    """
    match kind:
        case "none":
            return Scaling("none")
        case "grey":
            return GREY
        case "minmax":
            low, high = _ranges(x)
            return Scaling("minmax", _plain(low), _or_one(high - low))
        case "standard":
            mean, deviation = _moments(x)
            # of a sum of equal numbers
            rounding = x.size * np.finfo(np.float64).eps * np.abs(mean)
            return Scaling("standard", _plain(mean), _or_one(deviation, rounding))
    raise ConfigurationError(f"A scaling is one of {', '.join(KINDS)}, not {kind!r}.")


def _ranges(x: Rows) -> tuple[Array, Array]:
    """Smallest and largest value of each column."""
    axes = _all_but_columns(x)
    low = np.min([block.min(axes) for block in blocks(x)], axis=0).astype(np.float64)
    high = np.max([block.max(axes) for block in blocks(x)], axis=0).astype(np.float64)
    return low, high


def _moments(x: Rows) -> tuple[Array, Array]:
    """Mean and standard deviation of each column, the second from differences to the first."""
    axes = _all_but_columns(x)
    count = x.size / x.shape[1]
    mean = np.sum([block.sum(axes, dtype=np.float64) for block in blocks(x)], axis=0) / count
    around = mean.reshape((-1,) + (1,) * (x.ndim - 2))
    squares = np.sum([((block - around) ** 2).sum(axes) for block in blocks(x)], axis=0)
    return mean, np.sqrt(squares / count)


def _all_but_columns(x: Rows) -> tuple[int, ...]:
    return (0, *range(2, x.ndim))


def _plain(numbers: Array) -> tuple[float, ...]:
    return tuple(float(number) for number in numbers)


def _or_one(spread: Array, rounding: Array | float = 0.0) -> tuple[float, ...]:
    """The spread of each column, or 1 where it is no more than rounding."""
    return _plain(np.where(spread > rounding, spread, 1.0))
