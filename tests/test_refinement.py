"""Laws of posteriors that are moved by gradient steps on the bound."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import sparsevae
from sparsevae.data import Split
from sparsevae.data.scaling import Scaling
from sparsevae.errors import ConfigurationError
from sparsevae.evaluation import bound, evaluate, passes, refinement
from sparsevae.models import MODELS, build

SHAPE, LATENTS = (6,), 3


def make(name, **arguments):
    torch.manual_seed(3)
    model = build(name, SHAPE, LATENTS, widths=(8,), arguments=arguments).eval()
    for parameter in model.parameters():
        parameter.data += 0.4 * torch.randn_like(parameter)
    return model


def rows(count=20):
    return torch.from_numpy(np.random.default_rng(0).random((count, *SHAPE), dtype=np.float32))


def movable(name):
    model = make(name)
    return model.has_bound and model.posterior(rows(1)).numbers > 0


MOVABLE = [name for name in MODELS if movable(name)]


def test_models_with_normals_and_spikes_are_among_them():
    assert {"vae", "beta-vae", "vamp-vae", "vsc", "vsc-wu"} <= set(MOVABLE)


@pytest.mark.parametrize("name", MOVABLE)
def test_steps_raise_the_bound_and_leave_the_model_alone(name):
    arguments = {"estimator": "reinmax"} if name.startswith("vsc") else {}
    model, x = make(name, **arguments), rows()
    before = {key: value.clone() for key, value in model.state_dict().items()}

    def bounds(steps):
        return bound.image_bounds(model, x.numpy(), samples=400, refine=steps)["elbo"].mean()

    assert bounds(30) > bounds(0) + 0.05
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("name", MOVABLE)
def test_no_steps_are_the_encoder(name):
    model, x = make(name), rows()
    q, same = model.posterior(x), model.posterior(x)
    moved = q.moved(torch.zeros(q.numbers, *q.loc.shape))
    torch.testing.assert_close(moved.mean, same.mean)
    torch.testing.assert_close(moved.variance, same.variance)
    assert torch.equal(refinement.posterior(model, x, 0).code, same.code)


def test_of_a_linear_model_with_normal_noise_the_mean_becomes_the_exact_one():
    settings = {"likelihood": {"kind": "fixed-gaussian", "scale": 0.7}}
    torch.manual_seed(0)
    model = build("vae", SHAPE, LATENTS, trunk="linear", arguments=settings).eval()
    x, zero = rows(), torch.zeros(1, LATENTS)
    with torch.no_grad():
        bias = model.decode(zero)
        matrix = model.decode(torch.eye(LATENTS)) - bias  # (J, D)
        precision = torch.eye(LATENTS) + matrix @ matrix.T / 0.49
        exact = (x - bias) @ matrix.T / 0.49 @ torch.linalg.inv(precision)
        torch.manual_seed(1)
        q = refinement.posterior(model, x, 150)
        assert (model.posterior(x).mean - exact).abs().mean() > 0.1
    assert (q.mean - exact).abs().mean() < 0.04
    torch.testing.assert_close(q.scale.mean(0), precision.diagonal() ** -0.5, rtol=0.05, atol=0)


def test_a_trained_model_gives_refined_codes_and_bounds_the_same_every_time():
    trained = sparsevae.load("mnist-vsc-64")
    refined, images = replace(trained, refine=10), trained.sample(6, seed=2, noise=False)
    codes = refined.encode(images)
    np.testing.assert_array_equal(codes, refined.encode(images))
    assert not np.array_equal(codes, trained.encode(images))
    assert (codes == 0).any()
    assert refined.elbo(images).mean() > trained.elbo(images).mean()
    assert refined.log_likelihood(images, samples=20).shape == (6,)
    found, plain = (
        each.evaluate(images, groups=("bound",)).metrics for each in (refined, trained)
    )
    assert found["negative_elbo"] < plain["negative_elbo"]
    assert found["importance_negative_elbo"] < plain["importance_negative_elbo"]


def test_refined_codes_are_not_compared_with_plain_ones_of_training_rows():
    model, x = make("vsc"), rows(60).numpy()
    labels = np.arange(60) % 2
    train = Split(rows(300).numpy(), np.arange(300) % 2, Scaling("none"))
    settings = {"train": train, "groups": ("scope", "probes")}
    plain = evaluate(model, x, labels, **settings).metrics
    found = evaluate(model, x, labels, refine=2, **settings)
    refined = found.metrics
    assert any(note.startswith("Probes were left out") for note in found.notes)
    compared = {name for name in plain if name.startswith(("probe", "knn"))}
    assert any(plain[name] is not None for name in compared)
    assert all(refined[name] is None for name in compared)
    assert refined["silhouette"] is not None


def test_rows_are_refined_in_chunks_and_the_bound_is_of_each_row(monkeypatch):
    model, x = make("vsc", estimator="reinmax"), rows(23).numpy()
    whole = bound.image_bounds(model, x, samples=300, refine=20)
    monkeypatch.setattr(bound, "REFINED", 8)
    monkeypatch.setattr(bound, "ROWS", 600)  # groups of two
    parts = bound.image_bounds(model, x, samples=300, refine=20)
    assert parts["bound"].shape == (23,)
    np.testing.assert_allclose(parts["bound"], whole["bound"], atol=0.3)


def test_mistakes_are_told():
    with pytest.raises(ConfigurationError, match="0 steps or more"):
        refinement.posterior(make("vsc"), rows(), -1)
    with pytest.raises(ConfigurationError, match="can be refined"):
        passes.encode(make("ae"), rows().numpy(), refine=2)
