"""What is done about a run that has learned nothing after a third of its passes.

It begins anew from its seed, with half the rate and a divergence that counts later. Everything
follows from the configuration and the history, whose rows name their attempt, so that a run that
was stopped ends bit for bit where an uninterrupted one ends.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sparsevae.models import row as model_row
from sparsevae.models.schedules import Constant, OneCycle, Ramp, Schedule, from_json, to_json
from sparsevae.training.config import RunConfig

AFTER = 1 / 3  # of the passes
SLOWER = 0.5  # what the rate is multiplied by
RAMPS = (0.6, 0.9)  # progress until which the divergence rises, by attempt
WEIGHTS = ("kl_weight", "beta")  # names of the divergence's weight
ATTEMPT = "attempt"  # column of the history; absent in the first attempt

History = Sequence[Mapping[str, Any]]


def attempt(history: History) -> int:
    """How often a run has begun anew."""
    return int(history[-1].get(ATTEMPT, 0)) if history else 0


def due(config: RunConfig, history: History) -> bool:
    """Whether it is time to see if the run has learned something, and it may begin anew."""
    return len(history) == math.ceil(AFTER * config.epochs) and attempt(history) < config.restarts


def changed(config: RunConfig, number: int) -> RunConfig:
    """The configuration that an attempt trains with; that of the first is the run's own."""
    if not number:
        return config
    rate = to_json(_slower(from_json(config.learning_rate), SLOWER**number))
    arguments, name = dict(config.arguments), _weight(config)
    if name:
        weight: Any = {**model_row(config.model).arguments, **arguments}.get(name, 1.0)
        last = float(from_json(weight)(1.0))
        end = RAMPS[min(number, len(RAMPS)) - 1]
        arguments[name] = to_json(Ramp(0.0, end, 0.0, last))
    content = {**config.model_dump(), "learning_rate": rate, "arguments": arguments}
    return RunConfig.checked(content)


def sentence(config: RunConfig, number: int) -> str:
    """What an attempt does otherwise than the first."""
    other = f"{SLOWER**number:g} times the learning rate"
    if _weight(config):
        end = RAMPS[min(number, len(RAMPS)) - 1]
        other += f" and a divergence whose weight rises from 0 until {end:.0%} of training"
    return f"begun anew with {other} (attempt {number + 1} of {config.restarts + 1})"


def _weight(config: RunConfig) -> str:
    """The model's name for the weight of the divergence; empty where it takes none."""
    accepted = model_row(config.model).accepts()
    return next((name for name in WEIGHTS if name in accepted), "")


def _slower(rate: Schedule, factor: float) -> Schedule:
    match rate:
        case Constant():
            return Constant(rate.value * factor)
        case OneCycle():
            return replace(rate, peak=rate.peak * factor)
        case Ramp():
            return replace(rate, first=rate.first * factor, last=rate.last * factor)
