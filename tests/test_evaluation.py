"""The row of metrics: definitions hold together, blanks where a metric means nothing."""

import json
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from sparsevae.data import Split, corruptions
from sparsevae.evaluation import evaluate_dataset
from sparsevae.evaluation.passes import measure
from sparsevae.metrics import bounds, images
from sparsevae.models import MODELS, build

pytestmark = pytest.mark.usefixtures("few_draws")
LATENTS = 4
EACH = pytest.mark.parametrize("name", MODELS)


def evaluate(model, dataset):
    """Metrics and arrays of all groups."""
    found = evaluate_dataset(model, dataset)
    return found.metrics, found.arrays


@pytest.fixture(scope="module")
def row_of(tiny_dataset, few_draws):
    """Metrics of every model as :func:`make` gives it, measured once."""
    return cache(lambda name: evaluate(make(name), tiny_dataset)[0])


def make(name, shape=(1, 28, 28), **arguments):
    torch.manual_seed(0)
    model = build(name, shape, LATENTS, widths=(3, 4, 16), arguments=arguments).eval()
    model.encoder.head.weight.data *= 20  # codes far enough apart to be told
    return model


@EACH
def test_the_bound_is_the_sum_of_its_terms_and_blank_without_a_prior(name, row_of):
    model, row = make(name), row_of(name)
    if not model.has_bound:
        assert row["negative_elbo"] is row["kl"] is None
        assert (row["active_units"] is not None) == (name == "vaease")  # others are points
        added = name in ("l1", "vaease", "matryoshka")  # a price, a divergence, prefixes
        assert (row["loss"] > row["reconstruction"]) == added
        return
    assert row["negative_elbo"] == pytest.approx(row["reconstruction"] + row["kl"])
    weighted = row["reconstruction"] + model.kl_weight(1.0) * row["kl"]
    assert row["loss"] == pytest.approx(weighted + row["sparsity_penalty"])


def test_the_loss_is_weighted_and_the_bound_is_not(tiny_dataset):
    row, _ = evaluate(make("vae", beta=4.0), tiny_dataset)
    assert row["negative_elbo"] == pytest.approx(row["reconstruction"] + row["kl"])
    assert row["loss"] == pytest.approx(row["reconstruction"] + 4 * row["kl"])


def test_the_penalty_is_over_the_whole_set_and_no_part_of_the_bound(tiny_dataset):
    plain, _ = evaluate(make("vsc", alpha=0.1), tiny_dataset)
    model = make("vsc", alpha=0.1, penalty="posterior", penalty_weight=2.0)
    row, _ = evaluate(model, tiny_dataset)
    assert plain["sparsity_penalty"] == 0.0
    gamma = torch.from_numpy(measure(model, tiny_dataset.test.scaled()).gamma)
    assert row["sparsity_penalty"] == pytest.approx(float(model.sparsity_penalty(gamma, gamma)))
    assert row["negative_elbo"] == pytest.approx(plain["negative_elbo"])


@EACH
def test_errors_are_those_of_the_decoded_codes(name, tiny_dataset, row_of):
    model, x, row = make(name), tiny_dataset.test.scaled(), row_of(name)

    def error(shown):
        return images.mse(x, model.reconstruct(torch.from_numpy(shown)).numpy())

    assert row["mse"] == pytest.approx(error(x), rel=1e-5)
    for sigma in (0.1, 0.5):
        clear, clipped = (corruptions.gaussian(x, sigma, 0, clip=clip) for clip in (False, True))
        assert row[f"mse_noise_{sigma}"] == pytest.approx(error(clear), rel=1e-5)
        assert row[f"mse_noise_{sigma}_clipped"] == pytest.approx(error(clipped), rel=1e-5)


@EACH
def test_without_labels_what_needs_them_is_blank_and_the_rest_the_same(name, tiny_dataset, row_of):
    bare = replace(
        tiny_dataset,
        train=Split(tiny_dataset.train.images),
        test=Split(tiny_dataset.test.images),
        classes=(),
        sha256="",
    )
    labelled, blank = row_of(name), evaluate(make(name), bare)[0]
    columns = {"selectivity", "selectivity_all", "class_overlap", "classifier_accuracy"}
    assert all(blank[column] is None for column in {*columns, "path_length", "grid_length"})
    assert all(labelled[column] is not None for column in columns)
    assert all(blank[column] in (None, value) for column, value in labelled.items())
    assert blank.keys() == labelled.keys()


@pytest.mark.parametrize("name", ["ae", "vae"])
def test_a_model_without_gates_is_dense_and_not_selective(name, row_of):
    row = row_of(name)
    assert row["selectivity"] == row["selectivity_all"] == row["exact_zeros"] == 0.0
    assert row["active_per_image"] == row["sum_gamma"] == row["always_on"] == LATENTS
    assert row["dead"] == 0


@EACH
def test_the_row_is_plain_json_and_the_same_again(name, tiny_dataset, row_of):
    model, row = make(name), row_of(name)
    again, _ = evaluate(model, tiny_dataset)
    assert json.loads(json.dumps(row, allow_nan=False)) == row == again
    counts = model.parameter_counts()
    assert {part: row[f"parameters_{part}"] for part in counts} == counts


# ------------------------------------------------------------------ collapse


def test_a_decoder_that_prints_the_mean_image_is_collapsed(tiny_dataset):
    model = make("vsc")
    for parameter in model.decoder.parameters():
        parameter.data.zero_()
    row, _ = evaluate(model, tiny_dataset)
    assert row["pixel_variance"] == pytest.approx(0.0, abs=1e-9)
    assert row["collapsed_decoder"]
    assert row["used_dimensions"] == 0
    assert row["dead"] <= LATENTS


def test_a_decoder_that_paints_the_images_is_not(tiny_dataset, monkeypatch):
    """One that is told the answer: its images vary as the data do, its score is the best."""
    model, x = make("vae"), torch.from_numpy(tiny_dataset.test.scaled())
    model.encoder.head.weight.data[LATENTS:] = 0.0
    model.encoder.head.bias.data[LATENTS:] = -30.0  # log-variances: draws are the means

    class Told(torch.nn.Module):
        def forward(self, codes):
            nearest = torch.cdist(codes, keys).argmin(1)
            return torch.logit(x[nearest].clamp(1e-4, 1 - 1e-4))

    keys = model.encode(x)
    monkeypatch.setattr(model, "decoder", Told())
    row, _ = evaluate(model, tiny_dataset)
    assert row["mse"] < 1e-6
    assert row["pixel_variance"] == pytest.approx(1.0, rel=0.01)
    assert row["reconstruction"] == pytest.approx(bounds.perfect_score(x.numpy()), abs=0.1)
    assert not row["collapsed_decoder"]


def test_a_single_test_image_can_be_measured(tiny_dataset):
    one = replace(tiny_dataset, test=tiny_dataset.test.take(slice(1)), sha256="")
    row, arrays = evaluate(make("vsc"), one)
    assert row["pixel_variance"] == 1.0
    assert arrays["examples"].shape == (1, 1, 28, 28)
    json.dumps(row, allow_nan=False)


def test_images_that_are_all_alike_can_be_measured(tiny_dataset):
    grey = Split(np.full((20, 1, 28, 28), 99, np.uint8), np.arange(20) % 10)
    row, _ = evaluate(make("vsc"), replace(tiny_dataset, train=grey, test=grey, sha256=""))
    json.dumps(row, allow_nan=False)
