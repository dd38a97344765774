"""Clusters of codes against loops and at the values of clear cases."""

from itertools import combinations

import numpy as np
import pytest

from sparsevae.metrics import clusters


def separate(count=300, distance=50.0):
    """Three round clusters far from each other, and which is which."""
    labels = np.arange(count) % 3
    rng = np.random.default_rng(0)
    centres = distance * np.array([[0, 0], [1, 0], [0, 1]])
    return (centres[labels] + rng.normal(size=(count, 2))).astype(np.float32), labels


def silhouettes_by_loop(codes, labels):
    found = []
    for i, code in enumerate(codes):
        far = np.sqrt(((codes - code) ** 2).sum(1))
        own = [far[k] for k in range(len(codes)) if k != i and labels[k] == labels[i]]
        if not own:
            found.append(0.0)
            continue
        a = np.mean(own)
        b = min(far[labels == c].mean() for c in set(labels) - {labels[i]})
        found.append((b - a) / max(a, b))
    return found


def test_silhouettes_equal_a_loop_also_for_a_class_of_one():
    codes, labels = separate(40, distance=1.0)
    labels[7] = 5
    expected = silhouettes_by_loop(codes, labels)
    np.testing.assert_allclose(clusters.silhouettes(codes, labels), expected, atol=1e-6)


def test_silhouettes_are_high_for_clusters_and_low_for_shuffled_classes():
    codes, labels = separate()
    assert clusters.silhouettes(codes, labels).mean() > 0.95
    shuffled = np.random.default_rng(1).permutation(labels)
    assert abs(clusters.silhouettes(codes, shuffled).mean()) < 0.1
    np.testing.assert_array_equal(clusters.silhouettes(np.zeros_like(codes), labels), 0.0)


def test_the_first_two_thousand_images_decide():
    codes, labels = separate(2100)
    assert clusters.silhouettes(codes, labels).shape == (2000,)
    spoilt = codes.copy()
    spoilt[2000:] = 0
    assert clusters.adjusted_rand(spoilt, labels) == clusters.adjusted_rand(codes, labels)


@pytest.mark.parametrize("labels", [np.zeros(9, int), np.arange(9)], ids=["one", "all different"])
def test_without_classes_to_compare_there_is_no_silhouette(labels):
    assert clusters.silhouettes(np.eye(9), labels) is None


def rand_by_pairs(labels, found):
    """Hubert and Arabie's index from counts of pairs."""
    together = [
        (labels[i] == labels[k], found[i] == found[k])
        for i, k in combinations(range(len(labels)), 2)
    ]
    both = sum(a and b for a, b in together)
    first, second = (sum(column) for column in zip(*together, strict=True))
    expected = first * second / len(together)
    return (both - expected) / ((first + second) / 2 - expected)


def test_adjusted_rand_is_that_of_pairs_for_the_clusters_that_are_there():
    codes, places = separate(60)
    labels = places.copy()
    labels[::4] = (labels[::4] + 1) % 3
    assert clusters.adjusted_rand(codes, labels) == pytest.approx(rand_by_pairs(labels, places))
    assert clusters.adjusted_rand(codes, places) == 1.0


def test_adjusted_rand_is_about_zero_where_clusters_know_nothing():
    codes, labels = separate()
    shuffled = np.random.default_rng(1).permutation(labels)
    assert abs(clusters.adjusted_rand(codes, shuffled)) < 0.03
    assert clusters.adjusted_rand(np.zeros_like(codes), labels) == 0.0
    assert clusters.adjusted_rand(codes, np.zeros_like(labels)) is None


def test_neighbours_are_found_beside_a_dimension_ten_thousand_times_as_wide():
    """Squares of single precision hide what a dimension of ordinary size says."""
    rng = np.random.default_rng(0)
    labels, wide = rng.integers(0, 2, (2, 1000))
    codes = np.stack([1e4 * wide, labels + 0.05 * rng.normal(size=1000)], 1).astype(np.float32)
    (accuracies,) = clusters.neighbour_accuracies(codes, labels, 200)
    assert accuracies.min() == 1.0
