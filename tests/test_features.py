"""Rows of known features: their law, that they are the same wherever they are read, and scores."""

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from sparsevae import data
from sparsevae.experiments.features import BLOCK, BRANCHES, DrawnRows, Features
from sparsevae.experiments.reproductions import synth_sae
from sparsevae.metrics import dictionaries as metrics
from sparsevae.models import build

SMALL = Features(count=90, dimensions=12, trees=1, seed=3)
RNG = np.random.default_rng(0)


def test_the_law_has_the_published_rates_and_trees():
    whole = Features(16_384, 768, 128)
    assert whole.rates[0] == pytest.approx(0.4)
    assert whole.rates[-1] == pytest.approx(5e-4)
    in_trees = (whole.parents >= 0).sum() + 128
    assert in_trees == 128 * (1 + 4 + 16 + 64)
    np.testing.assert_array_equal(np.bincount(whole.parents[128:10880])[:2688], BRANCHES)
    roots = whole.chances[:128]
    np.testing.assert_allclose(roots, whole.rates[:128])
    np.testing.assert_allclose(whole.chances[10880:], whole.rates[10880:])


def test_children_fire_with_their_parents_and_alone_among_siblings():
    weights = DrawnRows(Features(), 4 * BLOCK, 1).weighted(4 * BLOCK)
    on = torch.cat([w for w, _ in weights]) > 0
    features = Features()
    child = torch.from_numpy(np.flatnonzero(features.parents >= 0))
    assert not (on[:, child] & ~on[:, features.parents[child]]).any()
    siblings = on[:, 8:40].view(len(on), 8, 4).sum(2)
    assert siblings.max() == 1
    rates = on.double().mean(0).numpy()
    np.testing.assert_allclose(rates[:8], features.rates[:8], atol=0.03)
    np.testing.assert_allclose(rates[680:].mean(), features.rates[680:].mean(), rtol=0.15)
    assert on.sum(1).double().mean() == pytest.approx(7.24, abs=0.15)


def test_rows_are_sums_of_what_is_on():
    ((weights, rows),) = DrawnRows(SMALL, BLOCK, 5).weighted(BLOCK)
    expected = weights.numpy() @ SMALL.atoms.numpy() + SMALL.bias.numpy()
    np.testing.assert_allclose(rows, expected, atol=1e-5)
    assert SMALL.bias.norm() == pytest.approx(0.5)
    assert (weights >= 0).all()


def test_a_row_is_the_same_wherever_it_is_read():
    rows = DrawnRows(SMALL, 2 * BLOCK + 10, 5)
    apart = DrawnRows(SMALL, 2 * BLOCK + 10, 5)
    places = np.array([2 * BLOCK + 3, 7, BLOCK, 7])
    before = rows[places]
    assert rows[:].shape == rows.shape == (2 * BLOCK + 10, 12)
    np.testing.assert_array_equal(before, rows[:][places])
    np.testing.assert_array_equal(apart[BLOCK - 2 : BLOCK + 3], rows[BLOCK - 2 : BLOCK + 3])
    assert len(apart[: 2 * BLOCK + 99]) == 2 * BLOCK + 10
    assert not np.array_equal(DrawnRows(SMALL, 9, 6)[:], rows[:9])


def test_scores_are_those_of_other_implementations():
    learned, known = RNG.normal(size=(5, 4)), RNG.normal(size=(7, 4))
    near = metrics.cosines(learned, known)
    pair = abs(learned[1] @ known[2]) / np.linalg.norm(learned[1]) / np.linalg.norm(known[2])
    assert near[1, 2] == pytest.approx(pair)
    assert metrics.matched_cosine(metrics.cosines(known[::-1], -3 * known)) == pytest.approx(1)
    assert metrics.uniqueness(metrics.cosines(np.repeat(known, 2, 0), known)) == 0.5
    on, true = RNG.random((50, 3)) < 0.4, RNG.random((50, 3)) < 0.5
    ours = metrics.f1_scores((on & true).sum(0), on.sum(0), true.sum(0))
    theirs = [f1_score(true[:, j], on[:, j]) for j in range(3)]
    np.testing.assert_allclose(ours, theirs)
    np.testing.assert_array_equal(metrics.f1_scores(*np.zeros((3, 2))), 0)


def test_calibration_is_none_for_true_probabilities_and_counts_what_is_off():
    p = RNG.random(200_000)
    fired = RNG.random(len(p)) < p
    assert metrics.calibration_error(p, fired) < 0.01
    assert metrics.calibration_error(p / 2, fired) == pytest.approx(0.25, abs=0.01)
    hard = np.where(fired, 1.0, 0.0)
    assert metrics.calibration_error(hard, fired) == 0
    assert metrics.calibration_error(1 - hard, fired) > 0.9


class Known:
    """A run whose dictionary is the features' and whose encoder opens what it is told."""

    def __init__(self, features):
        arguments = {"likelihood": "shared-gaussian", "target_active": 1.0}
        model = build("l1", (features.dimensions,), 8, trunk="linear", arguments=arguments)
        model.decoder.trunk[0].weight.data = 2 * features.atoms[:8].clone()
        self.model = model

    def load(self, device):
        return self.model.to(device)


def test_a_dictionary_of_the_features_is_recognised(monkeypatch):
    monkeypatch.setattr(synth_sae, "MEASURED", 2 * BLOCK)
    synth_sae.observed.cache_clear()
    run = Known(SMALL)
    found = synth_sae.measure(SMALL, run)
    assert found["feature_mcc"] == pytest.approx(1)
    assert found["uniqueness"] == 1
    assert 0 < found["feature_f1"] <= 1
    rows = np.concatenate([rows for _, rows in synth_sae.observed(SMALL)])
    on = (run.model.encode(torch.from_numpy(rows)) != 0).sum(1).double().mean()
    assert found["l0"] == pytest.approx(float(on))
    assert set(found) == set(synth_sae.QUANTITIES)


def test_what_is_told_is_the_truth():
    synth_sae.observed.cache_clear()
    told = synth_sae.REPRODUCTION.studies["l1"].arguments["l1"]["target_active"]
    assert told == pytest.approx(synth_sae.number_on(Features(), 256), rel=0.01)


def test_the_rows_are_a_data_set_of_that_name():
    few = data.load("synth-sae", limit=20)
    assert few.train.images.shape == few.test.images.shape == (20, 128)
    assert "synth-sae" not in data.names()
    whole = data.load("synth-sae")
    assert len(whole.train) == 2**18
    assert whole.sha256 == Features().key


def test_a_probe_that_is_told_the_features_is_a_ceiling(monkeypatch):
    monkeypatch.setattr(synth_sae, "PROBE_BLOCKS", 8)
    monkeypatch.setattr(synth_sae, "MEASURED", 2 * BLOCK)
    synth_sae.observed.cache_clear()
    assert synth_sae.probe_f1(Features(100, 96, 1), 20) > 0.9
    synth_sae.observed.cache_clear()
