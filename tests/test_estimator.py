"""The estimators keep scikit-learn's contract, and ours: same seed same numbers, units undone."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import sparse, stats
from sklearn.base import clone
from sklearn.cluster import KMeans
from sklearn.datasets import load_wine
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import estimator_checks_generator

import sparsevae
from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.estimators import (
    DeterministicCoder,
    SparseVAE,
    VariationalCoder,
    VariationalSparseCoder,
)
from sparsevae.models import MODELS, build, priors
from sparsevae.training.defaults import MOST_EPOCHS, settle

CODERS = [VariationalSparseCoder, VariationalCoder, DeterministicCoder]
each_coder = pytest.mark.parametrize("coder", CODERS)
IMAGES = np.random.default_rng(0).random((20, 10, 9))


def few(coder, **parameters):
    """Enough training to have something to look at."""
    settings = {"n_components": 3, "max_iter": 2, "random_state": 0} | parameters
    return coder(**settings)


@pytest.fixture(scope="module")
def wine():
    return load_wine(as_frame=True).data


def own_checks():
    """What ``parametrize_with_checks`` yields, as the list that pytest asks for."""
    coders = [SparseVAE(model, 3, max_iter=1, widths=(4,)) for model in MODELS]
    for coder in (*coders, VariationalSparseCoder(3, max_iter=1)):
        for estimator, check in estimator_checks_generator(coder):
            name = getattr(check, "func", check).__name__
            yield pytest.param(estimator, check, id=f"{type(coder).__name__}-{coder.model}-{name}")


@pytest.mark.parametrize(("estimator", "check"), list(own_checks()))
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


# ------------------------------------------------------------------ in and out


@each_coder
def test_a_table_comes_back_in_its_units_better_than_its_mean(coder, wine):
    fitted = few(coder, max_iter=100, n_components=8).fit(wine)
    assert (fitted.likelihood_, fitted.widths_) == ("diagonal-gaussian", (64,))
    assert fitted.scaling_.kind == "standard"
    assert "0.13 to 1680" in fitted.likelihood_reason_
    restored = fitted.inverse_transform(fitted.transform(wine))
    assert restored.shape == wine.shape
    unexplained = (wine.to_numpy() - restored).var(0) / wine.to_numpy().var(0)
    assert (unexplained < 1).all()
    assert unexplained.mean() < 0.7


@pytest.mark.parametrize("shape", [(10, 9), (1, 10, 9), (3, 10, 9)], ids=str)
@each_coder
def test_images_keep_their_layout(coder, shape):
    x = np.random.default_rng(0).integers(0, 256, size=(20, *shape), dtype=np.uint8)
    fitted = few(coder, widths=(4, 8)).fit(x)
    assert (fitted.likelihood_, fitted.widths_) == ("shared-gaussian", (4, 8))
    assert fitted.scaling_.kind == "standard"
    assert fitted.n_features_in_ == x[0].size
    codes = fitted.transform(x)
    assert codes.shape == (20, 3)
    restored = fitted.inverse_transform(codes)
    assert restored.shape == x.shape
    assert 100 < restored.mean() < 155


@each_coder
def test_counts_are_taken_as_they_are(coder):
    x = np.random.default_rng(0).poisson(3.0, size=(40, 6))
    fitted = few(coder).fit(x)
    assert (fitted.likelihood_, fitted.scaling_.kind) == ("poisson", "none")
    assert (fitted.inverse_transform(np.zeros((2, 3))) > 0).all()


def test_codes_of_the_sparse_coder_hold_exact_zeros_and_may_be_stored_so(wine):
    fitted = few(VariationalSparseCoder, max_iter=20, n_components=8).fit(wine)
    dense = fitted.transform(wine)
    assert dense.dtype == np.float32
    assert (dense == 0).any()
    assert (dense != 0).any()
    stored = fitted.set_params(sparse_output=True).transform(wine)
    assert sparse.issparse(stored)
    assert stored.nnz == (dense != 0).sum()
    assert np.array_equal(stored.toarray(), dense)
    restored = fitted.inverse_transform(dense)
    assert np.array_equal(fitted.inverse_transform(stored), restored)


def test_names_and_data_frames(wine):
    coder = few(VariationalCoder).set_output(transform="pandas")
    codes = coder.fit_transform(wine)
    assert list(codes.columns) == [f"variationalcoder{j}" for j in range(3)]
    assert list(codes.columns) == list(coder.get_feature_names_out())
    assert codes.index.equals(wine.index)
    assert list(coder.feature_names_in_) == list(wine.columns)
    assert coder.inverse_transform(codes).shape == wine.shape
    with pytest.raises(ValueError, match="feature names"):
        coder.transform(wine.rename(columns={"ash": "dust"}))


def test_named_choices_are_taken(wine):
    fitted = few(
        VariationalCoder,
        likelihood={"kind": "fixed-gaussian", "scale": 0.5},
        scaling="minmax",
        widths=(5, 4),
        model_arguments={"beta": 4.0},
    ).fit(wine)
    assert fitted.model_.family_settings == {"scale": 0.5}
    assert fitted.model_.kl_weight(1.0) == 4.0
    assert (fitted.scaling_.kind, fitted.widths_) == ("minmax", (5, 4))
    assert fitted.likelihood_reason_ == "It was named."


def test_sparsity_arguments_reach_the_model(wine):
    fitted = few(VariationalSparseCoder, n_components=10, target_active=2, warm_up=True).fit(wine)
    assert fitted.model_.warm_up(0.0) == 0.0
    assert fitted.model_.penalty.target_active == 2


# ------------------------------------------------------------------ the same again


@each_coder
def test_a_seed_fixes_every_number_and_the_callers_generators_are_left_alone(coder, wine):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first, again, other = (few(coder, random_state=seed).fit(wine) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(3), expected)
    assert np.array_equal(first.transform(wine), again.transform(wine))
    assert first.score(wine) == again.score(wine)
    assert first.score(wine) != other.score(wine)


@each_coder
def test_as_many_passes_over_the_same_rows_are_one_fit(coder, wine):
    fitted = few(coder, max_iter=3, learning_rate=2e-3).fit(wine)
    stepped = few(coder, max_iter=3, learning_rate=2e-3)
    for _ in range(3):
        stepped.partial_fit(wine)
    assert stepped.n_iter_ == fitted.n_iter_ == 3
    assert np.array_equal(stepped.transform(wine), fitted.transform(wine))


def test_training_goes_on_after_the_planned_passes_and_after_fit(wine):
    fitted = few(VariationalCoder).fit(wine)
    before = fitted.transform(wine)
    for passes in (3, 4):
        fitted.partial_fit(wine.iloc[:50])
        assert fitted.n_iter_ == len(fitted.history_) == passes
    assert not np.array_equal(fitted.transform(wine), before)
    assert fitted.scaling_ == few(VariationalCoder).fit(wine).scaling_
    assert fitted.fit(wine).n_iter_ == 2


@each_coder
def test_a_pickled_copy_gives_the_same_codes_and_trains_on_alike(coder, wine):
    fitted = few(coder).fit(wine)
    copies = [pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)]
    expected = fitted.partial_fit(wine).transform(wine)
    for found in copies:
        assert np.array_equal(found.partial_fit(wine).transform(wine), expected)


def test_a_pickled_copy_restores_rows_as_its_original_does_also_when_trained_on(wine):
    x = wine.to_numpy()
    gaps = np.where(np.random.default_rng(0).random(x.shape) < 0.2, np.nan, x)
    for rows, restore in ((x, "denoise"), (gaps, "impute")):
        fitted = few(VariationalCoder).partial_fit(rows)
        copied = pickle.loads(pickle.dumps(fitted))
        expected = getattr(fitted, restore)(rows)
        again = replace(copied.trained_, history=[])
        np.testing.assert_allclose(getattr(again, restore)(rows), expected, rtol=1e-4)
        expected = getattr(fitted.partial_fit(rows), restore)(rows)
        found = getattr(copied.partial_fit(rows), restore)(rows)
        np.testing.assert_allclose(found, expected, rtol=1e-4)


# ------------------------------------------------------------------ scores and samples


@each_coder
def test_the_score_is_a_density_in_the_units_of_the_data(coder, wine):
    """Centimetres for metres: each of the D columns loses log 100 nats, nothing else changes."""
    x = wine.to_numpy()
    fitted, scaled = few(coder).fit(x), few(coder).fit(100 * x)
    expected = fitted.score(x) - x.shape[1] * np.log(100)
    np.testing.assert_allclose(scaled.score(100 * x), expected, rtol=1e-4)


def test_the_score_rises_with_training(wine):
    scores = [
        few(VariationalSparseCoder, max_iter=passes).fit(wine).score(wine) for passes in (1, 100)
    ]
    assert scores[1] > scores[0] + 3


def test_the_score_is_below_the_log_density_of_a_linear_gaussian_model():
    """Data of a known N(0, Σ): no bound may lie above the mean log-density by more than chance."""
    random = np.random.default_rng(0)
    mixing = random.normal(size=(2, 5))
    covariance = mixing.T @ mixing + 0.3 * np.eye(5)
    train, test = random.multivariate_normal(np.zeros(5), covariance, size=(2, 1000))
    fitted = few(VariationalCoder, max_iter=60).fit(train)
    exact = stats.multivariate_normal(cov=covariance).logpdf(test).mean()
    independent = stats.norm(scale=np.sqrt(np.diag(covariance))).logpdf(test).sum(1).mean()
    assert independent < fitted.score(test) < exact + 0.1


@pytest.mark.parametrize("coder", [VariationalSparseCoder, VariationalCoder])
def test_samples_look_like_the_data(coder, wine):
    fitted = few(coder, max_iter=100).fit(wine)
    drawn = fitted.sample(3000, random_state=0)
    assert drawn.shape == (3000, wine.shape[1])
    assert np.array_equal(drawn, fitted.sample(3000, random_state=0))
    spread = wine.std()
    np.testing.assert_allclose(drawn.mean(0) / spread, wine.mean() / spread, atol=0.4)
    np.testing.assert_allclose(drawn.std(0) / spread, 1, atol=0.5)
    means = fitted.sample(3000, observation_noise=False, random_state=0)
    assert (means.std(0) < drawn.std(0)).all()


def test_sampled_pixels_are_black_and_white_and_their_means_grey():
    fitted = few(VariationalCoder, likelihood="bernoulli").fit(IMAGES)
    assert set(np.unique(fitted.sample(4))) == {0.0, 1.0}
    means = fitted.sample(4, observation_noise=False)
    assert means.shape == (4, 10, 9)
    assert ((means > 0) & (means < 1)).all()


def test_there_is_nothing_to_sample_from_without_a_prior(wine):
    with pytest.raises(ConfigurationError, match="'none'"):
        few(DeterministicCoder).fit(wine).sample(3)


@pytest.mark.parametrize("prior", ["fixed", "learned", "mixture"])
def test_codes_are_drawn_from_the_prior(prior):
    """Their spikes and slabs have the frequencies and moments that the prior names."""
    torch.manual_seed(0)
    arguments = {"prior": prior, "alpha": 0.3, "pseudo_inputs": 4}
    model = build("vsc", (6,), 5, widths=(8,), arguments=arguments)
    for parameter in model.parameters():
        parameter.data.add_(0.3 * torch.randn_like(parameter))
    codes = model.draw_codes(40_000)
    if prior == "fixed":
        spikes, means = torch.full((5,), 0.3), torch.zeros(5)
    elif prior == "learned":
        spikes = model.prior.logits.sigmoid().detach()
        means = spikes * model.prior.loc.detach()
    else:
        log_weights, components = model.prior.mixture(model.posterior)
        weights = log_weights.exp()
        spikes = (weights @ components.spike_probability).detach()
        means = (weights @ components.mean).detach()
    torch.testing.assert_close((codes != 0).float().mean(0), spikes, rtol=0, atol=0.015)
    torch.testing.assert_close(codes.mean(0), means, rtol=0, atol=0.05)


def test_a_prior_that_cannot_be_drawn_from_is_one_sentence():
    model = build("ae", (6,), 5, widths=(8,), arguments={})
    with pytest.raises(ConfigurationError, match=r"^[^\n]*'none'[^\n]*\.$"):
        model.draw_codes(3)
    assert isinstance(model.prior, priors.NoPrior)


# ------------------------------------------------------------------ among other estimators


def test_in_a_pipeline_and_a_search(wine):
    labels = load_wine().target
    coder = few(VariationalCoder, max_iter=30, n_components=4)
    pipeline = make_pipeline(coder, LogisticRegression())
    assert pipeline.fit(wine, labels).score(wine, labels) > 0.9
    grid = {"variationalcoder__n_components": [1, 4]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(wine, labels)
    assert search.best_params_ == {"variationalcoder__n_components": 4}
    unsupervised = GridSearchCV(
        few(VariationalCoder), {"n_components": np.arange(1, 3)}, cv=2, error_score="raise"
    )
    assert np.isfinite(unsupervised.fit(wine).cv_results_["mean_test_score"]).all()


def test_sparse_codes_feed_other_estimators(wine):
    coder = few(VariationalSparseCoder, sparse_output=True, n_components=6)
    pipeline = make_pipeline(coder, KMeans(3, n_init=1, random_state=0))
    assert set(pipeline.fit_predict(wine)) == {0, 1, 2}


@each_coder
def test_cloning_keeps_parameters_and_forgets_training(coder, wine):
    fitted = few(coder, likelihood={"kind": "gaussian", "floor": 0.3}).fit(wine)
    fresh = clone(fitted)
    assert fresh.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        fresh.transform(wine)


def test_the_estimators_are_public_names():
    for coder in (SparseVAE, *CODERS):
        assert getattr(sparsevae, coder.__name__) is coder


# ------------------------------------------------------------------ words


@each_coder
def test_quiet_unless_verbose(coder, wine, capsys):
    few(coder).fit(wine)
    assert capsys.readouterr() == ("", "")
    few(coder, verbose=True).fit(wine)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


@pytest.mark.parametrize(
    ("rows", "epochs"), [(10, MOST_EPOCHS), (320, 500), (1_280, 125), (100_000, 10)]
)
def test_epochs_follow_the_number_of_rows(rows, epochs):
    assert settle(np.zeros((rows, 2)), batch_size=64).config.epochs == epochs


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"n_components": 0}, "n_components"),
        ({"target_active": 0.0}, "target_active"),
        ({"max_iter": -1}, "max_iter"),
        ({"batch_size": "all"}, "batch_size"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"learning_rate": {"kind": "steep"}}, "steep"),
        ({"scaling": "robust"}, "robust"),
        ({"widths": ()}, "widths"),
        ({"likelihood": "cauchy"}, "cauchy"),
        ({"model_arguments": {"depth": 3}}, "depth"),
        ({"model_arguments": {"likelihood": "poisson"}}, "likelihood"),
    ],
    ids=str,
)
def test_a_wrong_parameter_is_one_sentence_when_fit_begins(parameters, named, wine):
    with pytest.raises(ConfigurationError, match=r"^[^\n]+\.$") as caught:
        few(VariationalSparseCoder, **parameters).fit(wine)
    assert named in str(caught.value)


def refused(call, x):
    with pytest.raises(DatasetError, match=r"^[^\n]+\.$") as caught:
        call(x)
    return str(caught.value)


def test_rows_of_another_shape_are_one_sentence(wine):
    fitted = few(VariationalCoder, widths=(4,)).fit(IMAGES)
    assert "(10, 9)" in refused(fitted.transform, IMAGES[:, :9])
    assert "(90,)" in refused(fitted.transform, IMAGES.reshape(20, 90))
    assert "3 numbers" in refused(fitted.inverse_transform, np.zeros((2, 4)))


def test_data_that_a_named_likelihood_is_not_defined_for_are_one_sentence(wine):
    coder = few(VariationalCoder, likelihood="poisson")
    assert "'poisson'" in refused(coder.fit, wine)
    counts = np.random.default_rng(0).poisson(3.0, size=(40, 6))
    assert "-1 to" in refused(coder.fit(counts).score, counts - 1 - counts.min())


def test_missing_values_are_named_by_scikit_learn(wine):
    with pytest.raises(ValueError, match="NaN"):
        few(VariationalCoder).fit(np.full((3, 4, 4), np.nan))
