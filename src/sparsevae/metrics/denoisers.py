"""Denoisers that know second moments of clean rows and the noise, but no model of ours.

Shape legend: N training rows and M noisy rows, flat with D elements.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Flat = npt.NDArray[np.floating]
RIDGE = 1e-3  # of the mean variance, so that elements that never vary have a weight


class Moments(NamedTuple):
    """Of rows: how many, their mean, and variances along principal axes; across them it is 0.

    Attributes:
        rows: N.
        mean: shape ``(D,)``.
        variances: of R axes, R = min(N, D), shape ``(R,)``.
        axes: the axes as columns, shape ``(D, R)``.
    """

    rows: int
    mean: Flat
    variances: Flat
    axes: Flat


def moments(rows: Flat) -> Moments:
    """The moments of rows of shape ``(N, D)``."""
    mean = rows.mean(0)
    return Moments(len(rows), mean, *principal_axes(rows - mean))


def principal_axes(rows: Flat) -> tuple[Flat, Flat]:
    """Mean squares of rows of shape ``(N, D)`` along R = min(N, D) axes, and the axes, ``(D, R)``.

    They come from whichever is the smaller of the rows and their covariance.
    """
    if len(rows) < rows.shape[1]:
        _, lengths, axes = np.linalg.svd(rows, full_matrices=False)
        return lengths**2 / len(rows), axes.T
    squares, axes = np.linalg.eigh(rows.T @ rows / len(rows))
    return squares.clip(0), axes


def wiener_of_components(known: Moments, noisy: Flat, variance: float) -> Flat:
    """The best affine estimate for a normal distribution: μ + Σ (Σ + σ²I)⁻¹ (y − μ), ``(M, D)``.

    Args:
        known: of clean rows.
        noisy: rows to restore, ``(M, D)``.
        variance: σ² of the noise, above 0.
    """
    share = known.variances / (known.variances + variance)
    return known.mean + ((noisy - known.mean) @ known.axes * share) @ known.axes.T


def class_gaussians(classes: Sequence[Moments], noisy: Flat, variance: float) -> Flat:
    """The mean of x given y where every class is normal, ``(M, D)``.

    Args:
        classes: moments of the clean rows of each.
        noisy: rows to restore, ``(M, D)``.
        variance: σ² of the noise, above 0.
    """
    scores = []
    for known in classes:
        centred, spread = noisy - known.mean, known.variances + variance
        along = centred @ known.axes
        across = (centred**2).sum(1) - (along**2).sum(1)
        squares = (along**2 / spread).sum(1) + across / variance
        volume = np.log(spread / variance).sum()  # beside that of noise alone
        scores.append(np.log(known.rows) - 0.5 * (squares + volume))
    weights = np.exp(np.array(scores) - np.max(scores, 0))
    weights /= weights.sum(0)
    restored = np.zeros_like(noisy)
    for known, weight in zip(classes, weights, strict=True):
        likely = weight > RIDGE * np.finfo(np.float32).eps
        estimate = wiener_of_components(known, noisy[likely], variance)
        restored[likely] += weight[likely, None] * estimate
    return restored


def affine_regression(train: Flat, noisy_train: Flat, noisy: Flat) -> Flat:
    """The affine map that restores noisy training rows best, least squares, ``(M, D)``.

    Args:
        train: clean rows, ``(N, D)``.
        noisy_train: the same rows with noise like that of ``noisy``, ``(N, D)``.
        noisy: rows to restore, ``(M, D)``.
    """
    mean, noisy_mean = train.mean(0), noisy_train.mean(0)
    centred = noisy_train - noisy_mean
    gram = centred.T @ centred
    gram[np.diag_indices(len(gram))] += RIDGE * np.trace(gram) / len(gram)
    weights = np.linalg.solve(gram, centred.T @ (train - mean))
    return np.asarray(mean + (noisy - noisy_mean) @ weights)
