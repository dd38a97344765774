"""Figures of runs: what they show is what the run folder holds, and they need nothing else."""

import io
import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from sparsevae.errors import OutputError, RunFolderError
from sparsevae.report import Run, figures, plots
from sparsevae.report.figures.run import visible_dimensions
from sparsevae.report.study import COST
from sparsevae.training.config import RunConfig

DRAWINGS = (figures.latent_space, figures.activated_dimensions, figures.reconstructions)
each_drawing = pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)


def metrics(model, latents, seed=0, **values):
    noise = {f"mse_noise_{sigma}": 0.01 for sigma in (0.1, 0.2, 0.3, 0.5)}
    row = {"negative_elbo": 100.0, "mse": 0.01, "used_dimensions": 2, "active_per_image": 2.0}
    return {"model": model, "latents": latents, "seed": seed, **noise, **row, **values}


@pytest.fixture(scope="session")
def tiny(tiny_run):
    """The tiny run as figures take it."""
    return Run.read(tiny_run)


def changed(run, **arrays):
    """The run with other arrays; None leaves one out."""
    merged = {**run.arrays, **arrays}
    kept = {name: array for name, array in merged.items() if array is not None}
    return replace(run, arrays=kept)


def invented(shape, latents=16, classes=10, gated=True, names=()):
    """A run with random arrays, as one on images or rows of this shape leaves them."""
    draw = np.random.default_rng(0)
    size, examples = 15, 12

    def images(*count):
        return draw.integers(0, 256, (*count, *shape), dtype=np.uint8)

    values = [np.nan, *np.linspace(-2, 2, size - 1)] if gated else np.linspace(-2, 2, size)
    profile = {name: draw.random((classes, latents)) for name in ("class_code", "class_mean")}
    arrays = {
        **profile,
        "class_gamma": draw.random((classes, latents)),
        "scatter": draw.normal(size=(2000, 2)),
        "scatter_labels": draw.integers(0, classes, 2000),
        COST: draw.random(latents),
        "gated": np.array([gated]),
    }
    if len(shape) == 1:
        arrays["effects"] = draw.normal(size=(latents, *shape)).astype(np.float32)
    else:
        arrays |= {
            "grid": images(size, size),
            "grid_dimensions": np.array([0, 1]),
            "grid_values": np.array([values, values]),
            "sigmas": np.array([0.0, 0.1, 0.2, 0.3, 0.5]),
            "examples": images(examples),
            "noisy": images(5, examples),
            "restored": images(5, examples),
            "restored_mse": draw.random(5),
            "noisy_mse": draw.random(5) + 0.1,
        }
    config = RunConfig(dataset="mine", model="vsc", latents=latents)
    return Run(config, arrays=arrays, classes=names, columns=names)


def tick_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_latent_space_shows_the_kept_grid_beside_the_kept_codes(tiny):
    arrays, sheet = tiny.arrays, figures.latent_space(tiny)
    grid, scatter = sheet.axes
    first, second = arrays["grid_dimensions"]
    assert grid.get_xlabel() == f"value of dimension {first}"
    assert scatter.get_ylabel() == f"dimension {second}"
    size, height = len(arrays["grid"]), arrays["grid"].shape[-2]
    picture = np.asarray(grid.images[0].get_array())
    corners = {(0, 0): picture[-height:, :height], (0, size - 1): picture[:height, :height]}
    for place, tile in corners.items():
        np.testing.assert_array_equal(tile, arrays["grid"][place][0])
    assert len(grid.patches) == 2  # a row and a column are off
    np.testing.assert_array_equal(scatter.collections[0].get_offsets(), arrays["scatter"])
    legend = [text.get_text() for text in scatter.get_legend().get_texts()]
    assert legend == [str(digit) for digit in range(10)]
    assert sheet.get_suptitle() == "VSC · 4 latents · mnist-5k · seed 0"


def test_classes_have_names_where_they_are_given(tiny):
    names = [f"class {k}" for k in range(10)]
    sheet = figures.latent_space(tiny, names)
    assert [text.get_text() for text in sheet.axes[1].get_legend().get_texts()] == names
    assert tick_texts(figures.activated_dimensions(tiny, names).axes[0].yaxis) == names


