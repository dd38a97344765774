"""Counts given the totals of their rows: how much they vary beyond a Poisson's, and which family.

Shape legend: N rows of D columns.
"""

from typing import Any

import numpy as np

from sparsevae.models.likelihoods.table import Named, family
from sparsevae.storage.arrays import Rows, blocks

MOST_ROWS = 2000  # whose spread is looked at
DISPERSED = 1.05  # times a Poisson's variance; a column of few counts is uncertain by less


def median_total(x: Rows) -> float:
    """The median of the totals of rows, at least 1."""
    totals = np.concatenate([block.sum(1, dtype=np.float64) for block in blocks(x)])
    return max(1.0, float(np.median(totals)))


def overdispersion(x: Rows) -> float:
    """How many times a Poisson's variance counts have, given totals of rows and shares of columns.

        Σ_nd (x_nd − μ_nd)²/μ_nd / ((N − 1)(D − 1)),  μ_nd = t_n Σ_n x_nd / Σ_n t_n

    It is Pearson's statistic a degree of freedom, of the first 2,000 rows, without empty columns.

    Example:
        >>> counts = np.random.default_rng(0).poisson(3, (500, 40))
        >>> round(overdispersion(counts), 1)
        1.0
    """
    counts = np.asarray(x[:MOST_ROWS], np.float64)
    totals, columns = counts.sum(1), counts.sum(0)
    counts, shares = counts[totals > 0], columns / max(1.0, columns.sum())
    counts, shares = counts[:, shares > 0], shares[shares > 0]
    mean = totals[totals > 0, None] * shares
    if min(mean.shape) < 2:
        return 1.0
    return float(((counts - mean) ** 2 / mean).sum() / ((len(mean) - 1) * (mean.shape[1] - 1)))


def choose_counts(x: Rows) -> tuple[Named, str]:
    """The family of whole numbers from 0 in a sparse matrix, and the reason in one sentence."""
    spread = overdispersion(x)
    name = "negative-binomial" if spread > DISPERSED else "library-poisson"
    reason = (
        f"Counts in a sparse matrix, whose variance is {spread:.3g} times a Poisson's given the "
        "totals of the rows."
    )
    return with_total(name, x), reason


def with_total(likelihood: Named, x: Rows) -> Named:
    """A family that needs the total of a row, with the training rows' median if it has none.

    Args:
        likelihood: as :func:`sparsevae.models.likelihoods.family` takes it.
        x: training rows of counts, shape ``(N, D)``.
    """
    chosen, settings = family(likelihood)
    if chosen.reading != "logs" or "total" in settings:
        return likelihood
    given: dict[str, Any] = {} if isinstance(likelihood, str) else dict(likelihood)
    kind = likelihood if isinstance(likelihood, str) else likelihood["kind"]
    return {**given, "kind": kind, "total": median_total(x)}
