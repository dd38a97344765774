"""Damaged and hidden pixels: their likelihood, what is put in their place, and what is refused."""

import sys

import numpy as np
import pandas
import pytest
import torch

import sparsevae
from sparsevae import cli
from sparsevae.data import corruptions
from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.evaluation.repair import noise_probability
from sparsevae.storage import arrays
from sparsevae.training import loop


@pytest.fixture(scope="module")
def model():
    return sparsevae.load("mnist-vsc-64")


@pytest.fixture(scope="module")
def digits():
    return sparsevae.data.load("mnist-5k").test.images[:60]


def error(restored, clean):
    return ((restored / 255.0 - clean / 255.0) ** 2).sum() / len(clean)


def test_the_probability_of_noise_is_bayes_rule():
    """Against counts of a million pixels of a known distribution."""
    rng, share, white = np.random.default_rng(0), 0.3, 0.8
    own = (rng.random(10**6) < white).astype(np.float64)
    noisy = rng.random(10**6) < share
    y = np.where(noisy, rng.random(10**6) < 0.5, own)
    for value in (0.0, 1.0):
        found = noise_probability(torch.tensor(value), torch.tensor(white), share)
        assert float(found) == pytest.approx(noisy[y == value].mean(), abs=0.005)
    assert noise_probability(torch.tensor(0.5), torch.tensor(white), share) == 0


@pytest.mark.parametrize("damage", [{"sigma": 0.1}, {"salt_and_pepper": 0.1}])
def test_an_error_names_the_row_wherever_it_stands(model, digits, damage, monkeypatch):
    monkeypatch.setattr(arrays, "BLOCK_VALUES", 10 * 784)
    rows = digits[:25].astype(np.float32)
    rows[17, 0, 3, 4] = np.nan
    with pytest.raises(DatasetError, match="image 18"):
        model.with_clean(digits).denoise(rows, **damage)


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_salt_and_pepper_leave_less_than_half_of_what_decoding_leaves(model, digits, share):
    noisy = corruptions.salt_and_pepper(digits / 255.0, share, 1) * 255
    noisy = noisy.round().astype(np.uint8)
    restored = model.denoise(noisy, salt_and_pepper=share)
    assert restored.dtype == np.uint8
    assert error(restored, digits) < 0.5 * error(model.reconstruct(noisy), digits)
    np.testing.assert_array_equal(restored, model.denoise(noisy, salt_and_pepper=share))
    inside = (noisy > 0) & (noisy < 255)
    np.testing.assert_array_equal(restored[inside], noisy[inside])  # they are no noise


def test_hidden_pixels_are_filled_and_the_others_stay(model, digits):
    hidden = corruptions.occlusion(np.ones((60, 1, 28, 28)), 9, 1) == 0
    covered = np.where(hidden, 0, digits)
    restored = model.denoise(covered, hidden=hidden)
    np.testing.assert_array_equal(restored[~hidden], digits[~hidden])
    assert error(restored, digits) < 0.5 * error(covered, digits)
    other = model.denoise(np.where(hidden, 200, digits), hidden=hidden)
    np.testing.assert_array_equal(other, restored)  # what lay below has no say
    assert len(model.denoise(covered[:0], hidden=hidden[:0])) == 0


def test_what_is_hidden_and_sigma_follow_the_layout_and_the_names_of_the_rows():
    rng = np.random.default_rng(0)
    images = rng.random((12, 3, 8, 8)).astype(np.float32)
    hidden = np.arange(images[0].size).reshape(images.shape[1:]) % 5 == 0
    hidden = np.repeat(hidden[None], len(images), 0)
    colour = sparsevae.fit(images, "vae", latents=2, epochs=1, widths=[8])
    last = [each.transpose(0, 2, 3, 1) for each in (images, hidden)]
    expected = colour.denoise(images, hidden=hidden)
    np.testing.assert_array_equal(colour.denoise(last[0], hidden=last[1]), expected)
    np.testing.assert_allclose(expected[~hidden], images[~hidden], atol=1e-6)
    table = pandas.DataFrame(rng.normal(size=(40, 3)), columns=["a", "b", "c"])
    model, turned = sparsevae.fit(table, "vae", latents=2, epochs=1), ["c", "a", "b"]
    covered = rng.random(table.shape) < 0.2
    for name, given, other in (
        ("hidden", covered, covered[:, [2, 0, 1]]),
        ("hidden", covered, pandas.DataFrame(covered, columns=table.columns)),
        ("sigma", [0.1, 0.5, 2.0], [2.0, 0.1, 0.5]),
    ):
        expected = model.denoise(table, **{name: given})
        np.testing.assert_array_equal(model.denoise(table[turned], **{name: other}), expected)


def test_the_command_line_has_the_same_door(model, digits, tmp_path):
    noisy = corruptions.salt_and_pepper(digits / 255.0, 0.2, 1) * 255
    np.save(tmp_path / "noisy.npy", noisy.round().astype(np.uint8))
    words = ("denoise", "mnist-vsc-64", tmp_path / "noisy.npy", "--salt-and-pepper", 0.2)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            sys, "argv", ["sparsevae", *map(str, words), "--out", str(tmp_path / "o.npy")]
        )
        patch.setattr(loop, "prepare_process", lambda: None)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    assert not ended.value.code
    expected = model.denoise(np.load(tmp_path / "noisy.npy"), salt_and_pepper=0.2)
    np.testing.assert_array_equal(np.load(tmp_path / "o.npy"), expected)


def test_mistakes_are_told(model, digits):
    for settings, part in (
        ({"sigma": 1.0, "salt_and_pepper": 0.1}, "one at a time"),
        ({"salt_and_pepper": 1.5}, "from 0 to below 1"),
        ({"hidden": np.zeros((3, 5), bool)}, "the rows' shape"),
    ):
        with pytest.raises(ConfigurationError, match=part):
            model.denoise(digits, **settings)
    rows = np.random.default_rng(0).normal(size=(40, 6))
    fitted = sparsevae.fit(rows, "vae", latents=2, epochs=1)
    with pytest.raises(ConfigurationError, match="no least and largest value"):
        fitted.denoise(rows, salt_and_pepper=0.1)
    hidden = np.zeros(rows.shape, bool)
    hidden[:, 0] = True
    restored = fitted.denoise(rows, hidden=hidden)
    np.testing.assert_allclose(restored[:, 1:], rows[:, 1:], rtol=1e-5, atol=1e-5)
    assert (restored[:, 0] != rows[:, 0]).all()
