"""The arrays behind the pictures: what stands where, upright, with the values it claims."""

import numpy as np
import pytest
import torch
from torch import nn

from sparsevae.data import Dataset, Split, corruptions
from sparsevae.evaluation import Pass, pictures
from sparsevae.evaluation.passes import Measured
from sparsevae.models import build

LATENTS = 4


class Painter(nn.Module):
    """Decodes a code to an image whose top left pixels are the code; reconstructs the input."""

    shape = (1, 6, 5)

    def __init__(self):
        super().__init__()
        self.anywhere = nn.Parameter(torch.zeros(1))

    def decode(self, codes):
        images = torch.zeros(len(codes), *self.shape)
        images[:, 0, 0, : codes.shape[1]] = codes
        return images

    def reconstruct(self, x):
        return x


def measured(gated, count=200):
    rng = np.random.default_rng(0)
    loc = rng.standard_normal((count, LATENTS)).astype(np.float32)
    loc[:, 1] += 10.0
    gamma = rng.random(loc.shape).astype(np.float32) if gated else np.ones_like(loc)
    gamma[:, 3] *= 0.49 if gated else 1.0  # never on
    code = np.where(gamma > 0.5, loc, 0.0).astype(np.float32)
    some = np.zeros(count, np.float32)
    return Measured(code, gamma * loc, loc, gamma, some, some, gamma, code, gated)


@pytest.fixture(scope="module", params=["vae", "vsc"])
def run(request, tiny_dataset):
    """A model, the arrays of its pictures, and what they are made from."""
    torch.manual_seed(0)
    model = build(request.param, tiny_dataset.shape, LATENTS, widths=(3, 4, 16), arguments={})
    model.encoder.head.weight.data *= 20
    one = Pass.of(model.eval(), tiny_dataset)
    return model, one.x, one.measured, one.ablation_cost, pictures.gather(one)


# ------------------------------------------------------------------ grid


def test_axis_values_run_between_quantiles_of_the_codes_that_are_on():
    found = measured(gated=True)
    axes = pictures.axis_values(found)
    assert axes.shape == (LATENTS, pictures.GRID)
    for j in range(LATENTS):
        on = found.gamma[:, j] > 0.5
        slab = found.loc[on, j] if on.any() else found.loc[:, j]
        assert np.isnan(axes[j, 0])
        np.testing.assert_allclose(axes[j, 1], np.quantile(slab, 0.02), rtol=1e-6)
        np.testing.assert_allclose(axes[j, -1], np.quantile(slab, 0.98), rtol=1e-6)
        np.testing.assert_allclose(np.diff(axes[j, 1:]), np.diff(axes[j, 1:]).mean(), rtol=1e-3)


def test_effects_are_in_deviations_of_what_is_there():
    network = build("vae", (3,), 2, widths=(4,), arguments={"likelihood": "gaussian"}).eval()
    axes, base = np.array([[-1.0, 1.0]] * 2, np.float32), np.zeros(2, np.float32)
    x = np.tile(np.array([[1.0], [-1.0]], np.float32), (50, 3))
    gaps = x.copy()
    gaps[:50, 1] = np.nan
    whole, some = (pictures.effects(network, axes, base, rows) for rows in (x, gaps))
    np.testing.assert_allclose(some, whole, rtol=1e-6)


def test_only_gated_dimensions_have_an_off_position():
    assert np.isfinite(pictures.axis_values(measured(gated=False))).all()


def test_the_first_axis_of_the_grid_moves_the_first_dimension():
    axes = np.linspace(0.0, 0.9, LATENTS * 3).reshape(LATENTS, 3).astype(np.float32)
    base = np.array([0.11, 0.22, 0.33, 0.44], np.float32)
    found = pictures.decoded_grid(Painter(), axes, base, (1, 3))
    assert found["grid"].shape == (3, 3, 1, 6, 5)
    np.testing.assert_array_equal(found["grid_dimensions"], [1, 3])
    np.testing.assert_array_equal(found["grid_values"], axes[[1, 3]])
    for i in range(3):
        for k in range(3):
            code = np.array([0.11, axes[1, i], 0.33, axes[3, k]], np.float32)
            painted = pictures.grey(code)
            np.testing.assert_array_equal(found["grid"][i, k, 0, 0, :LATENTS], painted)


def test_the_off_row_is_decoded_with_that_dimension_at_zero(run):
    model, _, found, _, arrays = run
    first, second = arrays["grid_dimensions"]
    values = np.nan_to_num(arrays["grid_values"])
    for position in (0, 3, pictures.GRID - 1):
        code = torch.from_numpy(arrays["base_codes"][0].copy())
        code[first] = 0.0 if found.gated else float(values[0, 0])
        code[second] = float(values[1, position])
        expected = pictures.grey(model.decode(code[None]).numpy())[0]
        difference = arrays["grid"][0, position].astype(int) - expected
        assert np.abs(difference).max() <= 1


def test_one_latent_makes_a_grid_too():
    axes = np.linspace(0, 1, 5, dtype=np.float32)[None]
    found = pictures.decoded_grid(Painter(), axes, np.zeros(1, np.float32), (0, 0))
    assert pictures.most_used(np.array([0.3])) == (0, 0)
    np.testing.assert_array_equal(found["grid"][2, :, 0, 0, 0], np.round(axes[0] * 255))


