"""Metrics of known factors: closed forms, independent implementations, and chance."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import entropy
from sklearn.linear_model import LinearRegression
from sklearn.metrics import mutual_info_score

from sparsevae.data import Dataset, Split, smiley
from sparsevae.evaluation import factors
from sparsevae.metrics import disentanglement as metrics

N, GROUPS = 4000, {"first": slice(0, 2), "second": slice(2, 5)}
ALL = np.ones(5, dtype=bool)


@pytest.fixture(scope="module")
def sources():
    """Five factors in two groups, each group absent from half of the images."""
    random = np.random.default_rng(0)
    there = random.random((N, 2)) < 0.5
    values = random.normal(size=(N, 5))
    return np.where(np.repeat(there, [2, 3], axis=1), values, 0.0)


@pytest.fixture(scope="module")
def bins(sources):
    return metrics.binned(sources, sources != 0)


@pytest.fixture(scope="module")
def dataset(sources):
    images = np.zeros((N, 1, 2, 2), np.uint8)
    known = Split(images, factors=np.where(sources == 0, np.nan, sources))
    return Dataset("known", known, known, factor_groups=GROUPS)


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(1).normal(size=(N, 5))


def mixed(sources):
    """Every latent a sum of one source of each group."""
    return np.stack([sources[:, j % 2] + sources[:, 2 + j % 3] for j in range(5)], axis=1)


# ------------------------------------------------------------------ bins and information


def test_an_absent_factor_is_a_bin_of_its_own_and_the_others_hold_alike_many(sources, bins):
    np.testing.assert_array_equal(bins == 0, sources == 0)
    for column in bins.T:
        counts = np.bincount(column)[1:]
        assert len(counts) == metrics.BINS
        assert counts.max() - counts.min() <= 1
    order = np.argsort(sources[:, 0])
    present = bins[order, 0][bins[order, 0] > 0]
    assert (np.diff(present) >= 0).all()


def test_what_is_never_there_or_always_the_same_has_one_bin():
    constant = np.array([[0.0, 2.0], [0.0, 2.0], [0.0, 2.0]])
    found = metrics.binned(constant, constant != 0)
    assert (found[:, 0] == 0).all()
    assert len(set(found[:, 1])) == 1
    np.testing.assert_allclose(metrics.entropies(found), 0, atol=1e-12)


def test_information_is_that_of_scikit_learn_and_entropy_that_of_scipy(sources, bins, noise):
    latents = metrics.binned(noise + sources, noise != 0)
    found = metrics.mutual_information(latents, bins)
    for j, k in ((0, 0), (1, 3), (4, 4)):
        assert found[j, k] == pytest.approx(mutual_info_score(latents[:, j], bins[:, k]))
    expected = [entropy(np.bincount(column)) for column in bins.T]
    np.testing.assert_allclose(metrics.entropies(bins), expected)


# ------------------------------------------------------------------ a perfect code, and chance


def test_factors_as_the_code_share_nothing_but_the_bit_of_their_presence(sources, bins):
    """I(z_k; v_k) = H(v_k), and a neighbour in the same group knows whether v_k is there."""
    there = (sources != 0).mean(0)
    presence = np.array([entropy([p, 1 - p]) for p in there])
    whole = metrics.entropies(bins)
    expected = np.mean((whole - presence) / whole)
    # the neighbour's own values add (bins − 1)²/2n of bias over the n images where both are
    biased = np.mean(19**2 / 2 / (there * N) * there / whole)
    found = metrics.mutual_information_gap(bins, bins)
    assert found == pytest.approx(expected - biased, abs=0.02)


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [3, 0, 4, 2, 1]])
def test_a_perfect_code_gets_the_best_scores_in_any_order_and_sign(sources, bins, order):
    codes = -3.0 * sources[:, order]
    correlation = metrics.correlations(codes, sources)
    assert metrics.block_share(correlation, GROUPS.values(), ALL) > 0.99
    assert metrics.separated_predictability(codes, sources) > 0.99
    assert metrics.factor_vae_score(codes, bins, ALL) == 1.0
    found = metrics.dci(codes, bins)
    assert found.informativeness > 0.9
    assert min(found.disentanglement, found.completeness) > 0.5
    same = metrics.binned(codes, codes != 0)
    plain = metrics.mutual_information_gap(bins, bins)
    assert metrics.mutual_information_gap(same, bins) == pytest.approx(plain, abs=0.02)


def test_noise_gets_what_chance_gives(sources, bins, noise):
    assert metrics.separated_predictability(noise, sources) < 0.01
    latents = metrics.binned(noise, noise != 0)
    assert metrics.mutual_information_gap(latents, bins) < 0.02
    assert metrics.factor_vae_score(noise, bins, ALL) < 0.35
    found = metrics.dci(noise, bins)
    assert found.disentanglement < 0.1
    assert found.informativeness < 0.6


def test_a_code_that_mixes_groups_scores_between(sources, bins):
    codes = mixed(sources)
    correlation = metrics.correlations(codes, sources)
    share = metrics.block_share(correlation, GROUPS.values(), ALL)
    assert 0.45 < share < 0.6
    assert metrics.separated_predictability(codes, sources) < 0.3
    perfect = metrics.dci(sources, bins)
    assert metrics.dci(codes, bins).disentanglement < perfect.disentanglement - 0.2


# ------------------------------------------------------------------ one by one


def test_correlations_are_numpys_and_0_for_a_constant(sources, noise):
    codes = np.concatenate([noise + sources, np.full((N, 1), 3.0)], axis=1)
    found = metrics.correlations(codes, sources)
    assert found.shape == (5, 6)
    expected = np.abs(np.corrcoef(sources.T, codes[:, :5].T)[:5, 5:])
    np.testing.assert_allclose(found[:, :5], expected, atol=1e-12)
    assert (found[:, 5] == 0).all()


def test_the_gap_is_that_of_regressions(sources, noise):
    codes = mixed(sources) + 0.5 * noise
    gaps = []
    for source in sources.T:
        scores = [
            LinearRegression().fit(codes[:, [j]], source).score(codes[:, [j]], source)
            for j in range(5)
        ]
        second, first = sorted(scores)[-2:]
        gaps.append(first - second)
    assert metrics.separated_predictability(codes, sources) == pytest.approx(np.mean(gaps))


def test_one_latent_leads_by_all_it_has():
    np.testing.assert_array_equal(metrics.gap(np.array([[0.5, 0.25]])), [0.5, 0.25])


def test_block_share_by_hand():
    correlation = np.sqrt(
        [[0.5, 0.1, 0.0], [0.1, 0.1, 0.0], [0.0, 0.2, 0.0], [0.2, 0.0, 0.0], [0.0, 0.4, 0.0]]
    )
    shares = [0.6 / 0.8, 0.6 / 0.8]  # the third latent correlates with nothing
    assert metrics.block_share(correlation, GROUPS.values(), np.ones(3, bool)) == pytest.approx(
        np.mean(shares)
    )
    only = np.array([True, False, False])
    assert metrics.block_share(correlation, GROUPS.values(), only) == pytest.approx(shares[0])
    assert metrics.block_share(correlation, GROUPS.values(), ~np.ones(3, bool)) == 0.0


def test_entropies_of_importances_by_hand():
    importance = np.array([[0.6, 0.0], [0.0, 0.0], [0.2, 0.2]])
    halves = 1 - entropy([0.5, 0.5], base=2)
    assert metrics.disentanglement(importance) == pytest.approx(0.6 + 0.4 * halves)
    columns = [1 - entropy([0.75, 0.25], base=3), 1.0]
    assert metrics.completeness(importance) == pytest.approx(np.mean(columns))
    assert metrics.disentanglement(np.zeros((3, 2))) == 0.0
    assert metrics.completeness(np.array([[0.3, 0.7]])) == 1.0


def test_the_score_of_votes_leaves_constant_and_unchosen_latents_out(sources, bins):
    padded = np.concatenate([np.ones((N, 1)), sources, np.zeros((N, 1))], axis=1)
    assert metrics.factor_vae_score(padded, bins, np.ones(7, bool)) == 1.0
    assert metrics.factor_vae_score(padded, bins, np.zeros(7, bool)) == 0.0
    assert metrics.factor_vae_score(padded[:, :1], bins, np.ones(1, bool)) == 0.0


def test_a_latent_that_is_always_a_third_does_not_vote_either(sources, bins):
    """The mean of so many thirds is none in single precision."""
    codes = np.concatenate([sources, np.full((N, 1), 1 / 3)], axis=1, dtype=np.float32)
    assert codes.std(0)[-1] > 0
    assert metrics.factor_vae_score(codes, bins, np.ones(6, bool)) == 1.0


def test_a_single_latent_that_says_nothing_is_neither_complete_nor_disentangled():
    nothing = np.zeros((1, 3))
    assert metrics.completeness(nothing) == metrics.disentanglement(nothing) == 0.0
    assert metrics.completeness(np.ones((1, 3))) == 1.0


# ------------------------------------------------------------------ the row of a run


def test_the_row_of_known_factors_and_its_ceiling(sources, dataset, noise):
    ceiling = factors.ceiling(dataset)
    row, arrays = factors.factor_columns(
        noise.astype(np.float32), ALL, dataset.test.factors, GROUPS.values()
    )
    assert set(row) == set(ceiling)
    assert arrays["factor_correlation"].shape == (5, 5)
    for name in set(row) - {"block_share_chance"}:
        assert row[name] < ceiling[name] <= 1.0
    assert row["block_share"] == pytest.approx(row["block_share_chance"], abs=0.25)
    assert ceiling["block_share"] > ceiling["block_share_chance"] + 0.2


def test_factors_without_groups_are_groups_of_their_own(sources, dataset):
    code, values = sources.astype(np.float32), dataset.test.factors
    alone = [slice(k, k + 1) for k in range(5)]
    assert (
        factors.factor_columns(code, ALL, values, ())[0]
        == (factors.factor_columns(code, ALL, values, alone)[0])
    )


def test_a_factor_that_is_always_absent_does_not_count(sources, dataset):
    code, values = sources.astype(np.float32), dataset.test.factors
    never = np.column_stack([values, np.full(len(values), np.nan)])
    row = factors.factor_columns(code, ALL, values, GROUPS.values())[0]
    wider = factors.factor_columns(code, ALL, never, GROUPS.values())[0]
    for name in ("mig", "factor_vae_score", "block_share"):
        assert wider[name] == pytest.approx(row[name], abs=0.02)
    nothing = factors.factor_columns(code, ALL, never[:, 5:], ())[0]
    assert nothing["mig"] == nothing["factor_vae_score"] == 0


def test_unknown_factors_give_no_row(dataset, noise):
    unknown = replace(dataset, test=Split(dataset.test.images))
    assert factors.factor_columns(noise, ALL, unknown.test.factors, ()) == ({}, {})


def test_the_groups_of_smiley_are_told_apart_by_their_factors():
    faces = smiley.sample(2000, seed=3)
    correlation = metrics.correlations(faces.sources, faces.sources)
    everything = np.ones(smiley.FACTORS, dtype=bool)
    assert metrics.block_share(correlation, smiley.GROUPS.values(), everything) > 0.95
