"""The claims under test: rows of metrics in, computed verdicts out.

The statistics, thresholds and the rule are written down in ``docs/claims.md``; a test holds the
two together.
"""

from sparsevae.experiments.claims.assessment import (
    DECIDING_SEEDS,
    ClaimVerdict,
    PartVerdict,
    assess,
    write_verdicts,
)
from sparsevae.experiments.claims.parts import CLAIMS, PARTS

__all__ = [
    "CLAIMS",
    "DECIDING_SEEDS",
    "PARTS",
    "ClaimVerdict",
    "PartVerdict",
    "assess",
    "write_verdicts",
]
