"""What a finding is: a fault by its name, how much it matters, and one sentence about it."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Severity = Literal["alarm", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One fault of a model.

    Attributes:
        name: of the fault.
        severity: "alarm" where the run is lost or its numbers mislead, "warning" where something
            that was asked for is missing, "note" for what healthy models show too.
        subject: the dimensions it is about; empty when it is about the whole model.
        evidence: what was measured, in words and numbers.
        cause: how that comes about.
        cure: what to do.
    """

    name: str
    severity: Severity
    subject: tuple[int, ...]
    evidence: str
    cause: str
    cure: str

    @property
    def sentence(self) -> str:
        """Evidence, cause and cure."""
        return f"{self.evidence}, because {self.cause}; {self.cure}."


def dimensions(chosen: Any) -> tuple[int, ...]:
    """Indices of the dimensions of a mask, ascending.

    Example:
        >>> dimensions(np.array([True, False, True]))
        (0, 2)
    """
    return tuple(np.flatnonzero(chosen).tolist())
