"""What codes are good for: a class from few labels, by a linear map.

Shape legend: N images, J latent dimensions, S seeds, K classes. Codes may be any rows: pixels,
principal components.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from sparsevae.data.splits import shuffled, stratified_indices
from sparsevae.metrics.denoisers import principal_axes
from sparsevae.metrics.sparsity import Floats, Labels
from sparsevae.metrics.table import PROBE_SIZES

PROBE_SEEDS = range(5)
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # C, what regularisation is divided by
VALIDATION_SHARE = 5  # one labelled image in so many chooses C
ITERATIONS = 5000  # more than any of these convex problems has needed
GRADIENT = 1e-4  # the largest entry, in units of the curvature, where the optimum is reached
LARGEST = 2**26  # images times numbers of a code times classes of one probe
LARGEST_OF_ALL = 2**29  # the same of the probe with all training images
PERMUTED = 1000  # images of the probe with permuted labels
CURVATURE = 0.25  # the largest of p(1 − p), which bounds that of the cross entropy
CURVED, CURVED_ROWS = 256, 2000  # axes, at most, whose own curvature is taken; rows for it
LEAST_CURVATURE = 1e-6  # of the intercept, whose weights have no penalty


def probe_draws(labels: Labels) -> npt.NDArray[np.int64]:
    """Which training images a probe learns from, by seed: 5,000, stratified, or all there are.

    Args:
        labels: of the training images, shape ``(N,)``.

    Returns:
        Positions, shape ``(S, min(N, 5000))``.
    """
    most = min(len(labels), PROBE_SIZES[-1])
    return np.stack([stratified_indices(labels, most, seed) for seed in PROBE_SEEDS])


def probe_accuracies(
    codes: Floats, labels: Labels, test_codes: Floats, test_labels: Labels, size: int
) -> Floats | None:
    """Accuracy of a linear probe: logistic regression on codes, scored on the test images.

    For each of 5 seeds a stratified ``size`` of its draw are labelled. Their codes are scaled to
    mean 0 and variance 1; a fifth of them, stratified, chooses the strength C of the L2 penalty
    from 0.001, 0.01, … 100; the probe is then fitted on all of them.

    Source: Alain & Bengio 2016, "Understanding intermediate layers using linear classifier
    probes".

    Args:
        codes: of the images of :func:`probe_draws`, shape ``(S, N, J)``.
        labels: their classes, shape ``(S, N)``.
        test_codes: shape ``(M, J)``.
        test_labels: shape ``(M,)``.
        size: number of labelled images.

    Returns:
        Share of test images with the right class, shape ``(S,)``; None where a draw has fewer
        than ``size`` images, a class fewer than two of them on average, or images, numbers of a
        code and classes multiply to more than 2²⁶.
    """
    if size > labels.shape[1] or too_few(labels, size):
        return None
    if size * codes.shape[-1] * len(np.unique(labels)) > LARGEST:
        return None
    accuracies = []
    for seed, known, of in zip(PROBE_SEEDS, codes, labels, strict=True):
        chosen = stratified_indices(of, size, seed)
        probe, _ = _chosen_probe(known[chosen], of[chosen], seed)
        accuracies.append((probe.predict(test_codes) == test_labels).mean())
    return np.array(accuracies)


def all_too_many(images: int, latents: int, labels: Labels) -> bool:
    """Whether a probe with all training images would take too long.

    Args:
        images: number of training images.
        latents: J.
        labels: of the training images, shape ``(N,)``.
    """
    return images * latents * len(np.unique(labels)) > LARGEST_OF_ALL


def probe_of_all(
    codes: Floats, labels: Labels, test_codes: Floats, test_labels: Labels
) -> float | None:
    """Accuracy of a linear probe on all training images, scored on the test images.

    The strength is the one that the first draw of 5,000 chooses, whose weights it starts from.

    Args:
        codes: of all training images, shape ``(N, J)``.
        labels: their classes, shape ``(N,)``.
        test_codes: shape ``(M, J)``.
        test_labels: shape ``(M,)``.

    Returns:
        Share of test images with the right class; None where :func:`all_too_many`, or a class
        has fewer than two images on average.
    """
    if too_few(labels, len(labels)) or all_too_many(len(codes), codes.shape[1], labels):
        return None
    from threadpoolctl import threadpool_limits

    first = probe_draws(labels)[0]
    start, strength = _chosen_probe(codes[first], labels[first], PROBE_SEEDS[0])
    with threadpool_limits(1, "blas"):
        (probe,) = fit_probes(codes, labels, (strength,), start=start)
    return float((probe.predict(test_codes) == test_labels).mean())


def permuted_probe(
    codes: Floats, labels: Labels, test_codes: Floats, test_labels: Labels
) -> float | None:
    """Accuracy of a probe of 1,000 images whose labels are permuted among them: a control.

    Args:
        codes: of one draw of :func:`probe_draws`, shape ``(N, J)``.
        labels: their classes, shape ``(N,)``.
        test_codes: shape ``(M, J)``.
        test_labels: shape ``(M,)``.
    """
    size = min(PERMUTED, len(labels))
    if too_few(labels, size):
        return None
    chosen = stratified_indices(labels, size, PROBE_SEEDS[0])
    mixed = labels[chosen][shuffled(size, PROBE_SEEDS[0])]
    probe, _ = _chosen_probe(codes[chosen], mixed, PROBE_SEEDS[0])
    return float((probe.predict(test_codes) == test_labels).mean())


def too_few(labels: Labels, size: int) -> bool:
    """Whether a class has fewer than two of ``size`` images on average: nothing can be learned.

    Args:
        labels: of images, shape ``(N,)``.
        size: how many of them are labelled.

    Example:
        >>> too_few(np.arange(10), 20), too_few(np.arange(11), 20)
        (False, True)
    """
    return 2 * len(np.unique(labels)) > size


@dataclass(frozen=True)
class Probe:
    """A fitted linear classifier of scaled codes.

    Attributes:
        classes: K labels in ascending order.
        mean: of the codes that it was fitted on, shape ``(J,)``.
        spread: their standard deviation, 1 where it is 0, shape ``(J,)``.
        weights: of scaled codes and, last, the intercept, shape ``(J + 1, K)``.
    """

    classes: Labels
    mean: Floats
    spread: Floats
    weights: Floats

    def predict(self, codes: Floats) -> Labels:
        """The most probable class of every code, shape ``(N,)``."""
        scores = (codes - self.mean) / self.spread @ self.weights[:-1] + self.weights[-1]
        return np.asarray(self.classes[scores.argmax(1)])


def _chosen_probe(codes: Floats, labels: Labels, seed: int) -> tuple[Probe, float]:
    """The probe fitted on all rows, and its strength, which a fifth of them chose."""
    from threadpoolctl import threadpool_limits

    held = np.zeros(len(labels), dtype=bool)
    held[stratified_indices(labels, max(1, len(labels) // VALIDATION_SHARE), seed)] = True
    with threadpool_limits(1, "blas"):  # problems this small take longer with more threads
        fits = fit_probes(codes[~held], labels[~held], STRENGTHS)
        scores = [(fit.predict(codes[held]) == labels[held]).mean() for fit in fits]
        best = int(np.argmax(scores))
        strength = STRENGTHS[best]
        return fit_probes(codes, labels, (strength,), start=fits[best])[0], strength


def fit_probes(
    codes: Floats, labels: Labels, strengths: tuple[float, ...], start: Probe | None = None
) -> list[Probe]:
    """Logistic regressions with an L2 penalty, each started from the one before.

    The mean cross entropy plus ‖W‖² / (2 C N), W the weights of codes scaled to mean 0 and
    variance 1, is minimised by L-BFGS. A rotation to the codes' principal axes leaves the penalty
    as it is; there each axis is scaled by the root of its curvature at most, so that correlated
    codes take few steps.

    Args:
        codes: shape ``(N, J)``.
        labels: shape ``(N,)``.
        strengths: each a C.
        start: where the first starts if it knows the same classes; at 0 without.
    """
    classes, places = np.unique(labels, return_inverse=True)
    mean, spread = codes.mean(0, dtype=np.float64), codes.std(0, dtype=np.float64)
    moves = spread > 10 * np.finfo(np.float64).eps * np.abs(mean)
    spread = np.where(moves, spread, 1.0)
    scaled = (codes[:, moves] - mean[moves]) / spread[moves]
    variances, axes = principal_axes(scaled)  # beyond them the penalty leaves no weights
    turned = axes.T @ scaled.T  # (R, N) with R = min(N, J)
    weights = np.zeros((len(turned) + 1, len(classes)))
    if start is not None and np.array_equal(start.classes, classes):
        weights = np.concatenate([axes.T @ start.weights[:-1][moves], start.weights[-1:]])
    fits = []
    for strength in strengths:
        penalty = 1 / (strength * len(scaled))
        step = np.append(1 / np.sqrt(CURVATURE * variances + penalty), 1.0)[:, None]
        inputs = np.ones((len(step), len(scaled)), np.float32)
        inputs[:-1] = step[:-1] * turned
        pull = np.append(np.full(len(variances), penalty), 0.0)[:, None] * step**2
        weights = step * _optimum(inputs, places, weights / step, pull)
        turned_back = np.zeros((len(mean) + 1, len(classes)))
        turned_back[:-1][moves], turned_back[-1] = axes @ weights[:-1], weights[-1]
        fits.append(Probe(classes, mean, spread, turned_back))
    return fits


def _optimum(inputs: Floats, places: Labels, start: Floats, penalty: Floats) -> Floats:
    """Weights of least cross entropy plus ½ Σ penalty · weight².

    The search is for u with w_k = F_k u_k, F_k Fₖᵀ the inverse of class k's own curvature where it
    starts, so that few steps are needed where classes are told apart.

    Args:
        inputs: single precision, shape ``(R, N)``; the last row is that of the intercept.
        places: of the N rows' classes among K.
        start: shape ``(R, K)``.
        penalty: shape ``(R, 1)``.
    """
    count, classes = inputs.shape[1], start.shape[1]
    own = np.zeros((count, classes))
    own[np.arange(count), places] = 1 / count
    right = (inputs @ own).T  # of the class that each row has, (K, R)
    pull = penalty.T
    factors = _curvature_factors(inputs, start, penalty)

    def weights_of(flat: Floats) -> Floats:
        u = flat.reshape(classes, -1)
        return u if factors is None else (u[:, None] @ factors)[:, 0]

    def objective(flat: Floats) -> tuple[float, Floats]:
        weights = weights_of(flat)  # (K, R)
        scores = weights.astype(np.float32) @ inputs
        largest = scores.max(0)
        scores -= largest
        np.exp(scores, out=scores)
        total = scores.sum(0)
        scores /= total
        value = (np.log(total) + largest).mean(dtype=np.float64)
        value += (weights * (0.5 * pull * weights - right)).sum()
        gradient = scores @ inputs.T / count - right + pull * weights
        if factors is not None:
            gradient = (factors @ gradient[..., None])[..., 0]
        return float(value), gradient.ravel()

    first = start.T
    if factors is not None:
        first = np.linalg.solve(factors.swapaxes(1, 2), first[..., None])[..., 0]
    settings = {"maxiter": ITERATIONS, "maxfun": 2 * ITERATIONS, "gtol": GRADIENT, "ftol": 0.0}
    result: Any = minimize(
        objective, first.ravel(), jac=True, method="L-BFGS-B", options={**settings, "maxcor": 20}
    )
    return np.asarray(weights_of(result.x).T)


def _curvature_factors(inputs: Floats, weights: Floats, penalty: Floats) -> Floats | None:
    """Fᵀ of every class, the inverse of a root of its second derivatives, ``(K, R, R)``.

    None with many axes, where it takes longer than it saves.
    """
    if len(inputs) > CURVED:
        return None
    inputs = inputs[:, :: max(1, inputs.shape[1] // CURVED_ROWS)]
    scores = weights.T.astype(np.float32) @ inputs
    scores = np.exp(scores - scores.max(0))
    scores /= scores.sum(0)
    squares = np.stack([(inputs * (p * (1 - p))) @ inputs.T for p in scores]).astype(np.float64)
    squares /= inputs.shape[1]
    every = np.arange(len(inputs))
    squares[:, every, every] += np.maximum(penalty[:, 0], LEAST_CURVATURE)
    return np.asarray(np.linalg.inv(np.linalg.cholesky(squares)))
