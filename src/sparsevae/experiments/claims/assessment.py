"""The rule: numbers over seeds in, "holds", "does not hold" or "not decided" out.

DIR/verdicts.json    what the runs of a study say of each claim, with the numbers behind it
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sparsevae.experiments.claims.parts import CHANCE_TIMES, CLAIMS, PARTS, Part, Side
from sparsevae.experiments.claims.seeds import (
    PLANE,
    Settings,
    UnmeasuredError,
    by_setting,
    largest_size,
    seeds_at,
)
from sparsevae.metrics import keys
from sparsevae.metrics.intervals import LEVEL, Interval, mean_interval, share_interval
from sparsevae.models import MODELS
from sparsevae.report.study import baselines_of
from sparsevae.runs.folder import finished_runs
from sparsevae.storage.arrays import Row
from sparsevae.storage.files import write_json

Word = Literal["holds", "does not hold", "not decided"]
DECIDING_SEEDS = 5
GATED = ("vsc", "vsc-wu")  # models that claim 7 is about
SOUND = "share of sound seeds, best setting"
DEAD_SHARE, OPEN_SHARE = 0.05, 0.5  # of J
NEEDED = (
    *(keys.COLLAPSED_DECODER, "always_on", "dead", "sum_gamma"),
    *("selectivity", keys.SELECTIVITY_PERMUTED),
)


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

    def content(self) -> Row:
        """As ``verdicts.json`` has it."""
        return {
            "part": self.name,
            "number": self.number,
            "claimed": f"{self.side} {self.threshold:g}",
            "verdict": self.verdict,
            "latents": self.size,
            "value": self.interval._asdict() if self.interval else None,
            "models": {model: interval._asdict() for model, interval in self.models.items()},
            "note": self.note,
        }


@dataclass(frozen=True)
class ClaimVerdict:
    """What the runs say of a claim: of its parts, and of all of them together."""

    name: str
    statement: str
    verdict: Word
    parts: tuple[PartVerdict, ...]

    def content(self) -> Row:
        """As ``verdicts.json`` has it."""
        return {
            "claim": self.name,
            "statement": self.statement,
            "verdict": self.verdict,
            "parts": [part.content() for part in self.parts],
        }


def write_verdicts(folder: Path) -> Path:
    """Assess all claims on a study and write its ``verdicts.json``.

    Args:
        folder: of the study.

    Returns:
        The path of the file.

    Raises:
        RunFolderError: there is no finished run.
        OutputError: the folder cannot be written to.
    """
    rows = [run.metrics for run in finished_runs(folder)]
    verdicts = assess(rows, baselines_of(folder))
    rule = {"interval": LEVEL, "seeds_needed": DECIDING_SEEDS}
    path = folder / "verdicts.json"
    write_json(path, {"rule": rule, "claims": [verdict.content() for verdict in verdicts]})
    return path


def assess(rows: Iterable[Row], baselines: Mapping[str, Any]) -> list[ClaimVerdict]:
    """Verdicts of all claims from the runs of one study.

    Args:
        rows: metrics of runs of one data set.
        baselines: what is reached without a model; parts that need it are not decided where
            it is empty.
    """
    settings = by_setting(rows)
    parts = [assess_part(part, settings, baselines) for part in PARTS]
    parts.append(assess_soundness(settings))
    verdicts = []
    for name, statement in CLAIMS.items():
        own = tuple(part for part in parts if part.name.split(".")[0] == name)
        verdicts.append(ClaimVerdict(name, statement, together(part.verdict for part in own), own))
    return verdicts


def together(verdicts: Iterable[Word]) -> Word:
    """The verdict of a claim from those of its parts.

    Example:
        >>> together(["holds", "not decided"]), together(["not decided", "does not hold"])
        ('not decided', 'does not hold')
    """
    words = set(verdicts)
    if "does not hold" in words:
        return "does not hold"
    return "holds" if words == {"holds"} else "not decided"


def decide(interval: Interval, side: Side, threshold: float) -> Word:
    """The rule for one number: the whole interval on one side, from 5 seeds on."""
    if interval.seeds < DECIDING_SEEDS or interval.low is None or interval.high is None:
        return "not decided"
    below, above = interval.high < threshold, interval.low > threshold
    holds, fails = (below, above) if side == "<" else (above, below)
    return "holds" if holds else "does not hold" if fails else "not decided"


def assess_part(part: Part, settings: Settings, baselines: Mapping[str, Any]) -> PartVerdict:
    """The verdict of one part, from the seeds that all of its models were run with."""
    stated = (part.name, part.words, part.side, part.threshold)
    size = PLANE if part.at == "plane" else largest_size(settings, part.models)
    if size is None:
        return PartVerdict(*stated, "not decided", note="no size of 16 or more has all models")
    titles = " and ".join(MODELS[model].title for model in part.models)
    same = "the same seed of " if len(part.models) > 1 else ""
    values, missing = list[float](), f"J = {size} was not run with {same}{titles}"
    for seed in seeds_at(settings, part.models, size, baselines):
        try:
            values.append(part.number(seed))
        except UnmeasuredError as lack:
            missing = str(lack)
    models = _beside(part.metric, settings, size)
    if not values:
        return PartVerdict(*stated, "not decided", size, None, models, missing)
    interval = mean_interval(values)
    verdict = decide(interval, part.side, part.threshold)
    few = f"{DECIDING_SEEDS} seeds are needed" if interval.seeds < DECIDING_SEEDS else ""
    return PartVerdict(*stated, verdict, size, interval, models, few)


def _beside(metric: str, settings: Settings, size: int) -> dict[str, Interval]:
    """A metric of every model that has it at a size."""
    values = {
        model: [float(row[metric]) for row in rows.values() if row.get(metric) is not None]
        for (model, at), rows in settings.items()
        if at == size
    }
    return {model: mean_interval(numbers) for model, numbers in values.items() if numbers}


def sound(row: Row) -> bool:
    """Whether a run has neither collapsed nor gates that say nothing.

    Args:
        row: metrics of a model with gates, none of those needed missing.
    """
    size = row["latents"]
    return bool(
        not row[keys.COLLAPSED_DECODER]
        and row["always_on"] == 0
        and row["dead"] <= DEAD_SHARE * size
        and row["sum_gamma"] < OPEN_SHARE * size
        and row["selectivity"] >= CHANCE_TIMES * row[keys.SELECTIVITY_PERMUTED]
    )


def assess_soundness(settings: Settings) -> PartVerdict:
    """Claim 7: is there a setting whose gates neither stay open nor sink, in every seed?

    The setting with the largest share of sound seeds counts, one with enough seeds before all
    others.
    """
    shares = {
        setting: share_interval(sum(map(sound, complete)), len(complete))
        for setting, rows in settings.items()
        if setting[0] in GATED and (complete := [row for row in rows.values() if _all_given(row)])
    }
    if not shares:
        note = "no run of VSC has all that is asked for"
        return PartVerdict("7", SOUND, "=", 1.0, "not decided", note=note)
    (model, size), share = max(
        shares.items(),
        key=lambda item: (item[1].seeds >= DECIDING_SEEDS, item[1].mean, item[1].seeds),
    )
    verdict: Word = "holds" if share.mean == 1 else "does not hold"
    if share.seeds < DECIDING_SEEDS:
        verdict = "not decided"
    hits = f"{round(share.mean * share.seeds)} of {share.seeds} seeds are sound"
    note = f"{MODELS[model].title}, J = {size}: {hits}"
    return PartVerdict("7", SOUND, "=", 1.0, verdict, size, share, note=note)


def _all_given(row: Row) -> bool:
    return all(row.get(name) is not None for name in NEEDED)
