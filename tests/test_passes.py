"""Measurements equal what the model says image by image; ablations equal the naive loop."""

import numpy as np
import pytest
import torch

from sparsevae.data import Split
from sparsevae.evaluation import passes
from sparsevae.models import MODELS, build
from sparsevae.models.distributions import Point

SHAPE, LATENTS, IMAGES = (1, 9, 8), 5, 23
EACH = pytest.mark.parametrize("name", MODELS)


def make(name, **arguments):
    torch.manual_seed(0)
    given = {"widths": (3, 16), "arguments": arguments, "examples": torch.rand(50, *SHAPE)}
    model = build(name, SHAPE, LATENTS, **given).eval()
    for parameter in model.encoder.head.parameters():
        parameter.data *= 4  # codes far enough apart to be told
    return model


@pytest.fixture(scope="module")
def x():
    return np.random.default_rng(0).random((IMAGES, *SHAPE), dtype=np.float32)


@EACH
@torch.no_grad()
def test_columns_are_what_the_model_says(name, x):
    model, images = make(name), torch.from_numpy(x)
    measured, q = passes.measure(model, x), model.posterior(images)
    for column, expected in (("code", model.encode(images)), ("mean", q.mean), ("loc", q.loc)):
        np.testing.assert_allclose(getattr(measured, column), expected, atol=1e-6)
    assert measured.gated == model.has_gates
    np.testing.assert_allclose(measured.gamma, q.spike_probability, atol=1e-6)
    kl, expected = model.prior.kl(q, images, model.posterior, 1.0)
    np.testing.assert_allclose(measured.kl, kl, rtol=1e-5)
    np.testing.assert_allclose(measured.expected, expected, atol=1e-6)
    score = -model.likelihood(torch.from_numpy(measured.draw)).log_prob(images)
    np.testing.assert_allclose(measured.reconstruction, score, rtol=1e-5)
    if measured.gated:
        off = measured.draw == 0
        assert 0 < off.mean() < 1


@EACH
def test_a_seed_fixes_the_draws_and_leaves_the_users_generator(name, x):
    model = make(name)
    before = torch.get_rng_state()
    first, again, other = (passes.measure(model, x, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(first.reconstruction, again.reconstruction)
    np.testing.assert_array_equal(first.code, other.code)
    noiseless = isinstance(model.posterior(torch.from_numpy(x)), Point)
    assert (first.reconstruction == other.reconstruction).all() == noiseless


@EACH
def test_the_batch_changes_no_deterministic_number(name, x, monkeypatch):
    model = make(name)
    whole = passes.measure(model, x)
    monkeypatch.setattr(passes, "BATCH", 7)
    parts = passes.measure(model, x)
    for column in ("code", "mean", "loc", "gamma", "kl", "expected"):
        np.testing.assert_allclose(getattr(parts, column), getattr(whole, column), atol=1e-4)


def naive_costs(model, x, measured):
    """Decode everything for every dimension, whether its value changes or not."""
    neutral = np.zeros(LATENTS) if measured.gated else measured.mean.mean(0)
    costs = []
    for j in range(LATENTS):
        codes = measured.draw.copy()
        codes[:, j] = neutral[j]
        with torch.no_grad():
            score = -model.likelihood(torch.from_numpy(codes)).log_prob(torch.from_numpy(x))
        costs.append(np.mean(score.numpy().astype(np.float64) - measured.reconstruction))
    return costs


@EACH
def test_ablations_equal_the_naive_loop(name, x):
    model = make(name)
    measured = passes.measure(model, x)
    costs = passes.ablation_cost(model, x, measured)
    assert costs.shape == (LATENTS,)
    np.testing.assert_allclose(costs, naive_costs(model, x, measured), rtol=1e-4, atol=1e-4)
    assert (costs != 0.0).all()


def test_a_gate_that_is_never_on_costs_exactly_nothing(x):
    model = make("vsc")
    model.encoder.head.weight.data[2] = 0.0
    model.encoder.head.bias.data[2] = -40.0  # the logit of the third dimension
    costs = passes.ablation_cost(model, x, passes.measure(model, x))
    assert costs[2] == 0.0
    assert (np.delete(costs, 2) != 0.0).all()


def test_a_gate_that_the_decoder_ignores_is_not_used(x):
    model = make("vsc")
    model.decoder.trunk[0].weight.data[:, 1] = 0.0
    costs = passes.ablation_cost(model, x, passes.measure(model, x))
    assert abs(costs[1]) < 1e-5


def test_ablations_look_at_the_first_images_only(x, monkeypatch):
    model = make("vsc")
    measured = passes.measure(model, x)
    monkeypatch.setattr(passes, "ABLATION_IMAGES", 4)
    few = passes.ablation_cost(model, x, measured)
    expected = passes.ablation_cost(model, x[:4], measured)
    np.testing.assert_array_equal(few, expected)


def test_pixels_become_floats_in_the_unit_interval():
    images = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    measured = Split(images).scaled()
    assert measured.dtype == np.float32
    np.testing.assert_array_equal(measured, images.astype(np.float32) / np.float32(255))


def test_codes_are_the_same_of_grey_levels_and_of_floats(monkeypatch):
    model = make("vsc")
    images = np.random.default_rng(1).integers(0, 256, (11, *SHAPE), dtype=np.uint8)
    monkeypatch.setattr(passes, "BATCH", 4)
    codes = passes.encode(model, images)
    assert codes.shape == (11, LATENTS)
    np.testing.assert_array_equal(codes, passes.encode(model, images / np.float32(255)))
    np.testing.assert_allclose(codes, passes.encode(model, images / 255.0), atol=1e-5)
