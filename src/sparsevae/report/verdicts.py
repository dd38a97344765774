"""Verdicts in, the words and tables of the page out."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sparsevae.experiments.claims import DECIDING_SEEDS, ClaimVerdict, PartVerdict
from sparsevae.metrics.intervals import Interval
from sparsevae.report.figures.grouping import in_order, model_title
from sparsevae.report.groups import KNOWN
from sparsevae.report.tables import BLANK

_LONGEST_FIRST = sorted(KNOWN, key=len, reverse=True)
NAMES = re.compile(rf"\b({'|'.join(map(re.escape, _LONGEST_FIRST))})\b")


@dataclass(frozen=True)
class Judged:
    """A claim as the page shows it.

    Attributes:
        name: of the claim.
        statement: what is claimed.
        verdict: in words.
        reason: what decided, or what is missing, one sentence.
        parts: cells of a line for every part.
    """

    name: str
    statement: str
    verdict: str
    reason: str
    parts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Verdicts:
    """All claims of a study.

    Attributes:
        summary: how many hold, one sentence.
        headings: of the columns of the parts.
        claims: in their order.
    """

    summary: str
    headings: tuple[str, ...]
    claims: tuple[Judged, ...]


def shown(verdicts: Sequence[ClaimVerdict]) -> Verdicts:
    """The verdicts of a study, as the page shows them."""
    models = in_order(model for claim in verdicts for part in claim.parts for model in part.models)
    titles = (model_title(model) for model in models)
    headings = ("part", "number", "J", "value", "claimed", "verdict", "seeds", *titles)
    claims = tuple(
        Judged(
            claim.name,
            claim.statement,
            claim.verdict,
            reason(claim),
            tuple(_cells(part, models) for part in claim.parts),
        )
        for claim in verdicts
    )
    return Verdicts(_summary(verdicts), headings, claims)


def _summary(verdicts: Sequence[ClaimVerdict]) -> str:
    counts = Counter(claim.verdict for claim in verdicts)
    most = max((_seeds(part) for claim in verdicts for part in claim.parts), default=0)
    few = f" {DECIDING_SEEDS} seeds are needed; here are {most}." if most < DECIDING_SEEDS else ""
    return (
        f"Of {len(verdicts)} claims {counts['holds']} hold, {counts['does not hold']} do not "
        f"hold and {counts['not decided']} are not decided.{few}"
    )


def _seeds(part: PartVerdict) -> int:
    return part.interval.seeds if part.interval else 0


def reason(claim: ClaimVerdict) -> str:
    """What decided a claim, in the words of the part that did; what is missing, otherwise."""
    first = next(part for part in claim.parts if part.verdict == claim.verdict)
    if first.interval is None or first.side == "=":
        stated = first.note
    else:
        value = f"{_interval(first.interval)}, claimed {_claimed(first)}"
        stated = "; ".join(filter(None, (f"{first.number}: {value}", first.note)))
    counts = Counter(part.verdict for part in claim.parts)
    parts = ", ".join(f"{word} {counts[word]}" for word in sorted(counts, reverse=True))
    several = f"{stated}; of {len(claim.parts)} parts: {parts}"
    return in_words(stated if len(counts) == 1 else several)


def in_words(text: str) -> str:
    """The same with the headings of numbers in place of their names among the metrics.

    Example:
        >>> in_words("path_peak_to_mean of VAE is not measured")
        'peak to mean of a path of VAE is not measured'
    """
    return NAMES.sub(lambda found: KNOWN[found[0]].heading, text)


def _cells(part: PartVerdict, models: Sequence[str]) -> tuple[str, ...]:
    beside = (_interval(part.models.get(model)) for model in models)
    size = BLANK if part.size is None else str(part.size)
    seeds = str(_seeds(part)) if part.interval else BLANK
    value = _interval(part.interval) if part.interval else in_words(part.note)
    return (
        part.name,
        in_words(part.number),
        size,
        value,
        _claimed(part),
        part.verdict,
        seeds,
        *beside,
    )


def _claimed(part: PartVerdict) -> str:
    return f"{part.side} {part.threshold:g}"


def _interval(found: Interval | None) -> str:
    """A mean and its limits with three digits that count.

    Example:
        >>> _interval(Interval(-0.01234, -0.02, 0.1, 5)), _interval(Interval(15.0, None, None, 1))
        ('−0.0123 [−0.02, 0.1]', '15')
    """
    if found is None:
        return BLANK
    mean = f"{found.mean:.3g}"
    limits = "" if found.low is None else f" [{found.low:.3g}, {found.high:.3g}]"
    return (mean + limits).replace("-", "−")
