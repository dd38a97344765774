"""Classes from few labels: neighbours and linear probes against other implementations."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from sparsevae.data.splits import shuffled, stratified_indices
from sparsevae.metrics import clusters, probes

CLASSES = 4


def blobs(count, *, spread=1.0, latents=6, seed=0):
    """Codes around a centre for each class, and the classes."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % CLASSES
    centres = np.random.default_rng(9).normal(size=(CLASSES, latents))
    codes = centres[labels] + spread * rng.normal(size=(count, latents))
    return codes.astype(np.float32), labels


# ------------------------------------------------------------------ neighbours


def test_distances_survive_codes_far_from_the_origin():
    codes, labels = blobs(800)
    near = clusters.neighbour_accuracies(codes, labels, 400)[0]
    far = clusters.neighbour_accuracies(codes + 1000, labels, 400)[0]
    np.testing.assert_allclose(far, near, atol=0.02)  # float32 keeps four decimals there


def nearest_by_sorting(known, labels, asked):
    """All distances sorted, the most frequent class of five, of equal counts the first."""
    distances = ((asked[:, None].astype(float) - known[None]) ** 2).sum(2)
    votes = labels[np.argsort(distances, axis=1, kind="stable")[:, :5]]
    return np.array([np.bincount(vote).argmax() for vote in votes])


def test_accuracies_are_those_of_sorted_distances():
    codes, labels = blobs(600, spread=1.5)
    expected = []
    for seed in range(10):
        order = shuffled(600, seed)
        known, asked = order[:200], order[300:]
        said = nearest_by_sorting(codes[known], labels[known], codes[asked])
        expected.append((said == labels[asked]).mean())
    np.testing.assert_array_equal(clusters.neighbour_accuracies(codes, labels, 200)[0], expected)


def test_half_of_the_images_are_scored_from_labels_of_the_other_half():
    codes, labels = blobs(901, spread=1.5)
    expected = []
    for seed in range(10):
        order = shuffled(901, seed)
        other = KNeighborsClassifier(5, algorithm="brute")
        other.fit(codes[order[:200]], labels[order[:200]])
        expected.append(other.score(codes[order[450:]], labels[order[450:]]))
    found = clusters.neighbour_accuracies(codes, labels, 200)[0]
    np.testing.assert_allclose(found, expected, atol=0.003)
    assert found.std() > 0


def test_sizes_that_are_asked_for_together_are_those_of_each_alone():
    codes, labels = blobs(900, spread=1.5)
    together = clusters.neighbour_accuracies(codes, labels, 20, 451, 300)
    assert together[1] is None
    for size, found in ((20, together[0]), (300, together[2])):
        np.testing.assert_array_equal(clusters.neighbour_accuracies(codes, labels, size)[0], found)
    assert together[0].mean() < together[2].mean()


def test_distances_are_in_memory_a_few_at_a_time(monkeypatch):
    whole = clusters.neighbour_accuracies(*blobs(600, spread=1.5), 200)
    monkeypatch.setattr(clusters, "AT_ONCE", 200 * 7)
    np.testing.assert_array_equal(
        clusters.neighbour_accuracies(*blobs(600, spread=1.5), 200), whole
    )


@pytest.mark.parametrize(("count", "size"), [(398, 200), (900, 4)])
def test_too_few_images_have_no_neighbour_accuracy(count, size):
    assert clusters.neighbour_accuracies(*blobs(count), size)[0] is None


def test_as_many_labels_as_half_the_images_are_enough():
    assert clusters.neighbour_accuracies(*blobs(400), 200)[0].shape == (10,)


# ------------------------------------------------------------------ probe


def drawn(count, **settings):
    """Codes and classes of the images that probes learn from."""
    codes, labels = blobs(count, **settings)
    draws = probes.probe_draws(labels)
    return codes[draws], labels[draws]


def test_draws_are_stratified_and_differ_by_seed():
    labels = np.repeat([0, 1, 2], [7000, 2000, 1000])
    draws = probes.probe_draws(labels)
    assert draws.shape == (5, 5000)
    for draw in draws:
        assert np.bincount(labels[draw]).tolist() == [3500, 1000, 500]
        assert len(np.unique(draw)) == 5000
    assert len({draw.tobytes() for draw in draws}) == 5
    assert probes.probe_draws(labels[6900:]).shape == (5, 3100)