def test_a_grid_that_moves_one_dimension_is_no_plane(tiny, tmp_path):
    run = changed(tiny, grid_dimensions=np.array([1, 1]))
    with pytest.raises(RunFolderError, match="moves dimension 1 alone"):
        figures.latent_space(run)


def test_activated_dimensions_of_spikes_are_three_maps_of_the_kept_numbers(tiny):
    arrays, sheet = tiny.arrays, figures.activated_dimensions(tiny)
    maps = [ax for ax in sheet.axes if ax.get_title(loc="left")]
    titles = [ax.get_title(loc="left") for ax in maps]
    assert titles == ["mean code", "spike probability γ", "posterior mean γμ"]
    names = ("class_code", "class_gamma", "class_mean")
    for ax, name in zip(maps, names, strict=True):
        np.testing.assert_array_equal(ax.images[0].get_array(), arrays[name])
        assert len(ax.texts) == arrays[name].size
    assert maps[1].images[0].get_clim() == (0, 1)
    low, high = maps[0].images[0].get_clim()
    assert low == -high == -np.abs(arrays["class_code"]).max()


def test_without_spikes_there_is_one_map(tiny, tmp_path):
    run = changed(tiny, gated=np.array([False]))
    sheet = figures.activated_dimensions(run)
    assert [ax.get_title(loc="left") for ax in sheet.axes if ax.images] == ["mean code"]


def test_unused_dimensions_have_grey_numbers(tiny, tmp_path):
    cost = np.array([5.0, 0.0, 0.2, 0.05], dtype=np.float32)
    run = changed(tiny, **{COST: cost})
    labels = figures.activated_dimensions(run).axes[0].get_xticklabels()
    assert [label.get_color() == plots.INK for label in labels] == [True, False, True, False]


def test_many_dimensions_are_those_needed_most_grouped_by_class():
    random = np.random.default_rng(0)
    profile, cost = random.random((10, 100)), random.permutation(100) / 300
    chosen = visible_dimensions(profile, cost)
    assert len(set(chosen)) == 64
    assert set(chosen) == set(np.argsort(-cost)[:64])
    used = cost[chosen] >= 0.1
    assert list(used) == sorted(used, reverse=True)
    favourites = profile[:, chosen[used]].argmax(0)
    assert list(favourites) == sorted(favourites)


def test_few_dimensions_stay_in_their_order():
    assert list(visible_dimensions(np.zeros((3, 16)), np.arange(16.0))) == list(range(16))


def test_reconstructions_show_rows_and_numbers_of_the_run(tiny):
    arrays = tiny.arrays
    baselines = {"denoising_examples": {"PCA-50": {"clean": 0.001, "0.3": 0.0123}}}
    (ax,) = figures.reconstructions(tiny, baselines).axes
    rows = ["original", "reconstruction"]
    for sigma in (0.1, 0.2, 0.3, 0.5):
        rows += [f"noise σ = {sigma}", "reconstruction"]
    assert tick_texts(ax.yaxis) == rows
    shown = [np.asarray(image.get_array()) for image in ax.images]
    np.testing.assert_array_equal(shown[0], plots.tiles(arrays["examples"][None]))
    np.testing.assert_array_equal(shown[-2], plots.tiles(arrays["noisy"][-1:]))
    np.testing.assert_array_equal(shown[-1], plots.tiles(arrays["restored"][-1:]))
    bottoms = [image.get_extent()[2] for image in ax.images]
    assert bottoms == sorted(bottoms, reverse=True)
    texts = [text.get_text() for text in ax.texts]
    assert f"{1000 * arrays['restored_mse'][3]:.1f}" in texts
    assert f"{-10 * np.log10(arrays['noisy_mse'][1]):.1f}" in texts
    assert "12.3" in texts


def test_reconstructions_do_without_baselines(tiny):
    (ax,) = figures.reconstructions(tiny).axes
    assert not [text for text in ax.texts if "PCA" in text.get_text()]
    assert len(ax.images) == 10


