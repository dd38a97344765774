"""Errors, structure, sharpness and distances of images against other implementations."""

import math

import numpy as np
import pytest
import torch
from scipy import linalg, ndimage
from sklearn.metrics import mean_squared_error

from sparsevae.metrics import images


@pytest.fixture
def pair():
    return np.random.default_rng(0).random((2, 9, 2, 5, 4), dtype=np.float32)


def test_the_error_is_the_mean_over_pixels_and_images(pair):
    expected = mean_squared_error(pair[0].reshape(9, -1), pair[1].reshape(9, -1))
    assert images.mse(*pair) == pytest.approx(expected)
    each = images.squared_errors(*pair)
    assert each.shape == (9,)
    for found, x, y in zip(each, *pair, strict=True):
        assert found == pytest.approx(mean_squared_error(x.ravel(), y.ravel()))


def test_the_error_is_symmetric_and_zero_only_between_equals(pair):
    assert images.mse(*pair) == images.mse(*pair[::-1]) > 0
    assert images.mse(pair[0], pair[0]) == 0.0


def test_single_precision_loses_nothing_in_the_sum():
    """A million errors of 1e-4 would drift when summed as float32."""
    x = np.zeros((1000, 1, 32, 32), np.float32)
    assert images.mse(x, x + np.float32(0.01)) == pytest.approx(1e-4, rel=1e-6)


@pytest.mark.parametrize(("error", "decibels"), [(1.0, 0.0), (0.01, 20.0), (0.002, 26.9897)])
def test_decibels(error, decibels):
    assert images.psnr(error) == pytest.approx(decibels, abs=1e-4)
    assert images.psnr(error / 2) - images.psnr(error) == pytest.approx(10 * math.log10(2))


def test_no_error_has_infinitely_many_decibels():
    assert images.psnr(0.0) == math.inf


def test_pixel_variance_is_over_images_not_within_them():
    ramp = np.broadcast_to(np.linspace(0, 1, 16).reshape(1, 1, 4, 4), (10, 1, 4, 4))
    assert images.pixel_variance(ramp) == pytest.approx(0.0, abs=1e-30)
    levels = np.zeros((4, 1, 2, 2))
    levels[:2, 0, 0, 0] = 1.0  # variance 1/4 in one pixel of four
    assert images.pixel_variance(levels) == pytest.approx(1 / 16)


def test_the_error_is_also_that_to_one_image(pair):
    one = pair[1][:1]
    many = np.repeat(pair[0], 30, axis=0)
    assert images.mse(many, one) == pytest.approx(images.mse(many, np.repeat(one, 270, axis=0)))


# ------------------------------------------------------------------ structure and sharpness


@pytest.fixture(scope="module")
def photographs():
    """Smooth random images and noisy copies, more than one block of them, in two channels."""
    rng = np.random.default_rng(1)
    waves = ndimage.gaussian_filter(rng.random((130, 2, 19, 14)), (0, 0, 1.5, 1.5))
    x = ((waves - waves.min()) / np.ptp(waves)).astype(np.float32)
    return x, np.clip(x + rng.normal(0, 0.1, x.shape), 0, 1).astype(np.float32)


def test_structural_similarity_against_torchmetrics(photographs):
    """Theirs is of images continued by reflection; inside the first five rows both are alike."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    tensors = map(torch.from_numpy, photographs)
    _, places = structural_similarity_index_measure(*tensors, data_range=1, return_full_image=True)
    expected = float(places[..., 5:-5, 5:-5].mean())
    assert images.ssim(*photographs) == pytest.approx(expected, abs=1e-5)


def test_structural_similarity_of_one_window_by_hand():
    """An image of 11x11 pixels has a single place; moments are weighted by the window."""
    x, y = np.random.default_rng(2).random((2, 1, 1, 11, 11))
    bell = np.exp(-0.5 * ((np.arange(11) - 5) / 1.5) ** 2)
    w = np.outer(bell, bell) / bell.sum() ** 2
    a, b = (w * x[0, 0]).sum(), (w * y[0, 0]).sum()
    cross = (w * x[0, 0] * y[0, 0]).sum() - a * b
    spread = (w * (x[0, 0] ** 2 + y[0, 0] ** 2)).sum() - a**2 - b**2
    expected = (2 * a * b + 1e-4) * (2 * cross + 9e-4) / ((a**2 + b**2 + 1e-4) * (spread + 9e-4))
    assert images.ssim(x, y) == pytest.approx(expected, rel=1e-4)


def test_similarity_is_one_for_equals_symmetric_and_blank_for_small_images(photographs):
    x, y = photographs
    assert images.ssim(x, x) == pytest.approx(1, abs=1e-6)
    assert images.ssim(x, y) == pytest.approx(images.ssim(y, x), rel=1e-5)
    assert images.ssim(x, y) < 0.9
    assert images.ssim(x[..., :10], y[..., :10]) is None


def test_sharpness_against_scipy_and_its_laws(photographs):
    x, _ = photographs
    inside = ndimage.laplace(x.astype(np.float64), axes=(2, 3))[..., 1:-1, 1:-1]
    assert images.laplacian_variance(x) == pytest.approx(inside.reshape(130, -1).var(1).mean())
    assert images.sharpness(x, x) == 1
    assert images.sharpness(x / 2 + 0.3, x) == pytest.approx(1 / 4, rel=1e-5)
    assert images.sharpness(ndimage.uniform_filter(x, (1, 1, 3, 3)), x) < 0.5
    assert images.sharpness(x, np.zeros_like(x)) is None
    assert images.sharpness(x[..., :2], x[..., :2]) is None


# ------------------------------------------------------------------ sets of images


def test_the_distance_of_two_sets_against_a_matrix_root():
    rng = np.random.default_rng(3)
    a = rng.normal(size=(50, 6)) @ rng.normal(size=(6, 6))
    b = rng.normal(size=(70, 6)) @ rng.normal(size=(6, 6)) + 0.5
    first, second = np.cov(a.T), np.cov(b.T)
    root = linalg.sqrtm(first @ second).real
    expected = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert images.frechet_distance(a, b) == pytest.approx(expected)
    assert images.frechet_distance(b, a) == pytest.approx(expected)


def test_distances_that_are_known():
    x = np.random.default_rng(4).normal(size=(40, 5)).astype(np.float32)
    x[:, 3] = 0.7  # a feature that never changes
    variance = x.var(0, ddof=1, dtype=np.float64).sum()
    assert images.frechet_distance(x, x) == pytest.approx(0, abs=1e-7)
    assert images.frechet_distance(x, x + 2) == pytest.approx(5 * 4, rel=1e-5)
    doubled = 2 * x - x.mean(0)
    assert images.frechet_distance(x, doubled) == pytest.approx(variance, rel=1e-4)
    alike = np.repeat(x.mean(0, keepdims=True), 40, axis=0)
    assert images.frechet_distance(x, alike) == pytest.approx(variance, rel=1e-4)
    assert images.frechet_distance(x, x[:1]) is None