@pytest.mark.parametrize(
    ("cost", "expected"),
    [([5.0, 0.0, 9.0, 1.0], (0, 2)), ([0.0, 0.0, 0.0], (0, 1)), ([-1.0, -2.0, 3.0], (0, 2))],
)
def test_the_grid_moves_the_most_used_dimensions(cost, expected):
    assert pictures.most_used(np.array(cost)) == expected


# ------------------------------------------------------------------ restorations


def test_noise_is_added_to_upright_images_and_measured_against_clean_ones():
    x = np.zeros((3, 1, 6, 5), np.float32)
    x[0, 0, 0, 1], x[1, 0, 5, 4] = 1.0, 0.5
    found = pictures.restorations(Painter(), x)
    np.testing.assert_array_equal(found["sigmas"], [0.0, 0.1, 0.2, 0.3, 0.5])
    clean = found["noisy"][0]
    assert (clean[0, 0, 0, 1], clean[1, 0, 5, 4], clean[2].max()) == (255, 128, 0)
    np.testing.assert_array_equal(found["restored"], found["noisy"])
    np.testing.assert_array_equal(found["restored_mse"], found["noisy_mse"])
    for row, sigma in enumerate(found["sigmas"]):
        noisy = corruptions.gaussian(x, sigma, pictures.NOISE_SEED)
        assert found["noisy_mse"][row] == pytest.approx(np.mean((noisy - x) ** 2), rel=1e-5)
        np.testing.assert_array_equal(found["noisy"][row], pictures.grey(noisy))


def test_restorations_are_the_models_own(run):
    model, x, _, _, arrays = run
    chosen = x[arrays["example_indices"]]
    for row, sigma in enumerate(arrays["sigmas"]):
        noisy = corruptions.gaussian(chosen, sigma, pictures.NOISE_SEED)
        restored = model.reconstruct(torch.from_numpy(noisy)).numpy()
        difference = arrays["restored"][row].astype(int) - pictures.grey(restored)
        assert np.abs(difference).max() <= 1
        error = np.mean((restored - chosen) ** 2)
        assert arrays["restored_mse"][row] == pytest.approx(error, rel=1e-4)


def test_grey_levels_are_rounded_and_cut():
    values = np.array([-0.5, 0.0, 0.5, 0.999, 1.0, 1.7])
    assert pictures.grey(values).tolist() == [0, 0, 128, 255, 255, 255]


# ------------------------------------------------------------------ data set


def test_examples_take_every_class_in_turn():
    labels = np.array([2, 2, 0, 0, 1, 2, 0, 1, 2, 0, 0, 0, 0, 0, 0], dtype=np.int64)
    found = pictures.example_indices(labels, 15)
    assert found.tolist() == [2, 4, 0, 3, 7, 1, 6, 5, 9, 8, 10, 11]


def test_examples_are_the_first_images_without_labels():
    assert pictures.example_indices(None, 5).tolist() == [0, 1, 2, 3, 4]


def test_examples_and_codes_belong_to_the_images_they_name(run, tiny_dataset):
    model, x, found, cost, arrays = run
    chosen = arrays["example_indices"]
    np.testing.assert_array_equal(arrays["examples"], tiny_dataset.test.images[chosen])
    np.testing.assert_allclose(arrays["base_codes"][:-1], found.code[chosen], atol=1e-5)
    mean_code = model.encode(torch.from_numpy(x.mean(0, keepdims=True)))
    np.testing.assert_allclose(arrays["base_codes"][-1:], mean_code, atol=1e-5)
    np.testing.assert_array_equal(arrays["scatter_codes"], found.code)
    np.testing.assert_array_equal(arrays["scatter"], found.code[:, arrays["grid_dimensions"]])
    np.testing.assert_array_equal(arrays["scatter_labels"], tiny_dataset.test.labels)
    np.testing.assert_array_equal(arrays["ablation_cost"], cost)
    np.testing.assert_allclose(arrays["gamma_mean"], found.gamma.mean(0))
    assert bool(arrays["gated"]) == found.gated


def test_profiles_are_means_over_the_images_of_a_class(run, tiny_dataset):
    _, _, found, _, arrays = run
    labels = tiny_dataset.test.labels
    columns = {"class_code": found.code, "class_gamma": found.gamma, "class_mean": found.mean}
    for name, values in columns.items():
        expected = [
            np.mean([values[i] for i in np.flatnonzero(labels == k)], 0) for k in range(10)
        ]
        np.testing.assert_allclose(arrays[name], expected, rtol=1e-4, atol=1e-6)


def test_every_array_that_is_kept_is_described_and_no_other(run):
    lines = [line for line in pictures.__doc__.splitlines() if line.startswith("    ")]
    words = {word.strip(",;") for line in lines for word in line.split()}
    first = {line.split()[0].strip(",") for line in lines}
    assert first <= set(run[-1]) <= words


def test_without_labels_there_are_no_profiles(tiny_dataset):
    split = Split(tiny_dataset.test.images[:20])
    dataset = Dataset("made", split, split, ())
    torch.manual_seed(0)
    model = build("vsc", dataset.shape, LATENTS, widths=(3, 4, 16), arguments={}).eval()
    arrays = pictures.gather(Pass.of(model, dataset))
    assert not {"class_code", "class_gamma", "class_mean", "scatter_labels"} & set(arrays)
