"""The importance-weighted bound on log p(x), from the log-weights of drawn codes.

Shape legend: N images, K codes drawn for each. A log-weight is log p(x|z) + log p(z) − log q(z|x)
in nats, z drawn from q(z|x).
"""

import numpy as np
import numpy.typing as npt
from scipy.special import logsumexp

Floats = npt.NDArray[np.floating]


def importance_weighted_bound(log_weights: Floats) -> Floats:
    """A lower bound on log p(x) in expectation: log of the mean weight, nats, shape ``(N,)``.

    K = 1 is a draw of the ELBO; the bound does not fall with K and tends to log p(x).

    Source: Burda et al. 2016, equation 8.

    Args:
        log_weights: shape ``(N, K)``.

    Example:
        >>> importance_weighted_bound(np.log([[0.1, 0.3]])).round(4)
        array([-1.6094])
    """
    return np.asarray(logsumexp(log_weights, axis=1) - np.log(log_weights.shape[1]))


def effective_sample_size(log_weights: Floats) -> Floats:
    """(Σw)²/Σw², how many equal weights would be worth as much, in [1, K], shape ``(N,)``.

    Source: Kong 1992, "A note on importance sampling using standardized weights".

    Args:
        log_weights: shape ``(N, K)``.

    Example:
        >>> effective_sample_size(np.zeros((1, 8)))
        array([8.])
    """
    total, squares = logsumexp(log_weights, axis=1), logsumexp(2 * log_weights, axis=1)
    return np.asarray(np.exp(2 * total - squares))


def standard_error(sizes: Floats, samples: int) -> float:
    """Of the mean over images of :func:`importance_weighted_bound`, from its draws alone, nats.

    √(Σ_i (1/ESS_i − 1/K))/N, to first order in the weights' spread. The images are the same for
    all models that are compared, so that what differs between images is no part of it.

    Args:
        sizes: effective sample sizes ESS, shape ``(N,)``.
        samples: K.

    Example:
        >>> round(standard_error(np.array([1.6, 2.0]), 2), 4)
        0.1768
    """
    return float(np.sqrt((1 / sizes - 1 / samples).clip(0).sum()) / len(sizes))