def by_hand(codes, labels, test_codes, test_labels, size, seed):
    """The protocol of the probe, scaling and choice of C written out."""
    chosen = stratified_indices(labels, size, seed)
    codes, labels = codes[chosen].astype(float), labels[chosen]
    held = stratified_indices(labels, size // 5, seed)
    rest = np.setdiff1d(np.arange(size), held)

    def scored(fitted_on, strength, rows, classes):
        mean, deviation = codes[fitted_on].mean(0), codes[fitted_on].std(0)
        line = LogisticRegression(C=strength, max_iter=5000, solver="newton-cholesky")
        line.fit((codes[fitted_on] - mean) / deviation, labels[fitted_on])
        return line.score((rows - mean) / deviation, classes)

    strengths = [10.0**power for power in range(-3, 3)]
    best = max(strengths, key=lambda c: scored(rest, c, codes[held], labels[held]))
    return scored(np.arange(size), best, test_codes, test_labels)


def test_the_probe_is_its_protocol_written_out():
    codes, labels = drawn(1200, spread=2.0)
    test_codes, test_labels = blobs(1000, spread=2.0, seed=1)
    found = probes.probe_accuracies(codes, labels, test_codes, test_labels, 200)
    expected = [
        by_hand(codes[seed], labels[seed], test_codes, test_labels, 200, seed) for seed in range(5)
    ]
    np.testing.assert_allclose(found, expected, atol=0.003)
    assert found.std() > 0


@pytest.mark.parametrize("axes", [0, 256], ids=["common curvature", "each class's own"])
@pytest.mark.parametrize("strength", [0.01, 100.0])
def test_the_optimum_is_that_of_newtons_method(strength, axes, monkeypatch):
    monkeypatch.setattr(probes, "CURVED", axes)
    codes, labels = blobs(800, spread=2.0)
    (found,) = probes.fit_probes(codes, labels, (strength,))
    scaled = (codes - codes.mean(0, dtype=np.float64)) / codes.std(0, dtype=np.float64)
    line = LogisticRegression(C=strength, tol=1e-10, solver="newton-cholesky")
    line.fit(scaled, labels)
    weights = found.weights[:-1] - found.weights[:-1].mean(1, keepdims=True)
    spread = np.abs(line.coef_).max()
    np.testing.assert_allclose(weights, line.coef_.T, atol=2e-3 * spread)
    assert (found.predict(codes) == line.predict(scaled)).mean() > 0.998


def test_classes_that_a_line_separates_are_told_and_others_guessed():
    test = blobs(500, spread=0.01, seed=1)
    assert probes.probe_accuracies(*drawn(400, spread=0.01), *test, 200).min() == 1.0
    noise = np.random.default_rng(0).normal(size=(5, 400, 6))
    guessed = probes.probe_accuracies(noise, drawn(400)[1], *test, 200)
    assert guessed.mean() < 0.45


def test_scale_and_place_of_a_dimension_do_not_matter():
    (codes, labels), (test, classes) = drawn(300, spread=2.0), blobs(400, spread=2.0, seed=1)
    scale, shift = np.array([1, 1e3, 1e-3, 5, 1, 1]), np.array([0, 7, -3, 1e3, 0, 0])
    plain = probes.probe_accuracies(codes, labels, test, classes, 200)
    moved = codes * scale + shift, labels, test * scale + shift, classes
    np.testing.assert_allclose(probes.probe_accuracies(*moved, 200), plain, atol=0.005)


def test_dimensions_that_never_move_are_no_mistake():
    (codes, labels), (test, classes) = drawn(300), blobs(100, seed=1)
    codes[..., 2] = test[:, 2] = 0.0
    assert probes.probe_accuracies(codes, labels, test, classes, 200).mean() > 0.7
    still = probes.probe_accuracies(0 * codes, labels, 0 * test, classes, 200)
    np.testing.assert_allclose(still, 1 / CLASSES)


def test_a_probe_that_sees_one_class_says_it():
    labels = np.zeros((5, 300), int)
    classes = np.array([0, 0, 1, 0])
    codes = np.random.default_rng(0).normal(size=(5, 300, 2))
    found = probes.probe_accuracies(codes, labels, np.ones((4, 2)), classes, 200)
    assert found.tolist() == [0.75] * 5


def test_too_few_training_images_have_no_probe():
    assert probes.probe_accuracies(*drawn(199), *blobs(50), 200) is None
