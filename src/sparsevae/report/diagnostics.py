"""What the diagnostics say of each model, in words, and the numbers of every dimension."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsevae.report.study import COST, Run
from sparsevae.report.tables import BLANK

NUMBERS = {
    "kl": ("KL, nats", 2, 1),
    "gamma": ("mean γ", 2, 1),
    "on_share": ("on, %", 0, 100),
    "prior_gamma": ("γ of the prior", 2, 1),
    COST: ("nats without it", 2, 1),
}
GATES = {"gamma", "on_share", "prior_gamma"}  # columns that say nothing of a model without gates
LISTED = 12  # dimensions that a finding names; of more it says how many
LINES = 64  # dimensions of a table at most


@dataclass(frozen=True)
class Finding:
    """One finding: its severity, its name, the dimensions concerned, and a sentence."""

    severity: str
    name: str
    subject: str
    sentence: str


@dataclass(frozen=True)
class Panel:
    """What is known of one model at one latent size.

    Attributes:
        title: of the model.
        latents: J.
        findings: of the first seed, alarms first.
        seeds: what the other seeds add, in words; empty where there is one seed.
        numbers: headings, then a line a dimension, those first that the decoder needs most.
        rest: how many dimensions have no line, in words; empty where all have.
        missing: why there are no findings; empty where there are.
    """

    title: str
    latents: int
    findings: tuple[Finding, ...] = ()
    seeds: str = ""
    numbers: Sequence[Sequence[str]] = ()
    rest: str = ""
    missing: str = ""


def panels(runs: Iterable[Run]) -> list[Panel]:
    """A panel for every model and latent size, in the order of the runs."""
    groups: dict[tuple[str, int], list[Run]] = {}
    for run in runs:
        groups.setdefault((run.title, run.config.latents), []).append(run)
    return [_panel(title, size, own) for (title, size), own in groups.items()]


def _panel(title: str, latents: int, runs: Sequence[Run]) -> Panel:
    first, *_ = diagnoses = [run.diagnosis for run in runs]
    if not first:
        return Panel(title, latents, missing="The run keeps no diagnostics.")
    findings = tuple(
        Finding(row["severity"], row["name"], listed(row["subject"], latents), row["sentence"])
        for row in first["findings"]
    )
    few = f"The {LINES} of {latents:,} dimensions that the decoder needs most."
    rest = few if latents > LINES else ""
    return Panel(title, latents, findings, _seeds(diagnoses), _numbers(first["statistics"]), rest)


def listed(subject: Sequence[int], latents: int) -> str:
    """Dimensions in words; none where a finding is about the whole model.

    Example:
        >>> listed([3], 64), listed([0, 2], 64), listed(range(40), 64), listed([], 64)
        ('dimension 3', 'dimensions 0, 2', '40 of 64 dimensions', '')
    """
    if len(subject) > LISTED:
        return f"{len(subject)} of {latents} dimensions"
    word = "dimension" if len(subject) == 1 else "dimensions"
    return f"{word} {', '.join(map(str, subject))}" if subject else ""


def _seeds(diagnoses: Sequence[Mapping[str, Any]]) -> str:
    """How many of several seeds have which alarm."""
    if len(diagnoses) < 2:
        return ""
    alarms = [
        {finding["name"] for finding in one["findings"] if finding["severity"] == "alarm"}
        for one in diagnoses
        if one
    ]
    names = sorted(set().union(*alarms))
    counts = (f"{name} in {sum(name in seed for seed in alarms)}" for name in names)
    return f"Alarms in {len(alarms)} seeds: {', '.join(counts) or 'none'}."


def _numbers(statistics: Mapping[str, Any]) -> list[list[str]]:
    """A line for every dimension; a column that is not defined for the model is left out."""
    known = [
        key
        for key in NUMBERS
        if any(value is not None for value in statistics[key])
        and (statistics["gated"] or key not in GATES)
    ]
    cost = statistics[COST]
    order = sorted(range(len(cost)), key=lambda j: -cost[j])[:LINES]
    lines = [[str(j), *(_text(key, statistics[key][j]) for key in known)] for j in order]
    return [["dimension", *(NUMBERS[key][0] for key in known)], *lines]


def _text(key: str, value: float | None) -> str:
    _, digits, scale = NUMBERS[key]
    return BLANK if value is None else f"{scale * value:.{digits}f}"
