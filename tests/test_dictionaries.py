"""Whether atoms are recovered, against plain calculations."""

import numpy as np
import pytest

from sparsevae.metrics import dictionaries
from sparsevae.metrics.images import explained_variance
from sparsevae.metrics.sparsity import dead_share

RNG = np.random.default_rng(0)


def test_cosines_are_those_of_every_pair(monkeypatch):
    monkeypatch.setattr(dictionaries, "CHUNK", 3)
    learned, known = RNG.normal(size=(11, 6)), RNG.normal(size=(8, 6))
    expected = [max(a @ b / np.linalg.norm(a) / np.linalg.norm(b) for b in learned) for a in known]
    np.testing.assert_allclose(dictionaries.largest_cosines(learned, known), expected)
    scaled = learned * RNG.uniform(0.1, 9, (11, 1))
    np.testing.assert_allclose(dictionaries.largest_cosines(scaled, known), expected)


def test_a_dictionary_recovers_itself_and_not_its_opposite():
    known = RNG.normal(size=(20, 50))
    assert dictionaries.recovered(np.vstack([known[5:], np.zeros((3, 50))]), known) == 15
    assert dictionaries.recovered(-known, known) == 0


def test_explained_variance_is_of_what_is_there():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y, gaps = 0.5 * x, np.where(rng.random(x.shape) < 0.3, np.nan, x)
    assert explained_variance(gaps, y) == pytest.approx(0.75, abs=0.01)
    assert explained_variance(gaps, np.nanmean(gaps, axis=0)) == pytest.approx(0)


def test_explained_variance_is_one_for_the_rows_and_none_for_their_mean():
    x = RNG.normal(3, 2, (50, 7))
    assert explained_variance(x, x) == 1
    np.testing.assert_allclose(explained_variance(x, x.mean(0)), 0, atol=1e-12)
    y = x + RNG.normal(0, 1, x.shape)
    expected = 1 - ((x - y) ** 2).sum() / (50 * x.var(0).sum())
    np.testing.assert_allclose(explained_variance(x, y), expected)
    assert np.isnan(explained_variance(np.ones((3, 2)), np.ones((3, 2))))


def test_dead_are_gates_that_are_never_open():
    gamma = np.array([[0.4, 0.6, 0.0], [0.5, 0.1, 0.0]])
    assert dead_share(gamma) == 2 / 3