@each_drawing
def test_a_figure_is_drawn_again_from_the_folder_alone(draw, tiny, tiny_run, tmp_path):
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    for name in ("config.json", "metrics.json", "pictures.safetensors"):
        shutil.copy(tiny_run.path / name, copy / name)
    assert figures.png(draw(Run.read(copy))) == figures.png(draw(tiny))


@each_drawing
def test_a_run_without_pictures_says_so(draw, tiny):
    with pytest.raises(RunFolderError, match=f"{tiny.name} keeps no pictures"):
        draw(replace(tiny, arrays={}))


@each_drawing
def test_drawing_changes_no_array(draw, tiny):
    before = {name: array.copy() for name, array in tiny.arrays.items()}
    draw(tiny)
    for name, array in before.items():
        np.testing.assert_array_equal(tiny.arrays[name], array)


@each_drawing
@pytest.mark.parametrize(
    ("shape", "settings"),
    [
        ((3, 64, 64), {}),
        ((3, 64, 64), {"latents": 2, "gated": False}),
        ((1, 64, 64), {"latents": 4}),
        ((3, 96, 32), {"latents": 64}),
        ((3, 32, 96), {"names": [f"a name of many letters {k}" for k in range(10)]}),
        ((3, 64, 64), {"latents": 1024, "classes": 1000}),
        ((1, 8, 8), {"names": [f"数字 {k}" for k in range(10)]}),
    ],
    ids=["colour", "plane", "grey", "tall", "wide", "many", "letters that the font lacks"],
)
def test_images_of_any_kind_have_room_and_no_warning_is_heard(draw, shape, settings):
    run = invented(shape, **settings)  # warnings are errors here
    sheet = draw(run, run.classes) if draw is not figures.reconstructions else draw(run)
    content = figures.png(sheet)
    width, height = sheet.get_size_inches()
    assert width < 12
    assert height < 24
    assert len(content) < 1_500_000
    boxes = [ax.get_position() for ax in sheet.axes]
    assert min(min(box.width * width, box.height * height) for box in boxes) > 0.1
    assert all(box.x0 > -0.001 and box.x1 < 1.001 for box in boxes)
    assert all(box.y0 > -0.001 and box.y1 < 1.001 for box in boxes)


def test_many_classes_and_dimensions_are_the_most_frequent_and_most_used():
    run = invented((1, 8, 8), latents=1024, classes=1000)
    (ax, *_) = figures.activated_dimensions(run).axes
    assert ax.get_ylabel() == "40 most frequent of 1,000 classes"
    assert ax.get_xlabel() == "the 64 of 1,024 dimensions that the decoder needs most"
    counts = np.bincount(run.arrays["scatter_labels"], minlength=1000)
    rows = [int(text) for text in tick_texts(ax.yaxis)]
    assert len(rows) == 40
    assert min(counts[rows]) >= max(np.delete(counts, rows))
    columns = [int(text) for text in tick_texts(ax.xaxis)]
    expected = run.arrays["class_code"][np.ix_(rows, columns)]
    np.testing.assert_array_equal(ax.images[0].get_array(), expected)


def test_of_many_columns_of_a_table_those_that_change_most_are_drawn():
    run = invented((2000,), latents=1024)
    ax = figures.column_effects(run).axes[0]
    assert "the 60 of 2,000 columns that change most" in ax.get_ylabel()
    assert ax.images[0].get_array().shape == (60, 64)
    used = [int(text) for text in tick_texts(ax.xaxis)]
    assert set(used) == set(np.argsort(-run.arrays[COST])[:64])
    size = np.abs(run.arrays["effects"][used]).max(0)
    names = [int(text.split()[1]) for text in tick_texts(ax.yaxis)]
    assert set(names) == set(np.argsort(-size)[:60])
    assert figures.png(figures.column_effects(run, [3, 5]))


def test_the_heading_may_be_left_out(tiny):
    assert not figures.latent_space(tiny, titled=False).get_suptitle()


