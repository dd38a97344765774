"""Denoising: the estimate by its formula, its parts, and what it gives on real digits."""

import pickle
import sys

import numpy as np
import pytest
import torch

import sparsevae
from sparsevae import cli, data
from sparsevae.data import corruptions
from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.evaluation import denoising
from sparsevae.evaluation.denoising import Residuals
from sparsevae.metrics import bounds, denoisers

SIGMA, GREY = 0.3, 255


@pytest.fixture(scope="module")
def digits():
    found = data.load("mnist-5k")
    return found.train.images, found.test.images[:300]


@pytest.fixture(scope="module")
def model(digits):
    trained = sparsevae.load("mnist-vsc-64").with_clean(digits[0][:2000])
    assert trained.denoiser is trained.denoiser  # learned once
    return trained


def noisy(images, sigma=SIGMA, clip=False):
    return GREY * corruptions.gaussian(images / np.float32(GREY), sigma, 0, clip=clip)


def error(restored, clean):
    return float((((restored.astype(np.float64) - clean) / GREY) ** 2).mean())


# ------------------------------------------------------------------ the estimate


def test_the_estimate_is_that_of_the_dense_formula():
    generator = torch.Generator().manual_seed(0)
    B, D, R = 4, 7, 3

    def draw(*shape):
        return torch.randn(shape, generator=generator).double()

    y, f, loadings = draw(B, D), draw(B, D), draw(2, D, R)
    own, share = 0.5 + draw(2, D).square(), 0.5 + draw(1, D).abs()
    across = 0.9 * torch.tanh(draw(B, D)) * own.prod(0).sqrt()
    b, d, a, w = draw(B, D), 0.1 + draw(B, D).abs(), draw(B, D), 0.5 + draw(B, D).abs()
    known = Residuals(torch.empty(5, 1), loadings, own, torch.tensor(0.0))
    curves = torch.stack([b, d, a, w, across + loadings.prod(0).sum(1)])
    found = denoising._estimate(y, f, known, curves, share)
    tall = loadings.flatten(0, 1)
    for i in range(B):
        joint = tall @ tall.T + torch.diag(own.flatten())
        joint[:D, D:] += torch.diag(across[i])
        joint[D:, :D] += torch.diag(across[i])
        scale = torch.cat([d[i], share[0] * w[i]])
        both = scale[:, None] * joint * scale
        of_x, of_sum = (
            both[:D, :D] + both[:D, D:],
            sum(
                both[rows, columns]
                for rows in (slice(D), slice(D, None))
                for columns in (slice(D), slice(D, None))
            ),
        )
        seen = y[i] - f[i] - b[i] - share[0] * a[i]
        expected = f[i] + b[i] + of_x @ torch.linalg.solve(of_sum, seen)
        torch.testing.assert_close(found[i], expected, rtol=2e-3, atol=2e-3)


def test_noise_that_was_cut_off_at_black_and_white_has_mean_zero_again():
    black_and_white = np.repeat(np.float32([0, 1]), 200_000)[None]
    y = corruptions.gaussian(black_and_white, SIGMA, 0, clip=True)
    found = denoising._centred(y, np.float32(SIGMA)) - black_and_white
    cut_off = (y - black_and_white).reshape(2, -1).mean(1)
    np.testing.assert_allclose(found.reshape(2, -1).mean(1), 0, atol=2e-3)
    np.testing.assert_allclose(np.abs(cut_off), SIGMA / np.sqrt(2 * np.pi), atol=2e-3)


# ------------------------------------------------------------------ a trained model


@pytest.mark.parametrize("clip", [False, True])
def test_it_beats_its_own_code_and_what_knows_second_moments(model, digits, clip):
    train, test = digits
    y = noisy(test, clip=clip)
    restored = error(model.denoise(y, SIGMA * GREY, own_type=False), test)
    assert restored < 0.6 * error(model.reconstruct(y, own_type=False), test)
    column = f"{SIGMA} clipped" if clip else f"{SIGMA}"
    clean = test / np.float32(GREY)
    columns = {column: bounds.gaussian_columns(clean, (SIGMA,), 0)[column]}
    labels = data.load("mnist-5k").train.labels
    rivals = bounds.TrivialDenoisers(train / np.float32(GREY), labels).rows(clean, columns)
    for name, row in rivals.items():
        assert restored < row[column], name


