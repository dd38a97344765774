"""Drawings: images stay upright and in their place, numbers are drawn as they are."""

from itertools import combinations

import numpy as np
import pytest
from matplotlib import colors
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sparsevae.report import plots

DIMENSIONS = (3, 7)


@pytest.fixture
def ax():
    return Figure().subplots()


def corner(row, column, size=6):
    """An image that is dark but for one quarter, so that no turn or mirror leaves it alone."""
    image = np.zeros((1, size, size), dtype=np.uint8)
    half = size // 2
    image[0, row * half : (row + 1) * half, column * half : (column + 1) * half] = 255
    return image


def grid_of(size):
    """Images that each carry their own position, bright at the top left."""
    grid = np.zeros((size, size, 1, 4, 5), dtype=np.uint8)
    for i, j in np.ndindex(size, size):
        grid[i, j, 0, 0, 0] = 10 * i + j + 1
    return grid


def tick_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_tiles_keep_every_image_upright_and_in_its_place():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 1, 4, 5), dtype=np.uint8)
    joined = plots.tiles(images)
    assert joined.shape == (8, 15)
    for row, column in np.ndindex(2, 3):
        tile = joined[4 * row : 4 * row + 4, 5 * column : 5 * column + 5]
        np.testing.assert_array_equal(tile, images[row, column, 0])


def test_three_channels_stay_colours():
    images = np.random.default_rng(0).integers(0, 256, (1, 2, 3, 4, 4), dtype=np.uint8)
    joined = plots.tiles(images)
    assert joined.shape == (4, 8, 3)
    np.testing.assert_array_equal(joined[:, 4:], images[0, 1].transpose(1, 2, 0))


