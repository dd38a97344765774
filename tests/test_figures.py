"""Figures of runs: what they show is what the run folder holds, and they need nothing else."""

import io
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from sparsevae.report.figures.single import shown_dimensions

from sparsevae.errors import OutputError, RunFolderError
from sparsevae.report import figures, plots
from sparsevae.runs.folder import RunFolder

DRAWINGS = (figures.latent_space, figures.activated_dimensions, figures.reconstructions)
each_drawing = pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)


def metrics(model, latents, seed=0, **values):
    noise = {f"mse_noise_{sigma}": 0.01 for sigma in (0.1, 0.2, 0.3, 0.5)}
    row = {"negative_elbo": 100.0, "mse": 0.01, "used_dimensions": 2, "active_per_image": 2.0}
    return {"model": model, "latents": latents, "seed": seed, **noise, **row, **values}


def copied(run, folder, *names):
    """A run folder with only these files of another."""
    folder.mkdir()
    for name in names:
        shutil.copy(run.path / name, folder / name)
    return RunFolder(folder)


def changed(run, folder, **arrays):
    """A copy of a run whose pictures have other arrays; None leaves one out."""
    copy = copied(run, folder, "config.json", "metrics.json")
    merged = {**run.pictures, **arrays}
    copy.keep_pictures({name: array for name, array in merged.items() if array is not None})
    return copy


def tick_texts(axis):
    return [label.get_text() for label in axis.get_ticklabels()]


def test_latent_space_shows_the_kept_grid_beside_the_kept_codes(tiny_run):
    arrays, sheet = tiny_run.pictures, figures.latent_space(tiny_run)
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


def test_classes_have_names_where_they_are_given(tiny_run):
    names = [f"class {k}" for k in range(10)]
    sheet = figures.latent_space(tiny_run, names)
    assert [text.get_text() for text in sheet.axes[1].get_legend().get_texts()] == names
    assert tick_texts(figures.activated_dimensions(tiny_run, names).axes[0].yaxis) == names


def test_a_grid_that_moves_one_dimension_is_no_plane(tiny_run, tmp_path):
    run = changed(tiny_run, tmp_path / "run", grid_dimensions=np.array([1, 1]))
    with pytest.raises(RunFolderError, match="moves dimension 1 alone"):
        figures.latent_space(run)


def test_activated_dimensions_of_spikes_are_three_maps_of_the_kept_numbers(tiny_run):
    arrays, sheet = tiny_run.pictures, figures.activated_dimensions(tiny_run)
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


def test_without_spikes_there_is_one_map(tiny_run, tmp_path):
    run = changed(tiny_run, tmp_path / "run", gated=np.array([False]))
    sheet = figures.activated_dimensions(run)
    assert [ax.get_title(loc="left") for ax in sheet.axes if ax.images] == ["mean code"]


def test_unused_dimensions_have_grey_numbers(tiny_run, tmp_path):
    rises = np.array([5.0, 0.0, 0.2, 0.05], dtype=np.float32)
    run = changed(tiny_run, tmp_path / "run", rises=rises)
    labels = figures.activated_dimensions(run).axes[0].get_xticklabels()
    assert [label.get_color() == plots.INK for label in labels] == [True, False, True, False]


def test_many_dimensions_are_those_needed_most_grouped_by_class():
    random = np.random.default_rng(0)
    profile, rises = random.random((10, 100)), random.permutation(100) / 300
    chosen = shown_dimensions(profile, rises)
    assert len(set(chosen)) == 64
    assert set(chosen) == set(np.argsort(-rises)[:64])
    used = rises[chosen] >= 0.1
    assert list(used) == sorted(used, reverse=True)
    favourites = profile[:, chosen[used]].argmax(0)
    assert list(favourites) == sorted(favourites)


def test_few_dimensions_stay_in_their_order():
    assert list(shown_dimensions(np.zeros((3, 16)), np.arange(16.0))) == list(range(16))


def test_reconstructions_show_rows_and_numbers_of_the_run(tiny_run):
    arrays = tiny_run.pictures
    references = {"denoising_examples": {"PCA-50": {"clean": 0.001, "0.3": 0.0123}}}
    (ax,) = figures.reconstructions(tiny_run, references).axes
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


def test_reconstructions_do_without_references(tiny_run):
    (ax,) = figures.reconstructions(tiny_run).axes
    assert not [text for text in ax.texts if "PCA" in text.get_text()]
    assert len(ax.images) == 10


@each_drawing
def test_a_figure_is_drawn_again_from_the_folder_alone(draw, tiny_run, tmp_path):
    files = ("config.json", "metrics.json", "pictures.safetensors")
    copy = copied(tiny_run, tmp_path / "elsewhere", *files)
    assert figures.png(draw(copy)) == figures.png(draw(tiny_run))


@each_drawing
def test_a_run_without_pictures_says_so(draw, tiny_run, tmp_path):
    kept = copied(tiny_run, tmp_path / "kept", "config.json", "metrics.json")
    with pytest.raises(RunFolderError, match="kept keeps no pictures"):
        draw(kept)


def test_images_without_labels_have_no_classes(tiny_run, tmp_path):
    names = ("class_code", "class_gamma", "class_mean", "scatter_labels")
    run = changed(tiny_run, tmp_path / "run", **dict.fromkeys(names))
    with pytest.raises(RunFolderError, match="images without labels"):
        figures.activated_dimensions(run)
    assert figures.latent_space(run).axes[1].get_legend() is None


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_the_same_figure_gives_the_same_file(suffix, tiny_run, tmp_path):
    contents = [
        figures.save(figures.activated_dimensions(tiny_run), tmp_path / name / f"a{suffix}")
        for name in ("one", "two")
    ]
    assert contents[0].read_bytes() == contents[1].read_bytes()
    assert contents[0].stat().st_size > 1000


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"let it end in \.png or \.svg"):
        figures.save(figures.Sheet(1, 1), tmp_path / "figure.jpeg")


def test_a_notebook_shows_a_figure_whose_paper_is_white(tiny_run):
    content = figures.reconstructions(tiny_run)._repr_png_()
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("RGB"))
    assert (pixels[[0, -1]] == 255).all()
    assert (pixels == 0).any()


def test_the_few_colours_of_a_file_are_close_to_those_drawn(tiny_run):
    sheet = figures.latent_space(tiny_run)
    content = figures.png(sheet)
    drawn = np.asarray(sheet.page.buffer_rgba())[..., :3].astype(int)
    kept = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    assert np.abs(drawn - kept).max() <= 24  # of 255; 22 in figures of full runs
    assert np.abs(drawn - kept).mean() < 0.75


def test_training_curves_are_the_history(tiny_run):
    sheet = figures.training_curves([tiny_run])
    (row,) = tiny_run.history
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
