"""What codes are good for: a class from few labels, by its neighbours or by a linear map.

Shape legend: N images, J latent dimensions, S seeds. Codes may be any rows: pixels, principal
components.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data.splits import shuffled, stratified_indices

Floats = npt.NDArray[np.floating]
Labels = npt.NDArray[np.int64]

SIZES = (200, 1000, 5000)  # labelled images
NEIGHBOURS = 5
NEIGHBOUR_SEEDS = range(10)
PROBE_SEEDS = range(5)
STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0, 100.0)  # C, what regularisation is divided by
VALIDATION_SHARE = 5  # one labelled image in so many chooses C
CHUNK = 1000  # images whose distances are held at a time
ITERATIONS = 2000  # more than any of these convex problems has needed


def neighbour_accuracies(codes: Floats, labels: Labels, size: int) -> Floats | None:
    """Accuracy of the 5 nearest neighbours, Euclidean, on random halves of the images.

    For each of 10 seeds the images are shuffled; the first ``size`` of one half are labelled, and
    every image of the other half takes the class that most of its 5 nearest labelled images have
    (of classes with as many, the first).

    Source: the protocol of Vafaii, Galor & Yates 2024, "Poisson variational autoencoder".

    Args:
        codes: shape ``(N, J)``.
        labels: class of every image, shape ``(N,)``.
        size: number of labelled images.

    Returns:
        Share of images with the right class, shape ``(S,)``; None where half the images are
        fewer than ``size``, or ``size`` is below 5.
    """
    half = len(codes) // 2
    if not NEIGHBOURS <= size <= half:
        return None
    found = []
    for seed in NEIGHBOUR_SEEDS:
        order = shuffled(len(codes), seed)
        labelled, scored = order[:size], order[half:]
        said = nearest_class(codes[labelled], labels[labelled], codes[scored])
        found.append((said == labels[scored]).mean())
    return np.array(found)


def nearest_class(codes: Floats, labels: Labels, asked: Floats) -> Labels:
    """The most frequent class of the 5 nearest codes, for every row of ``asked``.

    Args:
        codes: labelled ones, shape ``(N, J)``.
        labels: their classes, shape ``(N,)``.
        asked: shape ``(M, J)``.

    Returns:
        Shape ``(M,)``.
    """
    centre = codes.mean(0)  # near 0 the squares below lose fewer digits
    known = codes - centre
    squares = (known**2).sum(1)
    votes = np.eye(int(labels.max()) + 1, dtype=np.int8)[labels]  # (N, K)
    said = []
    for start in range(0, len(asked), CHUNK):
        rows = asked[start : start + CHUNK] - centre
        distances = squares - 2 * (rows @ known.T)  # (m, N), each row less its own square
        nearest = np.argpartition(distances, NEIGHBOURS - 1, axis=1)[:, :NEIGHBOURS]
        said.append(votes[nearest].sum(1).argmax(1))
    return np.concatenate(said)


def probe_draws(labels: Labels) -> npt.NDArray[np.int64]:
    """Which training images a probe learns from, by seed: 5,000, stratified, or all there are.

    Args:
        labels: of the training images, shape ``(N,)``.

    Returns:
        Positions, shape ``(S, min(N, 5000))``.
    """
    most = min(len(labels), SIZES[-1])
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
        than ``size`` images.
    """
    if size > labels.shape[1]:
        return None
    found = []
    for seed, known, of in zip(PROBE_SEEDS, codes, labels, strict=True):
        chosen = stratified_indices(of, size, seed)
        probe = _chosen_probe(known[chosen], of[chosen], seed)
        found.append((probe.predict(test_codes) == test_labels).mean())
    return np.array(found)


def _chosen_probe(codes: Floats, labels: Labels, seed: int) -> Any:
    """The probe fitted on all rows, with the strength that a fifth of them chose."""
    from threadpoolctl import threadpool_limits

    held = np.zeros(len(labels), dtype=bool)
    held[stratified_indices(labels, max(1, len(labels) // VALIDATION_SHARE), seed)] = True
    with threadpool_limits(1, "blas"):  # problems this small take longer with more threads
        scores = [
            _probe(codes[~held], labels[~held], strength).score(codes[held], labels[held])
            for strength in STRENGTHS
        ]
        return _probe(codes, labels, STRENGTHS[int(np.argmax(scores))])


def _probe(codes: Floats, labels: Labels, strength: float) -> Any:
    """Scaling and logistic regression; where only one class is seen, that class."""
    from sklearn.dummy import DummyClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    one = len(np.unique(labels)) == 1
    line = DummyClassifier() if one else LogisticRegression(C=strength, max_iter=ITERATIONS)
    return make_pipeline(StandardScaler(), line).fit(codes.astype(np.float64), labels)
