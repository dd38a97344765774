"""Why a model's codes are as they are: statistics of every dimension, and findings in words.

for finding in evaluate(model, x).diagnosis.findings:
print(finding.severity, finding.sentence)
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, get_args

from sparsevae.evaluation.diagnostics import gates, parts
from sparsevae.evaluation.diagnostics.finding import Finding, Severity
from sparsevae.evaluation.diagnostics.statistics import Statistics, gather
from sparsevae.evaluation.one_pass import Pass

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
        content = [{**asdict(finding), "sentence": finding.sentence} for finding in self.findings]
        return {"findings": content, "statistics": self.statistics.as_json()}


def findings(statistics: Statistics) -> tuple[Finding, ...]:
    """Every fault that the statistics show, alarms first."""
    faults = [finding for check in CHECKS if (finding := check(statistics)) is not None]
    order = get_args(Severity)
    return tuple(sorted(faults, key=lambda finding: order.index(finding.severity)))


def examine(one: Pass) -> Diagnosis:
    """Look for collapse in a trained model; nothing is measured that its pass has already."""
    statistics = gather(one)
    return Diagnosis(statistics, findings(statistics))
