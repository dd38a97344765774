"""The columns of image quality: those of the decoded codes, blank where they mean nothing."""

import numpy as np
import pytest
import torch

import sparsevae.experiments.published  # noqa: F401 (the prior "published")
from sparsevae.data import corruptions
from sparsevae.evaluation import Pass, quality
from sparsevae.metrics import images
from sparsevae.metrics.table import LEVELS
from sparsevae.models import MODELS, build

EACH = pytest.mark.parametrize("name", MODELS)
CORRUPTIONS = {
    "noise_0.4": lambda x: corruptions.gaussian(x, 0.4, 0),
    "noise_0.4_clipped": lambda x: corruptions.gaussian(x, 0.4, 0, clip=True),
    "salt_pepper_0.1": lambda x: corruptions.salt_and_pepper(x, 0.1, 0),
    "occlusion_0.5": lambda x: corruptions.occlusion(x, 14, 0),
}
SINGLE = ("poisson", "intel", "thresholded")  # priors that are no mixture of slabs


def make(name, shape=(1, 28, 28), **arguments):
    torch.manual_seed(0)
    model = build(name, shape, 3, widths=(3, 4, 16), arguments=arguments).eval()
    model.encoder.head.weight.data *= 20
    return model


def columns(model, x, train=None):
    return quality.quality_columns(Pass(model, x, train=train))


@EACH
def test_columns_are_those_of_the_decoded_codes(name, tiny_dataset):
    model, x = make(name), tiny_dataset.test.scaled()
    row = columns(model, x)
    for ending, corrupt in {"": lambda x: x, **CORRUPTIONS}.items():
        restored = model.reconstruct(torch.from_numpy(corrupt(x))).numpy()
        suffix = f"_{ending}" if ending else ""
        error = images.mse(x, restored)
        assert row[f"mse{suffix}"] == pytest.approx(error, rel=1e-5)
        assert row[f"psnr{suffix}"] == pytest.approx(-10 * np.log10(error), rel=1e-5)
        assert row[f"ssim{suffix}"] == pytest.approx(images.ssim(x, restored), abs=1e-4)
    assert sum(column.startswith("mse_") for column in row) == 4 * len(LEVELS)
    assert row["frechet_classifier"] is row["frechet_classifier_samples"] is None


def test_five_levels_of_every_corruption_get_harder():
    x = np.random.default_rng(0).random((20, 1, 16, 12), dtype=np.float32)
    for damaged in (quality.gaussian_noise(x, clipped=True), quality.damaged_pixels(x)):
        errors = {name: images.mse(x, noisy) for name, noisy in damaged}
        for kind in {name.replace("_clipped", "").rsplit("_", 1)[0] for name in errors}:
            levels = [errors[f"{kind}_{level}"] for level in LEVELS]
            assert (np.diff(levels) > 0).all()


def test_damages_of_many_levels_are_those_of_each_alone():
    x = np.random.default_rng(0).random((5, 1, 8, 9), dtype=np.float32)
    for name, level, damaged in corruptions.damages(x, (0.2, 0.5), 3):
        salted = name == "salt_pepper"
        alone = corruptions.salt_and_pepper(x, level, 3)
        expected = alone if salted else corruptions.occlusion(x, round(8 * level), 3)
        np.testing.assert_array_equal(damaged, expected)


def test_what_two_groups_read_is_decoded_once_and_kept_for_the_second(tiny_dataset, monkeypatch):
    def one():
        return Pass.of(make("vsc"), tiny_dataset)

    alone, both = quality.denoised_columns(one()), one()
    quality.quality_columns(both)
    assert set(both.kept) == {"noise_0.3", "noise_0.5"}
    after = quality.denoised_columns(both)
    assert not both.kept
    assert after == pytest.approx(alone)


@EACH
def test_distances_of_restored_images_and_of_samples(name, tiny_dataset):
    model, x, train = make(name), tiny_dataset.test.scaled(), tiny_dataset.train
    before = torch.get_rng_state()
    row, again = columns(model, x, train), columns(model, x, train)
    assert torch.equal(torch.get_rng_state(), before)
    assert row == again
    assert row["frechet_classifier"] > 0.1  # nothing is trained
    mixtures, factors = ("vae", "beta-vae", "vsc", "vsc-wu", "vamp-vae"), SINGLE
    assert model.prior.has_density == (name in mixtures)
    assert (row["frechet_classifier_samples"] is not None) == (name in (*mixtures, *factors))


def test_perfect_images_are_at_no_distance(tiny_dataset, monkeypatch):
    model, x = make("vae"), tiny_dataset.test.scaled()
    monkeypatch.setattr(model, "decode", lambda codes: torch.from_numpy(x))
    monkeypatch.setattr(model, "reconstruct", lambda images: torch.from_numpy(x))
    row = columns(model, x, tiny_dataset.train)
    assert row["frechet_classifier"] == pytest.approx(0, abs=1e-6)
    assert row["frechet_classifier_samples"] == pytest.approx(0, abs=1e-6)
    assert row["mse"] == 0
    assert row["psnr"] is None
    assert row["ssim"] == pytest.approx(1)
    assert row["sharpness"] == 1


def test_the_published_prior_gives_samples_and_no_bound(tiny_dataset):
    model = make("vsc", prior="published", pseudo_inputs=3)
    row = columns(model, tiny_dataset.test.scaled(), tiny_dataset.train)
    assert row["frechet_classifier_samples"] > 0
    assert not model.has_bound


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_a_table_has_errors_only(likelihood):
    model = make("vsc", shape=(6,), likelihood=likelihood)
    row = columns(model, np.random.default_rng(0).random((30, 6), dtype=np.float32))
    kinds = {name.split("_")[0] for name in row}
    assert kinds == {"mse", "pixel", "explained"}
    assert None not in row.values()
