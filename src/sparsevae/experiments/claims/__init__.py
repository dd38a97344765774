"""The claims under test: rows of metrics in, computed verdicts out.

The statistics, thresholds and the rule are written down in ``docs/claims.md``; a test holds the
two together.
"""

from sparsevae.experiments.claims.judging import DECIDING_SEEDS, ClaimVerdict, PartVerdict, judge
from sparsevae.experiments.claims.parts import CLAIMS, PARTS
from sparsevae.experiments.claims.written import write, write_verdicts

__all__ = [
    "CLAIMS",
    "DECIDING_SEEDS",
    "PARTS",
    "ClaimVerdict",
    "PartVerdict",
    "judge",
    "write",
    "write_verdicts",
]