def test_the_noise_need_not_be_known(model, digits):
    _, test = digits
    for sigma in (0.1, 0.3, 0.5):
        for clip in (False, True):
            scaled = noisy(test, sigma, clip) / np.float32(GREY)
            found = model.denoiser.sigma(model.model, scaled, clipped=clip)
            assert found == pytest.approx(sigma, rel=0.15)
    y = noisy(test)
    told, estimated = (model.denoise(y, s, own_type=False) for s in (SIGMA * GREY, None))
    assert error(estimated, test) == pytest.approx(error(told, test), rel=0.05)


def test_bytes_stay_bytes_and_clean_images_stay_nearly_clean(model, digits):
    _, test = digits
    y = noisy(test, clip=True).round().astype(np.uint8)
    restored = model.denoise(y, SIGMA * GREY)
    assert restored.dtype == np.uint8
    assert restored.shape == test.shape
    assert error(restored, test) < 0.25 * error(y, test)
    assert error(model.denoise(test, 0.0), test) < 1e-5


def test_noise_may_differ_by_element(model, digits):
    """Pixels without noise are kept, and the others lose next to nothing."""
    _, test = digits
    sigmas = np.zeros((1, 28, 28))
    sigmas[:, :14] = SIGMA * GREY
    y = np.where(sigmas > 0, noisy(test), test)
    restored = model.denoise(y, sigmas, own_type=False)
    assert error(restored[:, :, 14:], test[:, :, 14:]) < 1e-3
    whole = model.denoise(noisy(test), SIGMA * GREY, own_type=False)
    upper, of_whole = (error(x[:, :, :14], test[:, :, :14]) for x in (restored, whole))
    assert upper < 1.3 * of_whole


def test_what_was_learned_goes_along_and_clean_rows_do_not(model, digits, tmp_path):
    y = noisy(digits[1][:20])
    expected = model.denoise(y, SIGMA * GREY, own_type=False)
    model.save(tmp_path / "kept")
    kept, copied = sparsevae.load(tmp_path / "kept"), pickle.loads(pickle.dumps(model))
    assert kept.clean is None
    assert copied.clean is None
    np.testing.assert_array_equal(copied.denoise(y, SIGMA * GREY, own_type=False), expected)
    np.testing.assert_allclose(
        kept.denoise(y, SIGMA * GREY, own_type=False), expected, atol=0.01 * GREY
    )
    (tmp_path / "kept" / "denoiser.safetensors").write_bytes(b"no tensors")
    with pytest.raises(RunFolderError, match=r"denoiser\.safetensors"):
        sparsevae.load(tmp_path / "kept").denoise(y)


def test_a_table_is_denoised_in_its_units():
    rng = np.random.default_rng(0)
    scales = np.array([1.0, 100.0, 0.01, 10.0, 1.0])
    clean = rng.normal(size=(600, 2)) @ rng.normal(size=(2, 5)) * scales + scales
    sigma = 0.5 * scales
    y = clean + sigma * rng.standard_normal(clean.shape)
    trained = sparsevae.fit(clean, latents=4, epochs=60)
    before, after = (((x - clean) / sigma) ** 2 for x in (y, trained.denoise(y, sigma)))
    assert after.mean() < 0.6 * before.mean()


def test_what_cannot_be_denoised_is_said(model, digits, tmp_path):
    y = digits[1][:2]
    with pytest.raises(ConfigurationError, match="with_clean"):
        sparsevae.load("mnist-vsc-64").denoise(y)
    counts = sparsevae.fit(np.random.default_rng(0).poisson(3, (40, 4)), epochs=1)
    with pytest.raises(ConfigurationError, match="counts"):
        counts.denoise([[1, 2, 3, 4]])
    for wrong in (-1.0, float("inf"), [1.0, 2.0]):
        with pytest.raises(ConfigurationError, match="sigma"):
            model.denoise(y, wrong)


