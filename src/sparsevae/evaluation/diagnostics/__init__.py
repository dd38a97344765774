"""Why a model's codes are as they are: statistics of every dimension, and verdicts in words.

diagnosis = doctor.examine(model, dataset)
for finding in diagnosis.findings:
    print(finding.severity, finding.sentence)
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, get_args

from sparsevae.data import Dataset
from sparsevae.evaluation.diagnostics import gates, parts
from sparsevae.evaluation.diagnostics.finding import Finding, Severity
from sparsevae.evaluation.diagnostics.statistics import Statistics, gather
from sparsevae.evaluation.passes import Floats, ablation_rises, mean_image, measure, unit
from sparsevae.metrics import bounds
from sparsevae.models import Model

__all__ = ["CHECKS", "Diagnosis", "Finding", "Severity", "Statistics", "examine", "findings"]

CHECKS: tuple[Callable[[Statistics], Finding | None], ...] = (
    parts.mean_image,
    parts.code_ignored,
    parts.divergence_off,
    parts.warm_up,
    parts.alpha,
    gates.sunk,
    gates.saturated,
    gates.always_on,
    gates.dead,
    parts.slab,
    parts.components,
)


@dataclass(frozen=True)
class Diagnosis:
    """What was measured of a model, and what is wrong with it, alarms first."""

    statistics: Statistics
    findings: tuple[Finding, ...]

    def as_json(self) -> dict[str, Any]:
        """``findings``, a mapping each with its whole ``sentence``, and ``statistics`` by name."""
        told = [{**asdict(finding), "sentence": finding.sentence} for finding in self.findings]
        return {"findings": told, "statistics": self.statistics.as_json()}


def findings(statistics: Statistics) -> tuple[Finding, ...]:
    """Every fault that the statistics show, alarms first."""
    found = [finding for check in CHECKS if (finding := check(statistics)) is not None]
    order = get_args(Severity)
    return tuple(sorted(found, key=lambda finding: order.index(finding.severity)))


def examine(model: Model, dataset: Dataset, rises: Floats | None = None) -> Diagnosis:
    """Look for collapse in a trained model, on the test split.

    Args:
        model: on any device, in evaluation mode.
        dataset: its training images give the mean image that a collapsed decoder prints.
        rises: of :func:`sparsevae.evaluation.passes.ablation_rises` for the test split, shape
            ``(J,)``; measured here when left out.
    """
    x = unit(dataset.test)
    found = measure(model, x)
    rises = ablation_rises(model, x, found) if rises is None else rises
    floor = bounds.collapse_floor(mean_image(dataset.train), x)
    statistics = gather(model, x, found, rises, floor)
    return Diagnosis(statistics, findings(statistics))
