"""How unevenly codes are spread, how many on/off patterns there are, what they say of the class.

Shape legend: N images, J latent dimensions. Entropies and information are in bits, as estimated
by the frequencies among the images.
"""

import numpy as np
import numpy.typing as npt

from sparsevae.metrics.sparsity import Floats, Labels, Mask


def hoyer(codes: Floats) -> float | None:
    """(√J − ‖z‖₁/‖z‖₂) / (√J − 1), averaged over images: 0 for equal entries, 1 for one entry.

    Source: Hoyer 2004, "Non-negative matrix factorization with sparseness constraints",
    section 3.1.

    Args:
        codes: shape ``(N, J)``; codes that are 0 everywhere are left out.

    Returns:
        Between 0 and 1; None for J = 1, or where every code is 0.
    """
    size = np.abs(codes.astype(np.float64))
    size = size[size.any(1)]
    root = np.sqrt(codes.shape[1])
    if root == 1 or len(size) == 0:
        return None
    return float(((root - size.sum(1) / np.sqrt((size**2).sum(1))) / (root - 1)).mean())


def _uneven(responses: Floats) -> float | None:
    """(1 − a) / (1 − 1/n), a = (mean r)² / mean r² over the n columns, averaged over the rows."""
    rows = responses[responses.any(1)]
    n = responses.shape[1]
    if n == 1 or len(rows) == 0:
        return None
    activity = rows.mean(1) ** 2 / (rows**2).mean(1)
    return float(((1 - activity) / (1 - 1 / n)).mean())


def population_sparseness(codes: Floats) -> float | None:
    """How few dimensions carry an image: the Treves-Rolls measure of |z| over the dimensions.

    (1 − a) / (1 − 1/J), a = (Σ|z_j|/J)² / (Σ z_j²/J), averaged over images: 0 where all
    dimensions respond alike, 1 where a single one responds.

    Source: Treves & Rolls 1991 (a); Vinje & Gallant 2000, Science 287 (the form used here).

    Args:
        codes: shape ``(N, J)``; codes that are 0 everywhere are left out.

    Returns:
        Between 0 and 1; None for J = 1, or where every code is 0.
    """
    return _uneven(np.abs(codes.astype(np.float64)))


def lifetime_sparseness(codes: Floats) -> float | None:
    """How few images a dimension responds to: the same measure over images, then averaged.

    Args:
        codes: shape ``(N, J)``; dimensions that are 0 for every image are left out.

    Returns:
        Between 0 and 1; None for N = 1, or where every code is 0.
    """
    return _uneven(np.abs(codes.astype(np.float64)).T)


def _entropy(counts: npt.NDArray[np.integer]) -> float:
    """Entropy in bits of the frequencies of counts."""
    share = counts[counts > 0] / counts.sum()
    return float(np.abs((share * np.log2(share)).sum()))  # not −0


def support_entropy(gamma: Floats) -> float:
    """Entropy of the on/off pattern of all gates (γ > ½) together, bits an image.

    Args:
        gamma: spike probabilities, shape ``(N, J)``.

    Returns:
        At most :func:`gate_entropy`, and at most log₂ N, which is reached where no two images
        share a pattern: with many latents it says little more than that.
    """
    patterns = np.packbits(gamma > 0.5, axis=1)
    return _entropy(np.unique(patterns, axis=0, return_counts=True)[1])


def gate_entropy(gamma: Floats) -> float:
    """Entropy of every gate alone (γ > ½), summed over dimensions, bits an image; at most J.

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
    """
    on = (gamma > 0.5).sum(0)
    return sum(_entropy(np.array([count, len(gamma) - count])) for count in on)


def class_information(gamma: Floats, labels: Labels) -> Floats:
    """Mutual information of each gate (γ > ½) and the class, bits.

    With K classes chance alone gives about (K − 1) / (2 N ln 2).

    Args:
        gamma: spike probabilities, shape ``(N, J)``.
        labels: class of every image, shape ``(N,)``.

    Returns:
        Between 0 and 1, shape ``(J,)``.
    """
    of_class = _entropy(np.bincount(labels))
    each = []
    for on in (gamma > 0.5).T:
        both = np.bincount(2 * labels + on)
        each.append(_entropy(np.bincount(on)) + of_class - _entropy(both))
    return np.asarray(np.maximum(each, 0.0))


def mean_and_largest(information: Floats, used: Mask) -> tuple[float, float]:
    """Mean and largest value over the used dimensions; 0 and 0 where none is used.

    Args:
        information: bits of every dimension, shape ``(J,)``.
        used: which dimensions count, shape ``(J,)``.
    """
    chosen = information[used]
    return (float(chosen.mean()), float(chosen.max())) if len(chosen) else (0.0, 0.0)