def test_the_command_and_the_estimator(digits, tmp_path, capsys, monkeypatch):
    train, test = digits
    for name, rows in (("clean", train[:, 0]), ("noisy", noisy(test[:5], clip=True)[:, 0])):
        np.save(tmp_path / f"{name}.npy", rows.round().astype(np.uint8))
    where = [f"{tmp_path}/{name}.npy" for name in ("noisy", "restored", "clean")]
    options = ["--out", where[1], "--clean", where[2], "--sigma", "76.5"]
    monkeypatch.setattr(sys, "argv", ["sparsevae", "denoise", "mnist-vsc-64", where[0], *options])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    assert "5 rows" in capsys.readouterr().out
    restored = np.load(tmp_path / "restored.npy")
    assert error(restored, test[:5]) < 0.5 * error(np.load(tmp_path / "noisy.npy"), test[:5, 0])
    estimator = sparsevae.SparseVAE(n_components=4, max_iter=1, random_state=0)
    estimator.fit(train[:100, 0])
    assert estimator.denoise(test[:3, 0], 76.5).shape == (3, 28, 28)


# ------------------------------------------------------------------ rivals


def test_rivals_agree_where_rows_are_normal():
    """One class is the Wiener estimate; a regression on many rows comes near; all by hand."""
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(6, 6))
    clean = rng.normal(size=(20_000, 6)) @ spread + 3
    y = clean[:500] + 0.7 * rng.standard_normal((500, 6))
    known = denoisers.moments(clean)
    found = denoisers.wiener_of_components(known, y, 0.49)
    covariance = np.cov(clean.T, bias=True)
    gain = covariance @ np.linalg.inv(covariance + 0.49 * np.eye(6))
    np.testing.assert_allclose(found, clean.mean(0) + (y - clean.mean(0)) @ gain.T, rtol=1e-6)
    np.testing.assert_allclose(denoisers.class_gaussians([known], y, 0.49), found, rtol=1e-6)
    seen = clean + 0.7 * rng.standard_normal(clean.shape)
    np.testing.assert_allclose(denoisers.affine_regression(clean, seen, y), found, atol=0.15)


def test_classes_help_where_rows_have_some():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 4000)
    clean = np.where(labels[:, None] == 1, 3.0, -3.0) + 0.1 * rng.normal(size=(4000, 4))
    y = clean[:500] + 1.5 * rng.standard_normal((500, 4))
    classes = [denoisers.moments(clean[labels == name]) for name in (0, 1)]
    of_classes = denoisers.class_gaussians(classes, y, 2.25)
    of_all = denoisers.wiener_of_components(denoisers.moments(clean), y, 2.25)
    one, other = (np.mean((x - clean[:500]) ** 2) for x in (of_classes, of_all))
    assert one < 0.2 * other


def test_classes_of_fewer_rows_than_elements_have_the_densities_of_their_covariances():
    rng = np.random.default_rng(0)
    y = rng.normal(size=(20, 9))
    clean = rng.normal(size=(2, 5, 9)) + np.array([[[0.0]], [[1.0]]])
    estimates, scores = [], []
    for rows in clean:
        covariance = np.cov(rows.T, bias=True) + 0.3 * np.eye(9)
        off, inverse = y - rows.mean(0), np.linalg.inv(covariance)
        estimates.append(y - 0.3 * off @ inverse)
        scores.append(-0.5 * (np.einsum("ni,ij,nj->n", off, inverse, off)))
        scores[-1] -= 0.5 * np.linalg.slogdet(covariance)[1]
    weight = 1 / (1 + np.exp(scores[0] - scores[1]))[:, None]
    expected = (1 - weight) * estimates[0] + weight * estimates[1]
    found = denoisers.class_gaussians([denoisers.moments(rows) for rows in clean], y, 0.3)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.needs_mnist
def test_rivals_on_mnist_are_those_of_the_field():
    """Squared errors an image on the test set; 7.4 and 6.3 of class Gaussians are of 10 seeds."""
    found = data.load("mnist")
    train, test = found.train.scaled(), found.test.scaled()[:1000]
    columns = {"0.3": bounds.gaussian_columns(test, (SIGMA,), 0)["0.3"]}
    rows = bounds.TrivialDenoisers(train, found.train.labels).rows(test, columns)
    per_image = {name: 784 * row["0.3"] for name, row in rows.items()}
    assert per_image["PCA-50"] == pytest.approx(13.5, abs=0.5)
    assert per_image["Wiener of components"] == pytest.approx(9.55, abs=0.4)
    assert per_image["affine regression"] == pytest.approx(8.1, abs=0.5)
    assert per_image["class Gaussians"] == pytest.approx(6.4, abs=0.4)
