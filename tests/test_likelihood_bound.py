"""The importance-weighted bound against quadrature over every support, and its laws."""

from itertools import product

import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss

import sparsevae.experiments.published  # noqa: F401 (the prior "published")
from sparsevae.evaluation import Pass, bound
from sparsevae.evaluation.passes import fixed_noise, measure
from sparsevae.evaluation.probes import probe_columns
from sparsevae.metrics import likelihood
from sparsevae.models import build
from sparsevae.models.priors import FixedSpikeAndSlab, NoPrior
from sparsevae.models.schedules import Constant

PRIORS = ("fixed", "learned", "mixture", "classifier")
EACH_PRIOR = pytest.mark.parametrize("prior", PRIORS)
NODES, WEIGHTS = hermegauss(60)  # for integrals over N(0, 1)


def make(prior, latents=2, **arguments):
    """A small model whose every parameter is at a random place; ``None`` makes a VAE."""
    torch.manual_seed(3)
    if prior is not None:
        arguments |= {"prior": prior, "alpha": 0.3, "pseudo_inputs": 3}
    name = "vae" if prior is None else "vsc"
    model = build(name, (6,), latents, widths=(8,), arguments=arguments).eval()
    for parameter in model.parameters():
        parameter.data += 0.4 * torch.randn_like(parameter)
    head = model.encoder.head  # slabs wider than most of the prior's, so that weights are tame
    head.weight.data[-latents:], head.bias.data[-latents:] = 0.0, 0.7
    return model


def rows(count):
    return np.random.default_rng(0).random((count, 6), dtype=np.float32)


@torch.no_grad()
def exact_log_evidence(model, x):
    """Log p(x) of each row: components and supports enumerated, slabs by Gauss-Hermite."""
    log_weights, p = model.prior.mixture(model.posterior)
    total = np.zeros(len(x))
    share = WEIGHTS / WEIGHTS.sum()
    for u, support in product(range(len(log_weights)), product((0, 1), repeat=2)):
        gamma = torch.sigmoid(p.logits[u].double()).numpy()
        chance = np.prod(np.where(support, gamma, 1 - gamma)) * float(log_weights[u].exp())
        axes = [
            p.loc[u, j].item() + p.scale[u, j].item() * NODES if on else np.zeros(1)
            for j, on in enumerate(support)
        ]
        parts = [share if on else np.ones(1) for on in support]
        codes = torch.tensor(list(product(*axes)), dtype=torch.float32)
        mass = np.outer(*parts).ravel()
        for i, row in enumerate(torch.from_numpy(x)):
            log_p = model.likelihood(codes).log_prob(row.expand(len(codes), -1))
            total[i] += chance * (mass * np.exp(log_p.double().numpy())).sum()
    return np.log(total)


@pytest.mark.parametrize("prior", [*PRIORS, None])
def test_many_draws_reach_the_exact_evidence(prior):
    model, x = make(prior), rows(4)
    found = bound.image_bounds(model, x, samples=20_000)
    np.testing.assert_allclose(found["bound"], exact_log_evidence(model, x), atol=0.03)
    assert (found["effective_sample_size"] > 1000).all()


