"""Why a model's codes are as they are: statistics of every dimension, and verdicts in words.

diagnosis = doctor.examine(model, dataset)
for finding in diagnosis.findings:
    print(finding.severity, finding.sentence)
"""

from dataclasses import asdict, dataclass
from typing import Any

from sparsevae.datasets import Dataset
from sparsevae.doctor.faults import Finding, Severity, findings
from sparsevae.doctor.statistics import Statistics, gather
from sparsevae.doctor.watch import activity, warning
from sparsevae.measuring import Floats, ablation_rises, measure, unit
from sparsevae.metrics import bounds
from sparsevae.models import Model

__all__ = [
    "Diagnosis",
    "Finding",
    "Severity",
    "Statistics",
    "activity",
    "examine",
    "findings",
    "gather",
    "warning",
]


@dataclass(frozen=True)
class Diagnosis:
    """What was measured of a model, and what is wrong with it, alarms first."""

    statistics: Statistics
    findings: tuple[Finding, ...]

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """Findings that make a run's numbers mislead."""
        return tuple(finding for finding in self.findings if finding.severity == "alarm")

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: ``findings``, a mapping each, and ``statistics`` by name."""
        told = [{**asdict(finding), "sentence": finding.sentence} for finding in self.findings]
        return {"findings": told, "statistics": self.statistics.as_json()}


def examine(model: Model, dataset: Dataset, rises: Floats | None = None) -> Diagnosis:
    """Look for collapse in a trained model, on the test split.

    Args:
        model: on any device, in evaluation mode.
        dataset: its training images give the mean image that a collapsed decoder prints.
        rises: of :func:`sparsevae.measuring.ablation_rises` for the test split; measured here
            when left out.
    """
    x = unit(dataset.test)
    found = measure(model, x)
    rises = ablation_rises(model, x, found) if rises is None else rises
    floor = bounds.collapse_floor(unit(dataset.train), x)
    statistics = gather(model, x, found, rises, floor)
    return Diagnosis(statistics, findings(statistics))
