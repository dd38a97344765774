"""Sparseness, entropy and information against loops, scikit-learn and closed forms."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from sparsevae.metrics import sparseness

MEASURES = (
    sparseness.hoyer,
    sparseness.population_sparseness,
    sparseness.lifetime_sparseness,
)
each_measure = pytest.mark.parametrize("measure", MEASURES, ids=lambda measure: measure.__name__)


@pytest.fixture
def codes():
    rng = np.random.default_rng(0)
    values = rng.normal(size=(50, 7)) * (rng.random((50, 7)) < 0.4)
    values[3] = 0.0  # an image without a code
    values[:, 5] = 0.0  # a dimension that is never on
    return values.astype(np.float32)


def hoyer_by_loop(codes):
    found, root = [], len(codes[0]) ** 0.5
    for code in codes.astype(float):
        if code.any():
            found.append((root - sum(abs(code)) / sum(code**2) ** 0.5) / (root - 1))
    return np.mean(found)


def treves_rolls_by_loop(rows):
    found = []
    for row in np.abs(rows.astype(float)):
        if row.any():
            n = len(row)
            a = (sum(row) / n) ** 2 / (sum(row**2) / n)
            found.append((1 - a) / (1 - 1 / n))
    return np.mean(found)


def test_measures_equal_loops(codes):
    assert sparseness.hoyer(codes) == pytest.approx(hoyer_by_loop(codes))
    assert sparseness.population_sparseness(codes) == pytest.approx(treves_rolls_by_loop(codes))
    assert sparseness.lifetime_sparseness(codes) == pytest.approx(treves_rolls_by_loop(codes.T))


@each_measure
def test_equal_entries_are_dense_and_a_single_one_is_sparse(measure):
    signs = np.where(np.arange(30).reshape(5, 6) % 2, 1.0, -1.0)
    assert measure(3 * signs) == pytest.approx(0.0, abs=1e-12)
    assert measure(np.eye(6)) == pytest.approx(1.0)
    assert measure(1e3 * np.eye(6)) == pytest.approx(1.0)


@each_measure
def test_zeros_alone_and_single_numbers_have_none(measure):
    assert measure(np.zeros((4, 3))) is None
    assert measure(np.ones((1, 1))) is None


def test_half_of_the_entries_have_the_values_of_the_formulas():
    half = np.array([[1.0, 1.0, 0.0, 0.0]])
    assert sparseness.hoyer(half) == pytest.approx(2 - 2**0.5)
    assert sparseness.population_sparseness(half) == pytest.approx((1 - 1 / 2) / (1 - 1 / 4))


# ------------------------------------------------------------------ entropy


def all_patterns(gates):
    """Every on/off pattern once, as spike probabilities."""
    counts = np.arange(2**gates)[:, None] >> np.arange(gates) & 1
    return 0.1 + 0.8 * counts


def test_entropies_of_all_patterns_are_their_number_of_gates():
    gamma = all_patterns(9)  # more gates than a byte has bits
    assert sparseness.support_entropy(gamma) == pytest.approx(9.0)
    assert sparseness.gate_entropy(gamma) == pytest.approx(9.0)


def test_gates_that_move_together_have_the_entropy_of_one():
    gamma = np.repeat(all_patterns(1), 12, axis=1)
    assert sparseness.support_entropy(gamma) == pytest.approx(1.0)
    assert sparseness.gate_entropy(gamma) == pytest.approx(12.0)


def test_entropies_equal_sums_over_counted_patterns():
    gamma = np.random.default_rng(0).random((200, 5)) ** 2
    patterns = {}
    for row in gamma > 0.5:
        patterns[tuple(row)] = patterns.get(tuple(row), 0) + 1 / 200
    expected = -sum(share * np.log2(share) for share in patterns.values())
    assert sparseness.support_entropy(gamma) == pytest.approx(expected)
    rates = (gamma > 0.5).mean(0)
    each = -(rates * np.log2(rates) + (1 - rates) * np.log2(1 - rates))
    assert sparseness.gate_entropy(gamma) == pytest.approx(each.sum())
    assert sparseness.support_entropy(gamma) <= sparseness.gate_entropy(gamma)


def test_gates_that_are_always_open_have_no_entropy_and_tell_nothing():
    gamma, labels = np.ones((20, 3)), np.arange(20) % 4
    assert sparseness.support_entropy(gamma) == sparseness.gate_entropy(gamma) == 0.0
    assert sparseness.class_information(gamma, labels).tolist() == [0.0, 0.0, 0.0]


# ------------------------------------------------------------------ information


def test_information_is_that_of_another_implementation():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 4, 300)
    gamma = np.clip(rng.random((300, 6)) + 0.2 * (labels[:, None] == np.arange(6)), 0, 1)
    expected = [mutual_info_score(labels, on) / np.log(2) for on in (gamma > 0.5).T]
    np.testing.assert_allclose(sparseness.class_information(gamma, labels), expected, atol=1e-12)


def test_a_gate_that_is_a_class_tells_the_entropy_of_being_it():
    labels = np.arange(400) % 4
    found = sparseness.class_information(np.eye(4)[labels], labels)
    np.testing.assert_allclose(found, 2 - 0.75 * np.log2(3))  # bits of a coin with p = 1/4
    halves = (labels < 2)[:, None].astype(float)
    np.testing.assert_allclose(sparseness.class_information(halves, labels), 1.0)


def test_independent_gates_tell_about_what_chance_gives():
    rng = np.random.default_rng(0)
    labels, gamma = rng.integers(0, 10, 2000), rng.random((2000, 200))
    by_chance = 9 / (2 * 2000 * np.log(2))
    found = sparseness.class_information(gamma, labels)
    assert found.mean() == pytest.approx(by_chance, rel=0.15)


def test_only_used_dimensions_are_averaged():
    information = np.array([0.2, 0.9, 0.4])
    chosen = np.array([True, False, True])
    assert sparseness.mean_and_largest(information, chosen) == pytest.approx((0.3, 0.4))
    assert sparseness.mean_and_largest(information, ~chosen & False) == (0.0, 0.0)
