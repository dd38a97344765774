"""Whether two trainings find the same gates, up to their order.

Shape legend: N images, J gates of one run and I of the other.
"""

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from sparsevae.data.splits import shuffled

Mask = npt.NDArray[np.bool_]


def jaccard(first: Mask, second: Mask) -> npt.NDArray[np.float64]:
    """Images for which both gates are on, as a share of those for which either is.

    Source: Jaccard 1912, "The distribution of the flora in the alpine zone".

    Args:
        first: which gates are on, shape ``(N, J)``.
        second: the same for the other run and the same images, shape ``(N, I)``.

    Returns:
        Of every pair, shape ``(J, I)``; 0 for two gates that are never on.
    """
    a, b = first.astype(np.float64), second.astype(np.float64)
    both = a.T @ b
    either = a.sum(0)[:, None] + b.sum(0) - both
    return np.asarray(both / np.maximum(either, 1))


def matched_jaccard(first: Mask, second: Mask) -> float:
    """Mean Jaccard index of gates matched one to one, so that the sum is the largest.

    Gates that are never on are left out; a gate without a partner counts as 0. The matching is
    that of Kuhn 1955, "The Hungarian method for the assignment problem".

    Args:
        first: which gates are on, shape ``(N, J)``.
        second: the same for the other run and the same images, shape ``(N, I)``.

    Returns:
        Between 0 and 1; 0 where a run has no gate that is ever on.
    """
    first, second = first[:, first.any(0)], second[:, second.any(0)]
    similar = jaccard(first, second)
    matched = similar[linear_sum_assignment(similar, maximize=True)]
    return float(matched.sum() / max(*similar.shape, 1))


def chance_jaccard(first: Mask, second: Mask, seed: int = 0) -> float:
    """What :func:`matched_jaccard` gives by chance: the second run's images are permuted.

    Gates keep their rates and what they have to do with each other. Gates that are on for most
    images agree by chance already.

    Args:
        first: gates of one run, shape ``(N, J)``.
        second: gates of another for the same images, shape ``(N, J)``.
        seed: of the permutation.
    """
    return matched_jaccard(first, second[shuffled(len(second), seed)])
