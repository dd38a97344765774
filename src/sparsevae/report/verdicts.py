"""What ``verdicts.json`` says of the claims of a study, as the page shows it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsevae.metrics.table import METRICS
from sparsevae.report.study import in_order, model_title
from sparsevae.report.tables import BLANK

JSON = Mapping[str, Any]
UNDECIDED = "not decided"
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
TITLES = {row.key: row.title for row in METRICS if row.display != "file"}
NAMES = re.compile(rf"\b({'|'.join(map(re.escape, sorted(TITLES, key=len, reverse=True)))})\b")


@dataclass(frozen=True)
class Claim:
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
class Claims:
    """All claims of a study.

    Attributes:
        note: one quiet line; all there is to say where nothing is decided.
        decided: claims that hold or do not hold.
        undecided: the others.
        headings: of the columns of the parts.
    """

    note: str = ""
    decided: tuple[Claim, ...] = ()
    undecided: tuple[Claim, ...] = ()
    headings: tuple[str, ...] = ()


def claims_of(content: JSON) -> Claims:
    """The claims of a study from what ``verdicts.json`` holds; nothing of an empty one."""
    if not content:
        return Claims()
    parts = [part for claim in content["claims"] for part in claim["parts"]]
    models = in_order(model for part in parts for model in part["models"])
    claims = [
        Claim(
            claim["claim"],
            claim["statement"],
            claim["verdict"],
            reason(claim),
            tuple(_cells(part, models) for part in claim["parts"]),
        )
        for claim in content["claims"]
    ]
    return Claims(
        _note(content, parts),
        tuple(claim for claim in claims if claim.verdict != UNDECIDED),
        tuple(claim for claim in claims if claim.verdict == UNDECIDED),
        ("part", "number", "J", "value", "claimed", "verdict", "seeds", *map(model_title, models)),
    )


def _note(content: JSON, parts: Sequence[JSON]) -> str:
    counts = Counter(claim["verdict"] for claim in content["claims"])
    needed = content["rule"]["seeds_needed"]
    most = max((_seeds(part) for part in parts), default=0)
    if 0 < most < needed:
        return f"Claims need {NUMBERS[needed]} seeds; this study has {NUMBERS[most]}."
    if counts[UNDECIDED] == len(content["claims"]):
        return "None of the claims is decided by the runs of this study."
    return (
        f"Of {len(content['claims'])} claims {counts['holds']} hold, {counts['does not hold']} do "
        f"not hold and {counts[UNDECIDED]} are not decided."
    )


def _seeds(part: JSON) -> int:
    return int(part["value"]["seeds"]) if part["value"] else 0


def reason(claim: JSON) -> str:
    """What decided a claim, in the words of the part that did; what is missing, otherwise."""
    first = next(part for part in claim["parts"] if part["verdict"] == claim["verdict"])
    if first["value"] is None or first["claimed"].startswith("="):
        stated = first["note"]
    else:
        value = f"{_interval(first['value'])}, claimed {first['claimed']}"
        stated = "; ".join(filter(None, (f"{first['number']}: {value}", first["note"])))
    counts = Counter(part["verdict"] for part in claim["parts"])
    parts = ", ".join(f"{word} {counts[word]}" for word in sorted(counts, reverse=True))
    several = f"{stated}; of {len(claim['parts'])} parts: {parts}"
    return in_words(stated if len(counts) == 1 else several)


def in_words(text: str) -> str:
    """The same with the titles of numbers in place of their names among the metrics.

    Example:
        >>> in_words("path_peak_to_mean of VAE is not measured")
        'peak to mean of a path of VAE is not measured'
    """
    return NAMES.sub(lambda match: TITLES[match[0]], text)


def _cells(part: JSON, models: Sequence[str]) -> tuple[str, ...]:
    return (
        part["part"],
        in_words(part["number"]),
        BLANK if part["latents"] is None else str(part["latents"]),
        _interval(part["value"]) if part["value"] else in_words(part["note"]),
        part["claimed"],
        part["verdict"],
        str(_seeds(part)) if part["value"] else BLANK,
        *(_interval(part["models"].get(model)) for model in models),
    )


def _interval(value: JSON | None) -> str:
    """A mean and its limits with three digits that count.

    Example:
        >>> _interval({"mean": -0.01234, "low": -0.02, "high": 0.1, "seeds": 5})
        '−0.0123 [−0.02, 0.1]'
        >>> _interval({"mean": 15.0, "low": None, "high": None, "seeds": 1})
        '15'
    """
    if value is None:
        return BLANK
    limits = "" if value["low"] is None else f" [{value['low']:.3g}, {value['high']:.3g}]"
    return f"{value['mean']:.3g}{limits}".replace("-", "−")
