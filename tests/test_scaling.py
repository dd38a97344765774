"""Laws of scaling: undone it gives the data back, scikit-learn's own numbers, any block size."""

import json

import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sparsevae.data.scaling import (
    KINDS,
    Scaling,
    Values,
    choose,
    fit_scaling,
    from_json,
    values_of,
)
from sparsevae.errors import ConfigurationError
from sparsevae.storage import arrays

SHAPES = [(7,), (3, 5, 4)]
each_kind = pytest.mark.parametrize("kind", KINDS)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def data(shape, count=50, seed=0):
    """Columns or channels of different size, each in a range of its own."""
    random = np.random.default_rng(seed)
    sizes = 10.0 ** np.arange(shape[0]) - 3
    return random.normal(size=(count, *shape)) * sizes.reshape(-1, *[1] * (len(shape) - 1)) + 20


def flat_columns(x):
    """One row an element of a channel, one column a channel."""
    return np.moveaxis(x, 1, -1).reshape(-1, x.shape[1])


@each_shape
@each_kind
def test_undoing_gives_the_training_rows_back(kind, shape):
    x = data(shape)
    found = fit_scaling(kind, x)
    scaled = found.apply(x)
    assert scaled.dtype == found.undo(scaled).dtype == np.float32
    assert scaled.shape == x.shape
    np.testing.assert_allclose(found.undo(scaled), x, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kind", "reference"), [("standard", StandardScaler()), ("minmax", MinMaxScaler(clip=True))]
)
@each_shape
def test_statistics_are_scikit_learns_a_column_or_channel(kind, reference, shape):
    train, later = data(shape), data(shape, seed=1)
    expected = reference.fit(flat_columns(train)).transform(flat_columns(later))
    found = flat_columns(fit_scaling(kind, train).apply(later))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", ["standard", "minmax"])
@pytest.mark.parametrize("value", [0.0, 0.1, -3e5])
def test_constant_columns_keep_their_unit(kind, value):
    """0.1 has no exact mean in binary, so that its deviation is a rounding, not 0."""
    x = np.column_stack([np.full(1001, value), np.arange(1001.0)])
    found = fit_scaling(kind, x)
    assert found.scale[0] == 1.0
    np.testing.assert_allclose(found.apply(x)[:, 0], 0, atol=1e-6)
    np.testing.assert_allclose(found.apply(x[:1] + 0.5)[0, 0], 0.5, rtol=1e-5)


@each_shape
@each_kind
def test_blocks_are_an_inner_matter(kind, shape, monkeypatch):
    x = data(shape)
    whole, values = fit_scaling(kind, x), values_of(x)
    scaled = whole.apply(x)
    monkeypatch.setattr(arrays, "BLOCK_VALUES", 3 * x[0].size)
    assert len(list(arrays.blocks(x))) == 17
    np.testing.assert_allclose(fit_scaling(kind, x).shift, whole.shift, rtol=1e-12)
    np.testing.assert_allclose(fit_scaling(kind, x).scale, whole.scale, rtol=1e-12)
    assert np.array_equal(whole.apply(x), scaled)
    assert values_of(x) == values


def test_memory_mapped_integers_are_scaled_and_left_alone(tmp_path):
    levels = np.arange(256, dtype=np.uint8).reshape(4, 1, 8, 8)
    np.save(tmp_path / "grey.npy", levels)
    mapped = np.load(tmp_path / "grey.npy", mmap_mode="r")
    for kind in KINDS:
        found = fit_scaling(kind, mapped)
        np.testing.assert_allclose(found.undo(found.apply(mapped)), levels, atol=1e-3)
    assert np.array_equal(mapped, levels)


@each_shape
@each_kind
def test_the_logarithm_of_the_volume_is_that_of_the_change_of_units(kind, shape):
    found, x = fit_scaling(kind, data(shape)), data(shape, count=2)
    step = found.undo(np.ones_like(x, dtype=np.float32)) - found.undo(np.zeros_like(x))
    np.testing.assert_allclose(found.log_volume(shape), np.log(step[0]).sum(), rtol=1e-4)


@each_kind
def test_a_scaling_survives_json(kind):
    found = fit_scaling(kind, data((7,)))
    assert from_json(json.loads(json.dumps(found.to_json()))) == found


def test_values_beyond_the_training_rows_are_cut_off_by_minmax_alone():
    train, later = np.array([[0.0], [4.0]]), np.array([[-1.0], [6.0]])
    assert fit_scaling("minmax", train).apply(later).tolist() == [[0.0], [1.0]]
    assert fit_scaling("standard", train).apply(later).tolist() == [[-1.5], [2.0]]


@each_kind
def test_a_density_needs_rows_where_they_are_and_not_cut_off(kind):
    train = data((7,))
    scaling, far = fit_scaling(kind, train), np.float64(train) * 3 + 100
    np.testing.assert_allclose(scaling.undo(scaling.apply(far, clip=False)), far, rtol=1e-4)
    if kind == "minmax":
        assert scaling.apply(far).max() == 1 < scaling.apply(far, clip=False).max()
    else:
        assert np.array_equal(scaling.apply(far), scaling.apply(far, clip=False))


def test_large_numbers_do_not_overflow_before_they_are_scaled():
    x = np.array([[1e300, 1.0], [-1e300, 2.0]]) * 1e-150
    assert np.array_equal(fit_scaling("standard", x).apply(x), [[1, -1], [-1, 1]])


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        ([[0, 255], [3, 4]], Values(0, 255, whole=True, two=False, grey=True)),
        ([[0, 254], [3, 4]], Values(0, 254, whole=True, two=False, grey=False)),
        ([[-1, 255], [3, 4]], Values(-1, 255, whole=True, two=False, grey=False)),
        ([[0.5, 255], [3, 4]], Values(0.5, 255, whole=False, two=False, grey=False)),
        ([[0.5, 7], [7, 0.5]], Values(0.5, 7, whole=False, two=True, grey=False)),
        ([[7.0], [7.0]], Values(7, 7, whole=True, two=False, grey=False)),
        ([[True, False]], Values(0, 1, whole=True, two=True, grey=False)),
    ],
    ids=str,
)
def test_what_values_an_array_holds(x, expected):
    assert values_of(np.array(x)) == expected


def test_images_of_bytes_are_grey_and_tables_of_bytes_are_not():
    dark = np.array([[[3, 9], [0, 2]]], dtype=np.uint8)
    assert values_of(dark).grey
    assert not values_of(dark[0]).grey


@pytest.mark.parametrize(
    ("domain", "x", "kind"),
    [
        ("counts", [[0, 500]], "none"),
        ("real", [[0.5, 500]], "standard"),
        ("unit", [[0.0, 0.5]], "none"),
        ("unit", [[0, 255]], "grey"),
        ("unit", [[0, 500]], "minmax"),
        ("unit", [[-1, 255]], "minmax"),
    ],
    ids=str,
)
def test_the_scaling_brings_values_to_where_the_likelihood_is_defined(domain, x, kind):
    assert choose(domain, values_of(np.array(x))) == kind


def test_an_unknown_scaling_is_one_sentence():
    with pytest.raises(ConfigurationError, match=r"^[^\n]*minmax[^\n]*'robust'\.$"):
        fit_scaling("robust", data((7,)))


def test_grey_levels_are_a_fixed_scaling():
    assert fit_scaling("grey", np.array([[3, 7]])) == Scaling("grey", (0.0,), (255.0,))
