"""What a few values say about the next one: confidence intervals over seeds."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

LEVEL = 0.95


class Interval(NamedTuple):
    """A mean and the limits of its confidence interval; a single value has no limits.

    Attributes:
        mean: in the unit of the values.
        low: its lower limit; None for a single value.
        high: its upper limit; None for a single value.
        seeds: how many values it is made from.
    """

    mean: float
    low: float | None
    high: float | None
    seeds: int

    @property
    def half_width(self) -> float:
        """Half the distance of the limits; 0 where there are none."""
        return 0.0 if self.low is None or self.high is None else (self.high - self.low) / 2


def mean_interval(values: Sequence[float]) -> Interval:
    """Student's t interval of a mean, 95 %.

    Args:
        values: one number a seed, at least one.

    Example:
        >>> interval = mean_interval([1.0, 2.0, 3.0])
        >>> interval.mean, round(interval.half_width, 2), mean_interval([5.0]).low
        (2.0, 2.48, None)
    """
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return Interval(mean, None, None, count)
    error = float(np.std(values, ddof=1)) / count**0.5
    reach = float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) * error
    return Interval(mean, mean - reach, mean + reach, count)


def share_interval(hits: int, count: int) -> Interval:
    """The exact interval of a share, 95 %.

    Source: Clopper and Pearson 1934, Biometrika 26.

    Args:
        hits: how many of them.
        count: at least 1.

    Example:
        >>> interval = share_interval(5, 5)
        >>> interval.mean, round(interval.low, 3), interval.high
        (1.0, 0.478, 1.0)
    """
    tail = (1 - LEVEL) / 2
    low = float(stats.beta.ppf(tail, hits, count - hits + 1)) if hits else 0.0
    high = float(stats.beta.ppf(1 - tail, hits + 1, count - hits)) if hits < count else 1.0
    return Interval(hits / count, low, high, count)
