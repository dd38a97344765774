"""Bounds that models are read against: independent implementations and the numbers of MNIST."""

import numpy as np
import pytest
import torch
from scipy.ndimage import generic_filter
from scipy.signal import wiener
from sklearn.decomposition import PCA
from torch.nn import functional

from sparsevae import data
from sparsevae.data import corruptions
from sparsevae.metrics import bounds

SIGMAS = (0.1, 0.3)
ROWS = (
    "doing nothing",
    "mean image",
    "PCA-16",
    "PCA-50",
    "median filter 3x3",
    "Wiener filter 3x3",
    "Wiener of components",
    "affine regression",
)
NORMAL = ROWS[-2:]  # rows that know the noise to be normal, and how wide it is


@pytest.fixture(scope="module")
def digits():
    found = data.load("digits")
    return found.train.scaled(), found.test.scaled()


def rows_of(train, test, sigmas):
    return bounds.TrivialDenoisers(train).rows(test, bounds.gaussian_columns(test, sigmas, seed=0))


@pytest.fixture(scope="module")
def table(digits):
    return rows_of(*digits, SIGMAS)


def test_the_score_is_torchs_cross_entropy_summed_over_pixels():
    x, p = np.random.default_rng(0).random((2, 30, 1, 6, 5))
    expected = functional.binary_cross_entropy(torch.tensor(p), torch.tensor(x), reduction="sum")
    assert bounds.grey_score(x, p) == pytest.approx(float(expected) / 30)


def test_a_perfect_score_is_zero_for_black_and_white_and_the_lowest_for_grey():
    rng = np.random.default_rng(0)
    binary, grey = rng.integers(0, 2, (9, 1, 4, 4)).astype(float), rng.random((9, 1, 4, 4))
    assert bounds.perfect_score(binary) == 0.0
    for shift in (-0.01, 0.01):
        assert bounds.perfect_score(grey) < bounds.grey_score(grey, np.clip(grey + shift, 0, 1))


def test_the_floor_is_the_best_constant_image(digits):
    train, _ = digits
    floor = bounds.collapse_floor(train, train)
    mean = np.clip(train.mean(0), 1e-6, 1 - 1e-6)
    assert floor == pytest.approx(bounds.grey_score(train, np.broadcast_to(mean, train.shape)))
    for shift in (-0.01, 0.01):
        other = np.broadcast_to(np.clip(mean + shift, 1e-6, 1 - 1e-6), train.shape)
        assert floor < bounds.grey_score(train, other)
    assert bounds.perfect_score(train) < floor


def test_the_floor_is_finite_where_training_never_saw_a_pixel_lit():
    train, test = np.zeros((5, 1, 2, 2)), np.ones((5, 1, 2, 2))
    assert bounds.collapse_floor(train, test) == pytest.approx(-4 * np.log(1e-6))


# ------------------------------------------------------------------ denoising


def test_every_row_has_every_column(table):
    columns = {"clean", "0.1", "0.1 clipped", "0.3", "0.3 clipped"}
    assert tuple(table) == ROWS
    noisy = columns - {"clean"}
    assert all(set(row) == (noisy if name in NORMAL else columns) for name, row in table.items())


def test_doing_nothing_keeps_the_noise(table, digits):
    _, test = digits
    assert table["doing nothing"]["clean"] == 0.0
    assert table["doing nothing"]["0.3"] == pytest.approx(0.09, rel=0.02)
    clipped = np.clip(corruptions.gaussian(test, 0.3, 0), 0, 1)
    expected = np.mean((clipped.astype(float) - test) ** 2)
    assert table["doing nothing"]["0.3 clipped"] == pytest.approx(expected)


def test_the_mean_image_does_not_look_at_the_noise(table, digits):
    train, test = digits
    expected = np.mean((train.mean(0, dtype=np.float64) - test) ** 2)
    for value in table["mean image"].values():
        assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("size", bounds.COMPONENTS)
@pytest.mark.parametrize("sigma", [0.0, 0.3])
def test_principal_components_are_those_of_the_singular_vectors(table, digits, size, sigma):
    train, test = (part.reshape(len(part), -1).astype(np.float64) for part in digits)
    mean = train.mean(0)
    basis = np.linalg.svd(train - mean, full_matrices=False)[2][:size]
    noisy = corruptions.gaussian(digits[1], sigma, 0).reshape(test.shape)
    restored = (noisy - mean) @ basis.T @ basis + mean
    column = "clean" if sigma == 0 else str(sigma)
    expected = np.mean((restored - test) ** 2)
    assert table[f"PCA-{size}"][column] == pytest.approx(expected, rel=1e-3)


def test_the_median_filter_is_the_median_of_nine(table, digits):
    _, test = digits
    noisy = corruptions.gaussian(test, 0.3, 0)[:20, 0]
    restored = np.stack([generic_filter(image, np.median, size=3) for image in noisy])
    train = digits[0]
    few = rows_of(train, test[:20], (0.3,))
    expected = np.mean((restored.astype(float) - test[:20, 0]) ** 2)
    assert few["median filter 3x3"]["0.3"] == pytest.approx(expected, rel=1e-5)


