"""Values that change during training, as frozen functions of progress in [0, 1].

Progress may be a number or a 0-d tensor; with a tensor the value stays on its device, so a
schedule never makes an accelerator wait. Each schedule survives JSON.
"""

import math
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

import torch
from torch import Tensor

from sparsevae.errors import ConfigurationError

Progress = float | Tensor


def _clamp(value: Progress) -> Progress:
    return value.clamp(0.0, 1.0) if isinstance(value, Tensor) else min(max(value, 0.0), 1.0)


def _cosine(angle: Progress) -> Progress:
    return torch.cos(angle) if isinstance(angle, Tensor) else math.cos(angle)


@dataclass(frozen=True)
class Constant:
    """The same value throughout.

    Example:
        >>> Constant(0.5)(0.9)
        0.5
    """

    value: float

    def __call__(self, progress: Progress) -> Progress:
        """The value, whatever the progress."""
        return self.value


@dataclass(frozen=True)
class Ramp:
    """``first`` until progress ``start``, then linear to ``last`` at progress ``end``.

    Example:
        >>> warm_up = Ramp(start=0.2, end=0.6)
        >>> [round(warm_up(p), 2) for p in (0.0, 0.2, 0.4, 0.6, 1.0)]
        [0.0, 0.0, 0.5, 1.0, 1.0]
    """

    start: float
    end: float
    first: float = 0.0
    last: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.start < self.end <= 1.0:
            raise ConfigurationError(
                f"A ramp needs 0 <= start < end <= 1, but start is {self.start} and end is "
                f"{self.end}."
            )

    def __call__(self, progress: Progress) -> Progress:
        """The value at ``progress``."""
        share = _clamp((progress - self.start) / (self.end - self.start))
        return self.first + (self.last - self.first) * share


@dataclass(frozen=True)
class OneCycle:
    """Cosine up from ``peak``/25 to ``peak`` at progress ``turn``, then cosine to nearly 0.

    Source: Smith and Topin, "Super-Convergence" (2018), with cosine segments.

    Example:
        >>> rate = OneCycle(peak=2e-3)
        >>> [round(rate(p) * 1e4, 2) for p in (0.0, 0.3, 1.0)]
        [0.8, 20.0, 0.0]
    """

    peak: float
    turn: float = 0.3

    def __post_init__(self) -> None:
        if not 0.0 < self.turn < 1.0:
            raise ConfigurationError(
                f"One cycle needs 0 < turn < 1, for it must rise and fall; turn is {self.turn}."
            )

    def __call__(self, progress: Progress) -> Progress:
        """The value at ``progress``."""
        rise = _clamp(progress / self.turn)
        fall = _clamp((progress - self.turn) / (1 - self.turn))
        low = self.peak / 25
        up = low + (self.peak - low) * (1 - _cosine(math.pi * rise)) / 2
        down = (1 + _cosine(math.pi * fall)) / 2
        return up * down + 1e-4 * low * (1 - down)


def scaled_share(share: Tensor, factor: Progress) -> Tensor:
    """A share times a factor, at most ½ where the factor is what takes it there, elementwise.

    Args:
        share: in (0, 1), any shape.
        factor: a number, or a 0-d tensor.

    Example:
        >>> scaled_share(torch.tensor([0.125, 0.25, 0.75]), 3.0)
        tensor([0.3750, 0.5000, 0.7500])
    """
    return torch.minimum(share * factor, share.clamp(min=0.5))


Schedule = Constant | Ramp | OneCycle
Scheduled = Mapping[str, Any] | float | Schedule  # as configurations write it
KINDS: dict[str, type[Schedule]] = {"constant": Constant, "ramp": Ramp, "one-cycle": OneCycle}


def between(
    name: str, value: "Mapping[str, Any] | float | Schedule", low: float, high: float = math.inf
) -> Schedule:
    """A schedule from JSON whose values stay in [low, high].

    Args:
        name: of the setting, for the error.
        value: a number, a schedule, or the JSON of one.
        low: the smallest value that is allowed.
        high: the largest.

    Example:
        >>> between("kl_weight", 1.0, 0.0)
        Constant(value=1.0)

    Raises:
        ConfigurationError: as :func:`from_json`, or where a value lies outside.
    """
    schedule = from_json(value)
    values = [float(schedule(step / 100)) for step in range(101)]
    if not low <= min(values) <= max(values) <= high:
        reach = f"at least {low:g}" if high == math.inf else f"between {low:g} and {high:g}"
        raise ConfigurationError(
            f"{name} must be {reach} throughout training; it goes from {min(values):g} to "
            f"{max(values):g}."
        )
    return schedule


def to_json(schedule: Schedule) -> dict[str, Any]:
    """A schedule as plain JSON: its kind and its fields."""
    kind = next(name for name, cls in KINDS.items() if type(schedule) is cls)
    return {"kind": kind, **asdict(schedule)}


def from_json(value: "Mapping[str, Any] | float | Schedule") -> Schedule:
    """A schedule from JSON; a bare number is a constant.

    Example:
        >>> from_json({"kind": "ramp", "start": 0.1, "end": 0.5})
        Ramp(start=0.1, end=0.5, first=0.0, last=1.0)
        >>> from_json(2)
        Constant(value=2.0)

    Raises:
        ConfigurationError: an unknown kind, fields that the kind does not have or that are
            left out, or a value that is not a finite number.
    """
    if isinstance(value, Schedule):
        return value
    if not isinstance(value, Mapping):
        return Constant(_number(value))
    kind = KINDS.get(str(value.get("kind")))
    if kind is None:
        raise ConfigurationError(
            f"A schedule's kind is one of {', '.join(KINDS)}, not {value.get('kind')!r}."
        )
    given = {name: _number(entry) for name, entry in value.items() if name != "kind"}
    known = {field.name for field in fields(kind)}
    needed = {field.name for field in fields(kind) if field.default is MISSING}
    if not needed <= set(given) <= known:
        raise ConfigurationError(
            f"The schedule {value['kind']!r} takes {', '.join(sorted(known))} and needs "
            f"{', '.join(sorted(needed))}; got {', '.join(sorted(given)) or 'none'}."
        )
    return kind(**given)


def _number(value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ConfigurationError(
            f"A schedule is a finite number, or a kind with finite numbers; got {value!r}."
        )
    return number
