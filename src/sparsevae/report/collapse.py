"""The panels on collapse: what the doctor found in each model, in words, and its numbers."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsevae.report.figures.grouping import model_title
from sparsevae.report.tables import BLANK
from sparsevae.runs.folder import RunFolder

Findings = Sequence[Mapping[str, Any]]

NUMBERS = {
    "kl": ("KL, nats", 2, 1),
    "gamma": ("mean γ", 2, 1),
    "on_share": ("on, %", 0, 100),
    "prior_gamma": ("γ of the prior", 2, 1),
    "rises": ("nats without it", 2, 1),
}
GATES = {"gamma", "on_share", "prior_gamma"}  # columns that say nothing of a model without gates
LISTED = 12  # dimensions that a verdict names; of more it says how many


@dataclass(frozen=True)
class Verdict:
    """One finding: its severity, its fault, the dimensions concerned, and a sentence."""

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
        verdicts: of the first seed, alarms first.
        seeds: what the other seeds add, in words; empty where there is one seed.
        numbers: headings, then a line a dimension, those first that the decoder needs most.
        missing: why there are no verdicts; empty where there are.
    """

    title: str
    latents: int
    verdicts: tuple[Verdict, ...]
    seeds: str
    numbers: Sequence[Sequence[str]]
    missing: str = ""


def panels(runs: Iterable[RunFolder]) -> list[Panel]:
    """A panel for every model and latent size, in the order of the runs."""
    groups: dict[tuple[str, int], list[RunFolder]] = {}
    for run in runs:
        config = run.config
        groups.setdefault((config.model, config.latents), []).append(run)
    return [_panel(model_title(model), size, found) for (model, size), found in groups.items()]


def _panel(title: str, latents: int, runs: Sequence[RunFolder]) -> Panel:
    first, *_ = diagnoses = [run.diagnosis for run in runs]
    if not first:
        return Panel(title, latents, (), "", (), "The run was not examined for collapse.")
    verdicts = tuple(_verdict(finding, latents) for finding in first["findings"])
    return Panel(title, latents, verdicts, _seeds(diagnoses), _numbers(first["statistics"]))


def _verdict(finding: Mapping[str, Any], latents: int) -> Verdict:
    words = _listed(finding["subject"], latents)
    return Verdict(finding["severity"], finding["name"], words, finding["sentence"])


def _listed(subject: Sequence[int], latents: int) -> str:
    """Dimensions in words; none where a verdict is about the whole model.

    Example:
        >>> _listed([3], 64), _listed([0, 2], 64), _listed(range(40), 64), _listed([], 64)
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
        {finding["name"] for finding in found["findings"] if finding["severity"] == "alarm"}
        for found in diagnoses
        if found
    ]
    names = sorted(set().union(*alarms))
    counts = (f"{name} in {sum(name in seed for seed in alarms)}" for name in names)
    return f"Alarms in {len(alarms)} seeds: {', '.join(counts) or 'none'}."


def _numbers(statistics: Mapping[str, Any]) -> list[list[str]]:
    """A line for every dimension; a column that is not defined for the model is left out."""
    known = [key for key in NUMBERS if any(value is not None for value in statistics[key])]
    shown = [key for key in known if statistics["gated"] or key not in GATES]
    rises = statistics["rises"]
    order = sorted(range(len(rises)), key=lambda j: -rises[j])
    lines = [[str(j), *(_text(key, statistics[key][j]) for key in shown)] for j in order]
    return [["dimension", *(NUMBERS[key][0] for key in shown)], *lines]


def _text(key: str, value: float | None) -> str:
    _, digits, scale = NUMBERS[key]
    return BLANK if value is None else f"{scale * value:.{digits}f}"
