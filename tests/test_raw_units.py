"""Densities are those of the raw rows: one model of the same rows in other units says the same."""

import math

import numpy as np
import pytest
import torch
from sklearn.datasets import load_wine

from sparsevae.data.scaling import fit_scaling
from sparsevae.evaluation import evaluate
from sparsevae.models import build

BOUND = ("bound",)


@pytest.fixture(scope="module")
def wine():
    return load_wine().data.astype(np.float64)


def model(likelihood="gaussian"):
    torch.manual_seed(0)
    arguments = {"likelihood": likelihood}
    return build("vae", (13,), 2, widths=(8,), arguments=arguments).eval()


@pytest.mark.parametrize("kind", ["standard", "minmax"])
def test_a_change_of_units_changes_the_density_by_its_volume(wine, kind):
    """Columns times a number are the same scaled rows; densities fall by its logarithm."""
    factor = np.linspace(2.0, 1000.0, 13)
    own = evaluate(model(), wine, groups=BOUND, scaling=fit_scaling(kind, wine)).metrics
    other = fit_scaling(kind, wine * factor)
    changed = evaluate(model(), wine * factor, groups=BOUND, scaling=other).metrics
    for key in ("negative_elbo", "reconstruction", "loss", "importance_weighted_bound"):
        assert changed[key] == pytest.approx(own[key] + np.log(factor).sum(), rel=1e-4)
    assert changed["kl"] == pytest.approx(own["kl"], rel=1e-4)
    bits = own["negative_elbo"] / (13 * math.log(2))
    assert own["bits_per_dimension"] == pytest.approx(bits)


def test_scaled_rows_and_a_scaling_differ_by_the_volume(wine):
    scaling = fit_scaling("standard", wine)
    scaled = evaluate(model(), scaling.apply(wine), groups=BOUND).metrics
    raw = evaluate(model(), wine, groups=BOUND, scaling=scaling).metrics
    volume = scaling.log_volume((13,))
    assert raw["negative_elbo"] == pytest.approx(scaled["negative_elbo"] + volume, rel=1e-5)
    assert raw["inference_slack"] == pytest.approx(scaled["inference_slack"], rel=1e-4)


def test_a_score_of_grey_levels_has_no_units(wine):
    scaling = fit_scaling("minmax", wine)
    raw = evaluate(model("bernoulli"), wine, groups=BOUND, scaling=scaling).metrics
    scaled = evaluate(model("bernoulli"), scaling.apply(wine), groups=BOUND).metrics
    assert raw == scaled
    assert raw["bits_per_dimension"] is None


def test_rows_outside_of_the_training_range_are_scored_where_they_are(wine):
    scaling = fit_scaling("minmax", wine[:100])
    far = wine[100:].copy()
    far[:, 0] *= 10
    farther = far.copy()
    farther[:, 0] *= 10
    first, second = (
        evaluate(model(), rows, groups=BOUND, scaling=scaling).metrics["negative_elbo"]
        for rows in (far, farther)
    )
    assert second > first + 100


def test_where_a_density_on_the_unit_interval_is_0_there_is_no_number(wine):
    scaling = fit_scaling("minmax", wine[:100])
    trained = model("continuous-bernoulli")
    inside = evaluate(trained, wine[:100], groups=BOUND, scaling=scaling).metrics
    assert inside["negative_elbo"] is not None
    row = evaluate(trained, wine[:100] * 3, groups=BOUND, scaling=scaling).metrics
    blank = ("negative_elbo", "reconstruction", "loss", "bits_per_dimension", "inference_slack")
    assert {row[key] for key in blank} == {None}
