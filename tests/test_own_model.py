"""A prior, a posterior and a model of one's own are trained, measured and drawn like ours."""

import math
from importlib import import_module

import pytest
import torch

from sparsevae.errors import ConfigurationError
from sparsevae.models import MODELS, Row, build, check_arguments, register
from sparsevae.report import draw, write_report
from sparsevae.runs.folder import finished_runs
from sparsevae.studies.study import run_study
from sparsevae.training.config import StudyConfig

TOYS = ("toy-model", "toy-prior")
PLUGINS = ("toys.prior", "toys.model")


@pytest.fixture(scope="module", autouse=True)
def toys(rows_stay):
    """The toys' modules by name."""
    modules = {name.removeprefix("toys."): import_module(name) for name in PLUGINS}
    return {**modules, "posterior": import_module("toys.posterior")}


@pytest.fixture(scope="module")
def study(tmp_path_factory, toys):
    """One run each, in worker processes that import what is registered."""
    out = tmp_path_factory.mktemp("toys")
    config = StudyConfig(
        dataset="mnist-5k",
        models=TOYS,
        latents=(3,),
        epochs=1,
        limit=100,
        recipe="protocol",
        widths=(4, 8, 16),
    )
    run_study(config, out, plugins=PLUGINS)
    return write_report(out), {run.config.model: run for run in finished_runs(out)}


@pytest.mark.parametrize("name", TOYS)
def test_it_is_trained_and_measured(study, name):
    run = study[1][name]
    metrics = run.metrics
    for key in ("reconstruction", "kl", "negative_elbo", "importance_weighted_bound", "mse"):
        assert math.isfinite(metrics[key]), key
    assert metrics["importance_weighted_bound"] <= metrics["importance_negative_elbo"]
    assert metrics["frechet_classifier_samples"] > 0
    assert (metrics["alpha"] is None) == (name == "toy-model")
    assert metrics["prior"] == {"toy-model": "standard normal", "toy-prior": "falling"}[name]


@pytest.mark.parametrize("name", TOYS)
def test_it_is_drawn(study, name):
    page, runs = study
    assert MODELS[name].title in page.read_text(encoding="utf-8")
    drawn = draw(runs[name])
    assert {path.suffix for path in drawn} == {".png", ".svg"}


@torch.no_grad()
def test_a_posterior_of_ones_own_has_the_divergence_of_its_draws(toys):
    q = toys["posterior"].Peaked(torch.tensor([[0.3, -1.0]]), torch.tensor([[0.2, 0.9]]))
    torch.manual_seed(0)
    z = q.rsample((200_000,))
    normal = torch.distributions.Normal(0.0, 1.0)
    ratio = (q.log_prob(z) - normal.log_prob(z)).mean(0)
    kl = torch.distributions.kl_divergence(q, normal)
    torch.testing.assert_close(ratio, kl, rtol=0, atol=0.02)
    torch.testing.assert_close(q.gated().variance, q.variance)


def test_its_arguments_are_checked_by_name():
    check_arguments("toy-model", {"floor": 0.1, "likelihood": "gaussian"})
    with pytest.raises(ConfigurationError, match=r"take depth; it takes .*floor, freeze, input"):
        check_arguments("toy-model", {"depth": 3})
    with pytest.raises(ConfigurationError, match="floor = 'low'"):
        check_arguments("toy-model", {"floor": "low"})


def test_an_unknown_model_says_how_one_is_added():
    with pytest.raises(ConfigurationError, match=r"add one with sparsevae\.models\.register"):
        build("toy-missing", (7,), 2, arguments={})


def test_rows_of_the_package_cannot_be_replaced_and_ones_own_can(toys):
    mine = Row("Peaked", toys["model"].PeakedVAE)
    register("toy-model", mine)
    with pytest.raises(ConfigurationError, match="'vsc' of its own"):
        register("vsc", mine)
