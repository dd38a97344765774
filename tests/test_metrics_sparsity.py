"""Measures of sparsity against plain loops, and at the values their definitions give."""

import numpy as np
import pytest

from sparsevae.metrics import sparsity

IMAGES, LATENTS, CLASSES = 60, 7, 4


@pytest.fixture
def gamma():
    values = np.random.default_rng(0).beta(0.3, 0.5, (IMAGES, LATENTS))
    values[:, 0] = np.where(np.arange(IMAGES) < 58, 0.9, 0.1)  # on in 96.7 %
    values[:, 1] = 0.5  # exactly undecided counts as off
    values[:, 2] = np.where(np.arange(IMAGES) == 7, 0.51, 0.0)  # on for one image
    return values.astype(np.float32)


@pytest.fixture
def labels():
    return np.random.default_rng(1).integers(0, CLASSES, IMAGES)


def test_counts_of_gates_equal_loops(gamma):
    on = [[float(value) > 0.5 for value in row] for row in gamma]
    shares = [sum(row[j] for row in on) / IMAGES for j in range(LATENTS)]
    used = np.array([True, False, False, True, False, True, True])
    np.testing.assert_allclose(sparsity.on_share(gamma), shares)
    assert sparsity.always_on(gamma) == sum(share > 0.95 for share in shares) == 1
    assert sparsity.dead(gamma, used) == 1  # the undecided one
    assert sparsity.dead(gamma, used | [False, True, *[False] * 5]) == 0
    assert sparsity.on_in_one_percent(gamma) == sum(share >= 0.01 for share in shares) == 6
    assert sparsity.active_per_image(gamma) == pytest.approx(sum(map(sum, on)) / IMAGES)


def test_a_gate_on_in_one_of_a_thousand_is_not_dead():
    gamma = np.zeros((1000, 2))
    gamma[3, 0] = 1.0
    assert sparsity.dead(gamma, np.zeros(2, bool)) == 1


def test_a_model_without_gates_is_always_on_and_not_selective(labels):
    gamma = np.ones((IMAGES, LATENTS))
    assert sparsity.always_on(gamma) == LATENTS
    assert sparsity.active_per_image(gamma) == LATENTS
    assert sparsity.selectivity(gamma, labels) == 0.0


def test_active_units_are_those_whose_mean_moves():
    spread = np.array([0.0, 0.05, 0.09, 0.11, 1.0])
    means = np.random.default_rng(2).standard_normal((20_000, 5)) * spread + 100.0
    assert sparsity.active_units(means) == 2  # standard deviation above 0.1
    assert sparsity.active_units(np.full((167_000, 2), 100.3, np.float32)) == 0


def test_a_used_dimension_is_worth_a_tenth_of_a_nat():
    rises = np.array([0.0999, 0.1, 5.0, -1.0])
    assert sparsity.used_mask(rises).tolist() == [False, True, True, False]


def test_only_exact_zeros_count():
    codes = np.array([[0.0, -0.0, 1e-30, 1.0]], dtype=np.float32)
    assert sparsity.exact_zeros(codes) == 0.5


def test_class_means_equal_loops_and_an_absent_class_has_none(gamma, labels):
    found = sparsity.class_means(gamma, labels, CLASSES + 1)
    for k in range(CLASSES):
        rows = [gamma[i] for i in range(IMAGES) if labels[i] == k]
        np.testing.assert_allclose(found[k], np.mean(rows, axis=0), rtol=1e-6)
    assert np.isnan(found[CLASSES]).all()


def naive_selectivity(gamma, labels, dimensions):
    spreads = []
    for j in dimensions:
        rates = [np.mean(gamma[labels == k, j] > 0.5) for k in np.unique(labels)]
        spreads.append(max(rates) - min(rates))
    return np.mean(spreads)


def test_selectivity_equals_a_loop(gamma, labels):
    chosen = np.array([True, False, True, True, False, True, False])
    assert sparsity.selectivity(gamma, labels) == pytest.approx(
        naive_selectivity(gamma, labels, range(LATENTS))
    )
    assert sparsity.selectivity(gamma, labels, chosen) == pytest.approx(
        naive_selectivity(gamma, labels, np.flatnonzero(chosen))
    )
    assert sparsity.selectivity(gamma, labels, np.zeros(LATENTS, bool)) == 0.0


def test_selectivity_leaves_out_classes_that_do_not_occur(gamma, labels):
    gap = np.where(labels >= 2, labels + 3, labels)
    assert sparsity.selectivity(gamma, gap) == sparsity.selectivity(gamma, labels)


def test_selectivity_is_one_for_a_dimension_a_class_and_falls_by_permuting():
    labels = np.arange(4000) % CLASSES
    gamma = np.eye(CLASSES)[labels]
    assert sparsity.selectivity(gamma, labels) == 1.0
    permuted = sparsity.permuted_selectivity(gamma, labels)
    assert 0.0 < permuted < 0.1
    assert sparsity.permuted_selectivity(gamma, labels) == permuted
    assert sparsity.permuted_selectivity(gamma, labels, seed=1) != permuted