def test_images_without_labels_have_no_classes(tiny, tmp_path):
    names = ("class_code", "class_gamma", "class_mean", "scatter_labels")
    run = changed(tiny, **dict.fromkeys(names))
    with pytest.raises(RunFolderError, match="images without labels"):
        figures.activated_dimensions(run)
    assert figures.latent_space(run).axes[1].get_legend() is None


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_figure_gives_the_same_file(suffix, tiny, tmp_path):
    contents = [
        figures.save(figures.activated_dimensions(tiny), tmp_path / name / f"a{suffix}")
        for name in ("one", "two")
    ]
    assert contents[0].read_bytes() == contents[1].read_bytes()
    assert contents[0].stat().st_size > 1000


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"let it end in \.png or \.svg"):
        figures.save(figures.Sheet(1, 1), tmp_path / "figure.jpeg")


def test_a_notebook_shows_a_figure_whose_paper_is_white(tiny):
    content = figures.reconstructions(tiny)._repr_png_()
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert (pixels[[0, -1]] == 255).all()
    assert (pixels == 0).any()


def test_the_few_colours_of_a_file_are_close_to_those_drawn(tiny):
    sheet = figures.latent_space(tiny)
    content = figures.png(sheet)
    drawn = np.asarray(sheet.page.buffer_rgba())[..., :3].astype(int)
    kept = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert np.abs(drawn - kept).max() <= 24  # of 255; 22 in figures of full runs
    assert np.abs(drawn - kept).mean() < 0.75


def test_training_curves_are_the_history(tiny):
    sheet = figures.training_curves([tiny])
    (row,) = tiny.history
    for ax in sheet.axes:
        term = ax.get_title(loc="left").split(",")[0]
        name = {"KL": "kl", "sparsity penalty": "penalty"}.get(term, term)
        assert list(ax.lines[0].get_ydata()) == [row[name]]
    shown = [ax.get_title(loc="left") for ax in sheet.axes]
    assert shown[:3] == ["objective, J = 4", "reconstruction, J = 4", "KL, J = 4"]
    assert ("sparsity penalty, J = 4" in shown) == (row["penalty"] != 0)


def test_quality_against_latents_is_the_mean_over_seeds():
    rows = [metrics("vae", 2, negative_elbo=160.0), metrics("vae", 16, negative_elbo=110.0)]
    rows += [metrics("vae", 16, seed=1, negative_elbo=112.0), metrics("ae", 2, negative_elbo=None)]
    sheet = figures.quality_against_latents(rows)
    bound, error = sheet.axes[:2]
    (line,) = bound.lines[:1]
    np.testing.assert_array_equal(line.get_xydata(), [[2, 160], [16, 111]])
    (bar,) = bound.collections[0].get_segments()
    reach = stats.t.ppf(0.975, 1)  # the standard error of 110 and 112 is 1
    np.testing.assert_allclose(bar, [[16, 111 - reach], [16, 111 + reach]])
    labels = {line.get_label() for line in error.lines}
    assert {"AE", "VAE"} <= labels
    assert [text.get_text() for text in sheet.legends[0].get_texts()] == ["AE", "VAE"]


def test_a_model_has_one_colour_whoever_is_beside_it():
    alone = figures.quality_against_latents([metrics("vsc", 2)])
    beside = figures.quality_against_latents([metrics("ae", 2), metrics("vsc", 2)])
    colour = {line.get_label(): line.get_color() for line in beside.axes[1].lines}["VSC"]
    assert alone.axes[1].lines[0].get_color() == colour


def test_quality_against_noise_stands_beside_trivial_denoisers():
    rows = [metrics("vae", size, **{"mse": 0.002, "mse_noise_0.5": 0.04}) for size in (2, 64)]
    denoising = {"doing nothing": {"clean": 0.0, "0.1": 0.01}, "PCA-50": {"clean": 0.012}}
    sheet = figures.quality_against_noise(rows, {"denoising": denoising})
    assert [ax.get_title(loc="left") for ax in sheet.axes] == ["J = 2", "J = 64"]
    lines = {line.get_label(): line.get_xydata() for line in sheet.axes[1].lines}
    np.testing.assert_allclose(lines["VAE"][[0, -1]], [[0, 2], [0.5, 40]])
    np.testing.assert_allclose(lines["doing nothing"], [[0.1, 10]])
    np.testing.assert_allclose(lines["PCA-50"], [[0, 12]])


def test_figures_leave_the_state_of_pyplot_alone():
    code = "import sys, sparsevae.report.figures; print('matplotlib.pyplot' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.lower()) is False
