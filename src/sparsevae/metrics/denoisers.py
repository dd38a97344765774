"""Denoisers that know second moments of clean rows and the noise, but no model of ours.

Shape legend: N training rows and M noisy rows, flat with D elements.
"""

import numpy as np
import numpy.typing as npt

Flat = npt.NDArray[np.floating]
RIDGE = 1e-3  # of the mean variance, so that elements that never vary have a weight


def wiener_of_components(train: Flat, noisy: Flat, variance: float) -> Flat:
    """The best affine estimate for a normal distribution: μ + Σ (Σ + σ²I)⁻¹ (y − μ), ``(M, D)``.

    Args:
        train: clean rows, whose mean and covariance are taken, ``(N, D)``.
        noisy: rows to restore, ``(M, D)``.
        variance: σ² of the noise.
    """
    mean, values, axes = _moments(train)
    share = values / (values + variance) if variance > 0 else np.ones_like(values)
    return mean + ((noisy - mean) @ axes * share) @ axes.T


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


def class_gaussians(
    train: Flat, labels: npt.NDArray[np.integer], noisy: Flat, variance: float
) -> Flat:
    """The mean of x given y where every class is normal: the mixture's best estimate, ``(M, D)``.

    Args:
        train: clean rows, ``(N, D)``.
        labels: class of each, ``(N,)``.
        noisy: rows to restore, ``(M, D)``.
        variance: σ² of the noise, above 0.
    """
    names, counts = np.unique(labels, return_counts=True)
    scores, estimates = np.empty((len(names), len(noisy))), []
    for place, (name, count) in enumerate(zip(names, counts, strict=True)):
        mean, values, axes = _moments(train[labels == name])
        along = (noisy - mean) @ axes
        spread = values + variance
        likelihood = -0.5 * ((along**2 / spread).sum(1) + np.log(spread).sum())
        scores[place] = np.log(count) + likelihood
        estimates.append(mean + (along * (values / spread)) @ axes.T)
    weights = np.exp(scores - scores.max(0))
    weights /= weights.sum(0)
    return np.asarray(sum(w[:, None] * e for w, e in zip(weights, estimates, strict=True)))


def _moments(rows: Flat) -> tuple[Flat, Flat, Flat]:
    """Mean ``(D,)``, variances along principal axes ``(D,)`` and those axes ``(D, D)``."""
    mean = rows.mean(0)
    centred = rows - mean
    values, axes = np.linalg.eigh(centred.T @ centred / len(rows))
    return mean, values.clip(0), axes