@pytest.mark.parametrize(("row", "column"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_an_image_is_upright_on_the_paper(row, column):
    figure = Figure(figsize=(2, 2), dpi=100)
    canvas, ax = FigureCanvasAgg(figure), figure.add_axes((0, 0, 1, 1))
    plots.draw_tiles(ax, corner(row, column)[None, None])
    ax.set_axis_off()
    canvas.draw()
    paper = np.asarray(canvas.buffer_rgba())[..., 0].astype(float)  # row 0 is the top
    quarters = paper.reshape(2, 100, 2, 100).mean((1, 3))
    assert quarters[row, column] > 240
    assert quarters.sum() - quarters[row, column] < 45


def test_the_first_dimension_goes_right_and_the_second_up(ax):
    size, grid = 4, grid_of(4)
    values = np.array([[-1.0, 0, 1, 2], [10.0, 20, 30, 40]])
    plots.decoded_plane(ax, grid, values, DIMENSIONS)
    picture = np.asarray(ax.images[0].get_array())
    for i, j in np.ndindex(size, size):
        top, left = 4 * (size - 1 - j), 5 * i
        np.testing.assert_array_equal(picture[top : top + 4, left : left + 5], grid[i, j, 0])
    assert ax.images[0].get_extent() == [0, size, 0, size]
    assert ax.images[0].origin == "upper"
    assert not ax.yaxis_inverted()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("value of dimension 3", "value of dimension 7")


def test_ticks_of_a_plane_stand_in_the_middle_of_their_tiles(ax):
    values = np.array([np.linspace(-2, 2, 9), np.linspace(0, 0.4, 9)])
    plots.decoded_plane(ax, grid_of(9), values, DIMENSIONS)
    assert list(ax.get_xticks()) == [0.5, 3.5, 6.5]
    assert tick_texts(ax.xaxis) == ["−2.0", "−0.5", "1.0"]
    assert tick_texts(ax.yaxis) == ["0.00", "0.15", "0.30"]


def test_a_row_and_a_column_that_are_off_are_framed_and_named(ax):
    values = np.array([[np.nan, *np.linspace(-2, 2, 8)]] * 2)
    plots.decoded_plane(ax, grid_of(9), values, DIMENSIONS)
    frames = [(patch.get_xy(), patch.get_width(), patch.get_height()) for patch in ax.patches]
    assert frames == [((0, 0), 1, 9), ((0, 0), 9, 1)]
    for axis in (ax.xaxis, ax.yaxis):
        label = axis.get_ticklabels()[0]
        assert (label.get_text(), label.get_color()) == ("off", plots.OFF)
        assert axis.get_ticklocs()[0] == 0.5


def test_without_spikes_nothing_is_framed(ax):
    plots.decoded_plane(ax, grid_of(4), np.ones((2, 4)), DIMENSIONS)
    assert not ax.patches
    assert "off" not in tick_texts(ax.xaxis)


def test_codes_lie_where_they_are_in_the_colour_of_their_class(ax):
    codes, labels = np.array([[0.0, 1], [2, 3], [4, 5]]), np.array([2, 0, 2])
    assert plots.scatter_codes(ax, codes, labels, ["a", "b", "c"], DIMENSIONS) is ax
    (points,) = ax.collections
    np.testing.assert_array_equal(points.get_offsets(), codes)
    expected = [colors.to_rgb(plots.COLOURS[k]) for k in labels]
    np.testing.assert_allclose(points.get_facecolors()[:, :3], expected)
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["a", "b", "c"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("dimension 3", "dimension 7")


def test_of_many_classes_the_ten_most_frequent_have_a_colour(ax):
    frequent = np.repeat(np.arange(100, 1000, 90), 5)
    labels = np.concatenate([frequent, np.arange(1000)])
    codes = np.random.default_rng(0).normal(size=(len(labels), 2))
    names = [f"class {k}" for k in range(1000)]
    plots.scatter_codes(ax, codes, labels, names, DIMENSIONS)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == [*(f"class {k}" for k in range(100, 1000, 90)), "990 others"]
    drawn = {
        tuple(point): tuple(colour[:3])
        for point, colour in zip(
            ax.collections[0].get_offsets(), ax.collections[0].get_facecolors(), strict=True
        )
    }
    first = [drawn[tuple(code)] for code, label in zip(codes, labels, strict=True) if label == 190]
    assert first == [colors.to_rgb(plots.COLOURS[1])] * 6
    assert drawn[tuple(codes[-1])] == colors.to_rgb(plots.RULE)


def test_names_of_users_neither_vanish_nor_become_formulas(ax):
    names = ["_hidden", "$x$", "long " * 10]
    plots.scatter_codes(ax, np.zeros((3, 2)), np.arange(3), names, DIMENSIONS)
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["\u00a0_hidden", r"\$x\$", "long long long lo…"]


def test_codes_without_labels_have_no_legend(ax):
    plots.scatter_codes(ax, np.zeros((3, 2)), None, [], DIMENSIONS)
    assert ax.get_legend() is None
    assert len(ax.collections[0].get_offsets()) == 3


def test_a_heat_map_shows_the_numbers_that_it_is_given(ax):
    values = np.array([[-0.5, 2.0, np.nan], [0.25, -0.01, 1.0]])
    assert plots.heat_map(ax, values, ["a", "b"], ["0", "1", "2"], centred=True, digits=1) is ax
    np.testing.assert_array_equal(np.ma.filled(ax.images[0].get_array(), np.nan), values)
    assert ax.images[0].get_clim() == (-2.0, 2.0)
    assert [text.get_text() for text in ax.texts] == ["−0.5", "2.0", "", "0.2", "0.0", "1.0"]
    assert [text.get_position() for text in ax.texts[:2]] == [(0, 0), (1, 0)]
    assert (tick_texts(ax.xaxis), tick_texts(ax.yaxis)) == (["0", "1", "2"], ["a", "b"])


def test_probabilities_have_colours_from_0_to_1_whatever_they_are(ax):
    plots.heat_map(ax, np.array([[0.4, 0.5]]), ["a"], ["0", "1"], centred=False)
    assert ax.images[0].get_clim() == (0.0, 1.0)
    assert not ax.texts


def test_a_curve_has_bars_only_where_there_is_a_spread(ax):
    x, means, spreads = np.array([1.0, 2, 3]), np.array([5.0, 6, 7]), np.array([0.0, 0.5, 0])
    plots.mean_curve(ax, x, means, spreads, label="VAE", index=1)
    np.testing.assert_array_equal(ax.lines[0].get_xydata(), np.stack([x, means], axis=1))
    assert ax.lines[0].get_label() == "VAE"
    np.testing.assert_allclose(ax.collections[0].get_segments(), [[[2, 5.5], [2, 6.5]]])


# How eyes without red or green cones see linear RGB. Source: Machado, Oliveira, Fernandes 2009.
EYES = {
    "all cones": np.eye(3),
    "no red cones": np.array(
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]]
    ),
    "no green cones": np.array(
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]]
    ),
}


def lab(rgb):
    """CIE L*a*b* of linear RGB, white D65."""
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    x, y, z = (np.clip(rgb, 0, 1) @ to_xyz.T / to_xyz.sum(1)).T
    root = [np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116) for t in (x, y, z)]
    return np.stack([116 * root[1] - 16, 500 * (root[0] - root[1]), 200 * (root[1] - root[2])], 1)


@pytest.mark.parametrize("eyes", EYES)
def test_class_colours_stay_apart(eyes):
    screen = np.array([colors.to_rgb(colour) for colour in plots.COLOURS])
    linear = np.where(screen <= 0.04045, screen / 12.92, ((screen + 0.055) / 1.055) ** 2.4)
    seen = lab(linear @ EYES[eyes].T)
    distances = [np.linalg.norm(one - other) for one, other in combinations(seen, 2)]
    assert len(plots.COLOURS) == 10
    assert min(distances) > 5  # twice what is just noticed
