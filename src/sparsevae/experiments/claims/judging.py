"""The rule: numbers over seeds in, "holds", "does not hold" or "not decided" out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sparsevae.experiments.claims.parts import CLAIMS, PARTS, Part, Side
from sparsevae.experiments.claims.seeds import (
    PLANE,
    Row,
    Seed,
    Settings,
    UnmeasuredError,
    by_setting,
    largest_size,
    seeds_at,
)
from sparsevae.experiments.claims.soundness import SOUND, Soundness, best_setting
from sparsevae.metrics.intervals import Interval, mean_interval
from sparsevae.models import MODELS

Word = Literal["holds", "does not hold", "not decided"]
DECIDING_SEEDS = 5


@dataclass(frozen=True)
class PartVerdict:
    """What the runs say of one part.

    Attributes:
        name: of the part.
        number: what was looked at, in words.
        side: of the threshold that is claimed, ``"<"``, ``">"`` or ``"="``.
        threshold: where the sides meet.
        verdict: in words.
        size: J; None where no size of the study is fit.
        interval: mean over seeds and its 95 % limits; None without a single number.
        models: the metric of every model at this size.
        note: why nothing is decided, or what decided.
    """

    name: str
    number: str
    side: str
    threshold: float
    verdict: Word
    size: int | None = None
    interval: Interval | None = None
    models: Mapping[str, Interval] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class ClaimVerdict:
    """What the runs say of a claim: of its parts, and of all of them together."""

    name: str
    statement: str
    verdict: Word
    parts: tuple[PartVerdict, ...]


def judge(rows: Iterable[Row], references: Mapping[str, Any]) -> list[ClaimVerdict]:
    """Verdicts of all claims from the runs of one study.

    Args:
        rows: metrics of runs of one data set.
        references: what is reached without a model; parts that need it are not decided where
            it is empty.
    """
    settings = by_setting(rows)
    parts = [_judge_part(part, settings, references) for part in PARTS]
    parts.append(_judge_soundness(best_setting(settings, DECIDING_SEEDS)))
    found = []
    for name, statement in CLAIMS.items():
        own = tuple(part for part in parts if part.name.split(".")[0] == name)
        found.append(ClaimVerdict(name, statement, together(part.verdict for part in own), own))
    return found


def together(verdicts: Iterable[Word]) -> Word:
    """The verdict of a claim from those of its parts.

    Example:
        >>> together(["holds", "not decided"]), together(["not decided", "does not hold"])
        ('not decided', 'does not hold')
    """
    found = set(verdicts)
    if "does not hold" in found:
        return "does not hold"
    return "holds" if found == {"holds"} else "not decided"


def decide(interval: Interval, side: Side, threshold: float) -> Word:
    """The rule for one number: the whole interval on one side, from 5 seeds on."""
    if interval.seeds < DECIDING_SEEDS or interval.low is None or interval.high is None:
        return "not decided"
    below, above = interval.high < threshold, interval.low > threshold
    holds, fails = (below, above) if side == "<" else (above, below)
    return "holds" if holds else "does not hold" if fails else "not decided"


def _judge_part(part: Part, settings: Settings, references: Mapping[str, Any]) -> PartVerdict:
    stated = (part.name, part.words, part.side, part.threshold)
    size = PLANE if part.at == "plane" else largest_size(settings, part.models)
    if size is None:
        return PartVerdict(*stated, "not decided", note="no size of 16 or more has all models")
    models = _beside(part.metric, settings, size)
    seeds = seeds_at(settings, part.models, size, references)
    values, missing = _numbers(part, seeds)
    if not values:
        note = missing or _absent(part.models, size)
        return PartVerdict(*stated, "not decided", size, None, models, note)
    interval = mean_interval(values)
    verdict = decide(interval, part.side, part.threshold)
    few = f"{DECIDING_SEEDS} seeds are needed" if interval.seeds < DECIDING_SEEDS else ""
    return PartVerdict(*stated, verdict, size, interval, models, few)


def _absent(models: Sequence[str], size: int) -> str:
    titles = " and ".join(MODELS[model].title for model in models)
    same = "the same seed of " if len(models) > 1 else ""
    return f"J = {size} was not run with {same}{titles}"


def _numbers(part: Part, seeds: Iterable[Seed]) -> tuple[list[float], str]:
    """The number of every seed that has it, and what the others lack."""
    values, missing = [], ""
    for seed in seeds:
        try:
            values.append(part.number(seed))
        except UnmeasuredError as lack:
            missing = str(lack)
    return values, missing


def _beside(metric: str, settings: Settings, size: int) -> dict[str, Interval]:
    """A metric of every model that has it at a size."""
    found: dict[str, Sequence[float]] = {
        model: [float(row[metric]) for row in rows.values() if row.get(metric) is not None]
        for (model, at), rows in settings.items()
        if at == size
    }
    return {model: mean_interval(values) for model, values in found.items() if values}


def _judge_soundness(best: Soundness | None) -> PartVerdict:
    stated = ("7", SOUND, "=", 1.0)
    if best is None:
        return PartVerdict(*stated, "not decided", note="no run of VSC has all that is asked for")
    verdict: Word = "holds" if best.share.mean == 1 else "does not hold"
    if best.share.seeds < DECIDING_SEEDS:
        verdict = "not decided"
    return PartVerdict(*stated, verdict, best.size, best.share, note=best.words)
