"""Errors of images against scikit-learn's and against values computed by hand."""

import math

import numpy as np
import pytest
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