@EACH_PRIOR
def test_the_prior_of_codes_is_the_sum_over_components(prior):
    """The three matrix products against every component's own density."""
    model = make(prior, latents=5)
    mixture = model.prior.mixture(model.posterior)
    codes = model.draw_codes(50)
    mask = (codes != 0).float()
    with torch.no_grad():
        each = [
            type(mixture.components)(
                *(p[u].double() for p in (mixture.components.logits, mixture.components.loc)),
                mixture.components.scale[u].double(),
            ).log_prob_of(codes.double(), mask)
            for u in range(len(mixture.log_weights))
        ]
        naive = torch.stack(each).sum(-1) + mixture.log_weights.double()[:, None]
        found = bound.mixture_log_prob(mixture, codes, mask)
    torch.testing.assert_close(found, naive.logsumexp(0), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("prior", ["fixed", "learned", "mixture", None])
def test_weights_are_constant_when_the_decoder_ignores_codes_and_q_is_p(prior):
    arguments = {} if prior is None else {"prior": prior, "alpha": 0.5, "pseudo_inputs": 2}
    name = "vae" if prior is None else "vsc"
    model = build(name, (6,), 3, widths=(8,), arguments=arguments).eval()
    for layer in (model.encoder.head, model.decoder.trunk[0]):
        for parameter in layer.parameters():
            parameter.data.zero_()
    x = torch.from_numpy(rows(5))
    weights = bound.log_weights(model, x, 40, model.prior.mixture(model.posterior)).numpy()
    np.testing.assert_allclose(weights, weights[:, :1].repeat(40, 1), atol=1e-5)
    np.testing.assert_allclose(likelihood.effective_sample_size(weights), 40, rtol=1e-4)


@EACH_PRIOR
def test_the_bound_does_not_fall_with_the_number_of_draws(prior):
    """Averaged over blocks of the same draws: by Jensen's inequality for the sum in each block."""
    model, x = make(prior), torch.from_numpy(rows(30))
    weights = bound.log_weights(model, x, 64, model.prior.mixture(model.posterior)).numpy()
    bounds = [
        likelihood.importance_weighted_bound(weights.reshape(-1, size)).mean()
        for size in (1, 2, 8, 64)
    ]
    assert bounds[0] == pytest.approx(weights.mean())
    assert all(np.diff(bounds) > 0)


@pytest.mark.parametrize("prior", [*PRIORS, None])
def test_it_is_tighter_than_the_elbo(prior):
    model, x = make(prior), rows(200)
    row = bound.importance_columns(Pass(model, x), samples=100)
    found = measure(model, x)
    elbo = found.reconstruction.mean() + found.kl.mean()
    assert row["importance_weighted_bound"] < row["importance_negative_elbo"]
    assert row["importance_weighted_bound"] < elbo
    if prior in ("fixed", "learned", None):  # a mixture's KL is itself a bound
        assert row["importance_negative_elbo"] == pytest.approx(elbo, abs=0.1)
    else:
        assert row["importance_negative_elbo"] < elbo + 0.1


def test_estimates_are_what_their_definitions_say():
    logs = np.random.default_rng(1).normal(size=(7, 30))
    weights = np.exp(logs)
    np.testing.assert_allclose(
        likelihood.importance_weighted_bound(logs), np.log(weights.mean(1)), rtol=1e-12
    )
    sizes = weights.sum(1) ** 2 / (weights**2).sum(1)
    np.testing.assert_allclose(likelihood.effective_sample_size(logs), sizes, rtol=1e-12)
    far = likelihood.importance_weighted_bound(logs - 5000)
    np.testing.assert_allclose(far, np.log(weights.mean(1)) - 5000)
    alone = np.where(np.arange(30) == 3, 800.0, logs)
    np.testing.assert_allclose(likelihood.effective_sample_size(alone), 1)


def test_codes_are_decoded_a_few_at_a_time(monkeypatch):
    monkeypatch.setattr(bound, "ROWS", 32)
    model, sizes = make("mixture"), []
    model.decoder.register_forward_pre_hook(lambda _, codes: sizes.append(len(codes[0])))
    found = bound.image_bounds(model, rows(9), samples=10)
    assert found["bound"].shape == (9,)
    assert sum(sizes) == 90
    assert max(sizes) == 30
    sizes.clear()
    bound.image_bounds(model, rows(2), samples=100)
    assert sum(sizes) == 200
    assert max(sizes) == 32


def test_a_seed_fixes_the_draws_and_leaves_the_users_generator():
    model, x = make("learned"), rows(5)
    before = torch.get_rng_state()
    first, again, other = (
        bound.image_bounds(model, x, samples=6, seed=seed)["bound"] for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


def test_the_columns_say_how_many_draws_and_images():
    row = bound.importance_columns(Pass(make("fixed"), rows(8)), samples=20, images=5)
    assert (row["importance_samples"], row["importance_images"]) == (20, 5)
    assert (
        bound.importance_columns(Pass(make("fixed"), rows(3)), samples=2)["importance_images"] == 3
    )
    assert 1 <= row["effective_sample_size"] <= 20


def test_without_a_bound_the_columns_are_blank():
    deterministic = build("ae", (6,), 2, widths=(8,), arguments={})
    assert not NoPrior().has_density
    for model in (deterministic, make("published")):
        row = bound.importance_columns(Pass(model, rows(3)))
        assert tuple(row) == bound.COLUMNS
        assert set(row.values()) == {None}


def test_the_prior_is_that_of_the_end_of_training():
    model = make("fixed")
    model.prior = FixedSpikeAndSlab(2, 0.2, Constant(2.0))
    assert model.prior.mixture(model.posterior).components.spike_probability == pytest.approx(0.4)
    with fixed_noise(0):
        assert (model.draw_codes(4000) != 0).float().mean() == pytest.approx(0.4, abs=0.02)


def test_the_standard_error_is_the_spread_of_repeated_bounds():
    logs = 0.5 * np.random.default_rng(0).standard_normal((400, 25, 200))
    repeated = [likelihood.importance_weighted_bound(each).mean() for each in logs]
    sizes = likelihood.effective_sample_size(logs[0])
    assert likelihood.standard_error(sizes, 200) == pytest.approx(np.std(repeated), rel=0.15)
    assert likelihood.standard_error(np.full(7, 200.0), 200) == 0


def test_rows_that_are_drawn_are_measured_on_one_draw(tiny_dataset):
    arguments = {"likelihood": "drawn-bernoulli"}
    model = build("vae", (1, 28, 28), 3, widths=(3, 4, 8), arguments=arguments).eval()
    first, second = (Pass.of(model, tiny_dataset).x for _ in range(2))
    assert set(np.unique(first)) == {0.0, 1.0}
    np.testing.assert_array_equal(first, second)
    grey = tiny_dataset.test.scaled()
    assert np.array_equal(first[grey == 0], grey[grey == 0])
    assert abs(first.mean() - grey.mean()) < 0.01


def test_a_model_of_drawn_rows_is_shown_drawn_training_rows_too(tiny_dataset, monkeypatch):
    arguments = {"likelihood": "drawn-bernoulli"}
    model = build("vae", (1, 28, 28), 3, widths=(3, 4, 8), arguments=arguments).eval()
    seen, encode, one = [], model.encode, Pass.of(model, tiny_dataset)
    monkeypatch.setattr(model, "encode", lambda x: (seen.append(x), encode(x))[1])
    assert probe_columns(one)["probe_200"] is not None
    assert seen
    assert all(set(x.unique().tolist()) == {0.0, 1.0} for x in seen)
    assert len(np.unique(one.scaled)) > 2  # the classifier sees grey levels