def test_the_wiener_filter_weighs_local_variance_against_the_noise(digits):
    """By its formula in loops: mean + max(variance − σ², 0)/variance · (x − mean)."""
    train, test = digits
    sigma = 0.3
    noisy = corruptions.gaussian(test[:3], sigma, 0).astype(np.float64)[:, 0]
    padded = np.pad(noisy, ((0, 0), (1, 1), (1, 1)))
    restored = np.empty_like(noisy)
    for i, r, c in np.ndindex(*noisy.shape):
        window = padded[i, r : r + 3, c : c + 3]
        mean, variance = window.mean(), window.var()
        gain = max(variance - sigma**2, 0.0) / variance
        restored[i, r, c] = mean + gain * (noisy[i, r, c] - mean)
    few = rows_of(train, test[:3], (sigma,))
    expected = np.mean((restored - test[:3, 0]) ** 2)
    assert few["Wiener filter 3x3"]["0.3"] == pytest.approx(expected, rel=1e-6)


def test_the_wiener_filter_is_scipys(digits):
    train, test = digits
    noisy = corruptions.gaussian(test[:50], 0.3, 0).astype(np.float64)
    restored = np.stack([wiener(image, (1, 3, 3), noise=0.09) for image in noisy])
    few = rows_of(train, test[:50], (0.3,))
    expected = np.mean((restored - test[:50]) ** 2)
    assert few["Wiener filter 3x3"]["0.3"] == pytest.approx(expected, rel=1e-6)


def test_clipped_columns_clip_what_is_restored_too(digits):
    train, test = digits
    few = rows_of(train, test[:50], (0.5,))
    flat, noisy = train.reshape(len(train), -1), corruptions.gaussian(test[:50], 0.5, 0, clip=True)
    fit = PCA(50, svd_solver="full").fit(flat)
    restored = fit.inverse_transform(fit.transform(noisy.reshape(50, -1))).reshape(test[:50].shape)
    errors = [np.mean((image - test[:50]) ** 2) for image in (restored, restored.clip(0, 1))]
    assert few["PCA-50"]["0.5 clipped"] == pytest.approx(errors[1], rel=1e-4)
    assert errors[1] < errors[0]


def test_filters_keep_blank_images_and_no_row_has_more_components_than_pixels(digits):
    train, _ = digits
    blank = np.zeros((2, 1, 8, 8), np.float32)
    rows = rows_of(train[:30], blank, (0.0,))
    assert "PCA-50" not in rows
    assert rows["Wiener filter 3x3"]["0.0"] == rows["median filter 3x3"]["0.0"] == 0.0


def test_damaged_images_are_those_that_models_are_given(digits):
    train, test = digits
    rows = bounds.TrivialDenoisers(train).rows(
        test, bounds.damaged_columns(test, (0.1, 0.4), seed=0)
    )
    given = {
        "salt and pepper 0.4": corruptions.salt_and_pepper(test, 0.4, 0),
        "occlusion 0.4": corruptions.occlusion(test, round(0.4 * 8), 0),
    }
    assert list(rows["PCA-50"])[2:] == list(given)
    for column, images in given.items():
        damage = np.mean((images.astype(float) - test) ** 2)
        assert rows["doing nothing"][column] == pytest.approx(damage, rel=1e-5)
        with np.errstate(all="ignore"):  # 0/0 in windows without variance, which it replaces
            restored = np.stack([wiener(image, (1, 3, 3), noise=damage) for image in images[:50]])
        few = {column: bounds.Corrupted(images[:50], damage)}
        expected = np.mean((restored - test[:50]) ** 2)
        filtered = bounds.TrivialDenoisers(train).rows(test[:50], few)["Wiener filter 3x3"][column]
        assert filtered == pytest.approx(expected, rel=1e-5)


def test_denoisers_beat_doing_nothing_on_strong_noise(table):
    for name in ROWS[2:]:
        assert table[name]["0.3"] < table["doing nothing"]["0.3"]


# ------------------------------------------------------------------ MNIST


@pytest.fixture(scope="module")
def mnist():
    found = data.load("mnist")
    return found.train.scaled(), found.test.scaled()


@pytest.mark.needs_mnist
def test_the_known_bounds_of_mnist(mnist):
    train, test = mnist
    assert bounds.collapse_floor(train, test) == pytest.approx(205.80, abs=0.005)
    assert bounds.perfect_score(test) == pytest.approx(45.53, abs=0.005)


@pytest.mark.needs_mnist
def test_the_known_denoisers_of_mnist(mnist):
    table = rows_of(*mnist, (0.3,))
    expected = {
        "0.3": {"doing nothing": 70.6, "mean image": 52.9, "PCA-50": 13.5},
        "0.3 clipped": {"doing nothing": 36.6, "mean image": 52.9, "PCA-50": 14.7},
    }
    for column, rows in expected.items():
        for name, value in rows.items():
            assert table[name][column] * 784 == pytest.approx(value, abs=0.06), (name, column)
    assert table["mean image"]["clean"] == pytest.approx(0.0675, abs=5e-5)
