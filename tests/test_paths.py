"""Paths and classes in code space: closed forms, laws, and independence of the code's unit."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy.stats import variation
from sklearn.metrics.pairwise import cosine_similarity

from sparsevae.evaluation import Pass
from sparsevae.evaluation.paths import (
    OF_CLASSES,
    OF_GRID,
    OF_PATHS,
    STEPS,
    class_paths,
    geometry_columns,
    plane,
    present_means,
)
from sparsevae.metrics import geometry
from sparsevae.models import build

LINE = np.linspace(0, 1, 9)[:, None]  # 8 equal steps


def at(*paths):
    """Features (P, T + 1, F) of paths that are given as functions of their place."""
    return np.stack([np.concatenate([f(LINE) for f in path], 1) for path in paths])


EVEN = at((lambda t: 3 * t, lambda t: -4 * t))


# ------------------------------------------------------------------ paths


def test_a_straight_even_path_is_the_smoothest():
    assert geometry.path_length(EVEN) == pytest.approx(1)
    assert geometry.peak_to_mean(EVEN) == pytest.approx(1)
    np.testing.assert_allclose(geometry.step_lengths(EVEN), np.full((1, 8), 5 / 8))


def test_one_jump_is_the_most_sudden():
    jump = at((lambda t: (t > 0.4).astype(float),))
    assert geometry.path_length(jump) == pytest.approx(8)
    assert geometry.peak_to_mean(jump) == pytest.approx(8)


def test_a_detour_is_longer_and_not_more_sudden():
    corner = at((lambda t: np.minimum(2 * t, 1), lambda t: np.maximum(2 * t - 1, 0)))
    assert geometry.path_length(corner) == pytest.approx(2)  # speed 2, ends √2 apart
    assert geometry.peak_to_mean(corner) == pytest.approx(1)


def test_both_equal_their_definitions_on_random_paths():
    x = np.random.default_rng(0).normal(size=(5, 12, 3))
    energy, ends, peaks, means = 0.0, 0.0, 0.0, 0.0
    for path in x:
        steps = [np.sqrt(((b - a) ** 2).sum()) for a, b in pairwise(path)]
        energy += np.mean([(step / (1 / 11)) ** 2 for step in steps])
        ends += ((path[-1] - path[0]) ** 2).sum()
        peaks, means = peaks + max(steps), means + np.mean(steps)
    assert geometry.path_length(x) == pytest.approx(energy / ends)
    assert geometry.peak_to_mean(x) == pytest.approx(peaks / means)
    for function in (geometry.path_length, geometry.peak_to_mean):
        assert function(7 * x + 1) == pytest.approx(function(x))
        assert function(x) >= 1


def test_a_path_on_which_nothing_happens_adds_nothing():
    still = np.concatenate([EVEN, EVEN * 1e-9])
    assert geometry.path_length(still) == pytest.approx(1)
    assert geometry.peak_to_mean(still) == pytest.approx(1)


@pytest.mark.parametrize("features", [np.zeros((3, 9, 2)), np.zeros((0, 9, 2)), EVEN * 1e-5])
def test_where_nothing_moves_there_is_no_number(features):
    assert geometry.path_length(features) is None
    assert geometry.peak_to_mean(features) is None


def test_straight_paths_are_even_and_end_where_they_should():
    a, b = np.random.default_rng(1).normal(size=(2, 4, 3)).astype(np.float32)
    lines = geometry.straight_paths(a, b, 6)
    assert lines.shape == (4, 7, 3)
    np.testing.assert_allclose(lines[:, 0], a)
    np.testing.assert_allclose(lines[:, -1], b)
    np.testing.assert_allclose(lines[:, 3], (a + b) / 2, rtol=1e-5, atol=1e-6)


# ------------------------------------------------------------------ classes


def test_overlap_and_variation_against_other_implementations():
    means = np.abs(np.random.default_rng(2).normal(size=(6, 9)))
    cosines = cosine_similarity(means)[np.triu_indices(6, 1)]
    assert geometry.class_overlap(means) == pytest.approx(cosines.mean())
    assert geometry.class_overlap(means) == pytest.approx(geometry.class_overlap(5 * means))
    assert geometry.activation_variation(means) == pytest.approx(variation(means, axis=1).mean())
    one_hot = np.eye(9)[:4]
    assert geometry.class_overlap(one_hot) == 0
    assert geometry.activation_variation(one_hot) == pytest.approx(np.sqrt(8))
    assert geometry.class_overlap(np.ones((3, 4))) == pytest.approx(1)


def test_classes_that_are_off_everywhere_have_no_direction():
    some = np.array([[1.0, 0.0], [0.0, 0.0], [1.0, 0.0]])
    assert geometry.class_overlap(some) == pytest.approx(1)
    assert geometry.activation_variation(some) == pytest.approx(1)
    assert geometry.class_overlap(np.zeros((3, 2))) is None
    assert geometry.activation_variation(np.zeros((3, 2))) is None
    assert geometry.activation_level(np.zeros((3, 2))) is None


def test_classes_without_images_are_left_out():
    values = np.arange(8, dtype=np.float32).reshape(4, 2)
    means = present_means(values, np.array([0, 0, 3, 3]))
    np.testing.assert_allclose(means, [[1, 2], [5, 6]])
    assert class_paths(means).shape == (1, STEPS + 1, 2)
    assert class_paths(means[:1]).shape == (0, STEPS + 1, 2)


# ------------------------------------------------------------------ of a model


def make(name, latents=3, scale=1.0):
    """A model of random weights; ``scale`` changes the unit of its code and nothing else."""
    torch.manual_seed(0)
    model = build(name, (1, 28, 28), latents, widths=(3, 4, 16), arguments={}).eval()
    head, first = model.encoder.head, model.decoder.trunk[0]
    head.weight.data *= 20
    first.weight.data *= 30
    place = slice(latents, 2 * latents) if name == "vsc" else slice(latents)
    head.weight.data[place] *= scale
    head.bias.data[place] *= scale
    first.weight.data /= scale
    return model


def geometry_of(model, data):
    one = Pass.of(model, data)
    return geometry_columns(one), one.frame


@pytest.mark.parametrize("name", ["ae", "vsc"])
def test_the_unit_of_the_code_changes_the_activation_level_alone(name, tiny_dataset):
    row, _ = geometry_of(make(name), tiny_dataset)
    scaled, _ = geometry_of(make(name, scale=8.0), tiny_dataset)
    further = {"activation_level", "classifier_accuracy"}
    assert set(row) == {*OF_PATHS, *OF_GRID, *OF_CLASSES, *further}
    assert scaled.pop("activation_level") == pytest.approx(8 * row.pop("activation_level"), 1e-4)
    assert None not in row.values()
    assert scaled == pytest.approx(row, rel=1e-3)
    assert row["path_length"] >= 1
    assert 1 <= row["path_peak_to_mean"] <= STEPS
    assert 1 <= row["grid_classes"] <= 10


def test_the_plane_is_the_pictures_and_its_axes_are_even(tiny_dataset):
    _, frame = geometry_of(make("vsc"), tiny_dataset)
    codes, (first, second) = plane(frame), frame.dimensions
    rest = np.delete(codes, [first, second], axis=2)
    base = np.delete(frame.base_codes[0], [first, second])
    np.testing.assert_array_equal(rest, np.broadcast_to(base, rest.shape))
    for dimension, axis in ((first, codes[:, 5, first]), (second, codes[5, :, second])):
        values = frame.axes[dimension]
        assert np.isnan(values[0])
        assert axis.min() == pytest.approx(min(0, np.nanmin(values)))
        assert axis.max() == pytest.approx(max(0, np.nanmax(values)))
        np.testing.assert_allclose(np.diff(axis), (axis[-1] - axis[0]) / STEPS, atol=1e-5)


def test_gates_that_are_decoded_are_averaged_and_walked_with_the_codes(tiny_dataset):
    torch.manual_seed(0)
    arguments = {"decode_gates": True}
    model = build("vsc", (1, 28, 28), 6, widths=(3, 4, 16), arguments=arguments).eval()
    model.encoder.head.weight.data *= 20
    model.decoder.trunk[0].weight.data *= 30
    one = Pass.of(model, tiny_dataset)
    row = geometry_columns(one)
    code, gates = one.measured.code, (one.measured.code != 0).astype(np.float32)
    means = [present_means(part, one.labels) for part in (code, gates)]
    assert ((means[1] > 0) & (means[1] < 1)).any()  # a mean of gates is none
    walked = torch.as_tensor(np.concatenate([class_paths(part) for part in means], 2))
    with torch.no_grad():
        images = model.likelihood_of(model.decoder.trunk(walked.flatten(0, 1))).mean
        features = one.classifier.features(images).unflatten(0, walked.shape[:2]).numpy()
    assert row["path_length"] == pytest.approx(geometry.path_length(features), rel=1e-4)
    assert row["path_peak_to_mean"] == pytest.approx(geometry.peak_to_mean(features), rel=1e-4)


def test_a_decoder_that_ignores_codes_has_no_paths(tiny_dataset):
    model = make("vae")
    model.decoder.trunk[0].weight.data.zero_()
    row, _ = geometry_of(model, tiny_dataset)
    assert {row[name] for name in (*OF_PATHS, *OF_GRID[:2])} == {None}
    assert row["grid_classes"] == 1


def test_one_dimension_has_paths_and_no_plane(tiny_dataset):
    row, _ = geometry_of(make("ae", latents=1), tiny_dataset)
    assert row["path_length"] >= 1
    assert {row[name] for name in OF_GRID} == {None}
    assert row["class_overlap"] == pytest.approx(1)
