"""Models of anybody's data, through the command line: own units in, own units out."""

import csv
import json
import subprocess
import sys
import tracemalloc
import warnings
from dataclasses import replace

import numpy as np
import pandas
import pytest
import torch
from PIL import Image
from scipy import sparse

from sparsevae import cli
from sparsevae.data import Dataset, Raw, read
from sparsevae.data.scaling import GREY
from sparsevae.errors import ConfigurationError, DatasetError, RunFolderError
from sparsevae.runs.codes import read_codes, write_codes
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import MOST_TEST_ROWS, held_out, prepare
from sparsevae.runs.train import train_run
from sparsevae.runs.trained import TrainedModel
from sparsevae.training import loop, streams

RNG = np.random.default_rng(0)
TABLE = RNG.normal((5.0, -300.0, 0.0, 1e5), (2.0, 40.0, 0.1, 2e4), (60, 4))
NAMES = ("width", "depth", "share", "price")
COLOUR = RNG.integers(0, 256, (40, 3, 9, 10), dtype=np.uint8)
COUNTS = RNG.poisson(3.0, (50, 6))
HEIGHTS = RNG.normal(0.0, 7.0, (30, 1, 9, 9)).astype(np.float32)


TRAINED = (0, 3)  # a run of one or two passes may well end in an alarm


def command(*arguments):
    """Exit status of the command in this process, which keeps its own settings."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sparsevae", *map(str, arguments)])
        patch.setattr(loop, "prepare_process", lambda: None)
        with pytest.raises(SystemExit) as ended:
            cli.main()
    return ended.value.code or 0


def write_table(path, rows=TABLE, names=NAMES, labels=True):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*names, *(["kind"] if labels else [])])
        for place, row in enumerate(rows.tolist()):
            writer.writerow([*row, *(["ab"[place % 2]] if labels else [])])
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with one file of every kind."""
    folder = tmp_path_factory.mktemp("own")
    write_table(folder / "table.csv")
    np.save(folder / "colour.npy", COLOUR)
    np.save(folder / "counts.npy", COUNTS)
    np.save(folder / "heights.npy", HEIGHTS)
    return folder


@pytest.fixture(scope="module")
def table_run(place):
    out = place / "table-run"
    options = ("--labels", "kind", "--latents", 3, "--epochs", 2, "--out", out)
    assert command("fit", place / "table.csv", *options) in TRAINED
    return RunFolder(out)


@pytest.fixture(scope="module")
def colour_run(place):
    out = place / "colour-run"
    options = ("--latents", 3, "--epochs", 1, "--widths", "4,8", "--out", out)
    assert command("fit", place / "colour.npy", *options) in TRAINED
    return RunFolder(out)


# ------------------------------------------------------------------ fit


def test_a_fit_leaves_a_whole_run_with_the_units_of_its_data(table_run):
    assert table_run.finished
    data, config = table_run.data, table_run.config
    assert (data.columns, data.classes, data.dtype) == (NAMES, ("a", "b"), "float64")
    assert config.dataset == "table"
    assert config.arguments["likelihood"] == "diagonal-gaussian"
    train, _ = held_out(read(data.source, labels="kind"), 0.1)
    np.testing.assert_allclose(data.scaling.shift, TABLE[train].mean(0), rtol=1e-9)
    np.testing.assert_allclose(data.scaling.scale, TABLE[train].std(0), rtol=1e-9)
    figures = {path.name for path in (table_run.path / "figures").glob("*.png")}
    assert figures == {"activated_dimensions.png", "column_effects.png"}
    assert len(table_run.history) == 2


def test_a_fit_of_images_leaves_pictures_of_images(colour_run):
    figures = {path.name for path in (colour_run.path / "figures").glob("*.png")}
    assert figures == {"latent_space.png", "reconstructions.png"}
    assert colour_run.pictures["examples"].shape[1:] == COLOUR.shape[1:]
    assert colour_run.config.widths == (4, 8)


def test_the_command_says_what_it_chose_and_why(place, capsys, monkeypatch):
    out = place / "said"
    assert command("fit", place / "counts.npy", "--epochs", 1, "--out", out) in TRAINED
    said = capsys.readouterr().out
    assert "45 rows of 6 columns to train on, 5 held out." in said
    assert "Likelihood: poisson. All values are whole numbers from 0 to" in said
    assert "Scaling: none." in said
    assert f"Run: {out}" in said


def raw_of(values, **changes):
    found = Raw(values, None, (), (), "0" * 64, "made.npy")
    return replace(found, **changes)


GREY_LEVELS = ("bernoulli", "grey", "default")
DRAWN = (COLOUR > 99).astype(np.uint8)
CHOICES = {
    "grey levels": (COLOUR, "shared-gaussian", "standard", "few-rows"),
    "black and white": (DRAWN, "bernoulli", "none", "default"),
    "drawings": (255 * DRAWN + RNG.integers(0, 9, DRAWN.shape) * (1 - DRAWN), *GREY_LEVELS),
    "counts": (COUNTS, "poisson", "none", "any-values"),
    "measurements": (TABLE, "diagonal-gaussian", "standard", "few-rows"),
    "heights": (HEIGHTS, "shared-gaussian", "standard", "few-rows"),
    "shares": (RNG.random((20, 5)), "diagonal-gaussian", "standard", "few-rows"),
    "nearly sure": (RNG.beta(0.05, 0.05, (20, 5)), "bernoulli", "none", "any-values"),
    "marks": (RNG.integers(0, 6, (30, 5)), "diagonal-gaussian", "standard", "few-rows"),
}


@pytest.mark.parametrize("case", CHOICES)
def test_likelihood_scaling_and_recipe_follow_from_the_values(case):
    values, likelihood, kind, recipe = CHOICES[case]
    found = prepare(raw_of(values))
    assert found.config.arguments["likelihood"] == likelihood
    assert found.data.scaling.kind == kind
    assert found.config.recipe == recipe
    assert found.dataset.train.scaled().dtype == np.float32


def test_what_is_named_goes_before_what_would_be_chosen():
    found = prepare(raw_of(TABLE), likelihood="continuous-bernoulli", model="vae", seed=7)
    assert found.data.scaling.kind == "minmax"
    assert found.config.arguments == {"likelihood": "continuous-bernoulli"}
    assert (found.config.model, found.config.seed) == ("vae", 7)
    assert "It was named." in found.data.reason


@pytest.mark.parametrize("labelled", [False, True])
@pytest.mark.parametrize("fraction", [0.01, 0.1, 0.5, 0.99])
def test_the_rows_held_out_are_a_share_of_every_class(fraction, labelled):
    labels = np.arange(200) % 4 if labelled else None
    raw = raw_of(np.arange(400.0).reshape(200, 2), labels=labels, classes=tuple("abcd"))
    train, test = held_out(raw, fraction)
    assert sorted([*train, *test]) == list(range(200))
    assert len(test) == min(max(1, round(200 * fraction)), 199)
    if labelled:
        counts = np.bincount(labels[test], minlength=4)
        assert np.ptp(counts) <= 1


def test_rows_that_are_all_alike_are_fitted_without_a_warning(tmp_path):
    np.save(tmp_path / "alike.npy", np.full((40, 3), 2.5))
    options = ("--latents", 2, "--epochs", 1, "--out", tmp_path / "run")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        assert command("fit", tmp_path / "alike.npy", *options) in TRAINED


def test_no_more_rows_are_held_out_than_are_measured():
    raw = raw_of(np.zeros((150_000, 1), np.uint8))
    assert len(held_out(raw, 0.5)[1]) == MOST_TEST_ROWS


def test_the_split_does_not_depend_on_the_seed():
    first, second = (prepare(raw_of(TABLE), seed=seed).dataset for seed in (0, 1))
    np.testing.assert_array_equal(first.test.images, second.test.images)


# ------------------------------------------------------------------ stopped; larger than memory


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


def train(prepared, path, stop_after=None):
    done = 0

    def progress(rows):
        nonlocal done
        done += rows
        if stop_after is not None and done >= stop_after:
            raise InterruptionError

    folder = RunFolder(path)
    train_run(
        prepared.config,
        prepared.dataset,
        folder,
        data=prepared.data,
        device="cpu",
        progress=progress,
    )
    return folder


def same_weights(first, second):
    return (first.path / "weights.safetensors").read_bytes() == (
        second.path / "weights.safetensors"
    ).read_bytes()


@pytest.mark.parametrize("values", [TABLE, COLOUR], ids=["table", "colour"])
def test_stopped_and_mapped_training_ends_where_training_in_memory_does(
    values, tmp_path, monkeypatch
):
    np.save(tmp_path / "rows.npy", values)
    settings = {"latents": 2, "epochs": 3, "batch_size": 16, "widths": (4, 8)}
    whole = train(prepare(raw_of(values), **settings), tmp_path / "whole")
    monkeypatch.setattr(streams, "RESIDENT", 0)
    mapped = prepare(replace(read(tmp_path / "rows.npy"), sha256="0" * 64), **settings)
    with pytest.raises(InterruptionError):
        train(mapped, tmp_path / "parts", stop_after=len(values))
    parts = train(mapped, tmp_path / "parts")
    assert same_weights(whole, parts)


def test_another_scaling_or_split_does_not_go_on_in_the_same_folder(tmp_path):
    settings = {"latents": 2, "epochs": 1, "likelihood": "gaussian"}
    run = train(prepare(raw_of(TABLE), **settings), tmp_path / "run")
    before = (run.path / "config.json").read_bytes()
    for change in ({"scaling": "minmax"}, {"test_fraction": 0.3}):
        with pytest.raises(RunFolderError, match="other training data"):
            train(prepare(raw_of(TABLE), **settings, **change), run.path)
    assert (run.path / "config.json").read_bytes() == before


def test_a_finished_run_is_left_as_it_is(colour_run, place, capsys):
    before = {path: path.stat().st_mtime_ns for path in colour_run.path.glob("*.*")}
    options = ("--latents", 3, "--epochs", 1, "--widths", "4,8", "--out", colour_run.path)
    assert command("fit", place / "colour.npy", *options) in TRAINED
    assert "finished already" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in colour_run.path.glob("*.*")} == before


MEMORY = """
import sys
from pathlib import Path
import numpy as np, torch
from sparsevae.data import read
from sparsevae.runs import train
from sparsevae.training import streams
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import prepare
from sparsevae.storage import arrays

torch.set_num_threads(1)
arrays.BLOCK_VALUES = 2**16
streams.RESIDENT = streams.WINDOW = 2**20
train.MEASURED = 500

def anonymous():
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1]) * 1024

most = left = 0
def look(rows):
    global most, left
    left -= rows
    if left >= 0:  # in training; measuring holds the rows that are held out
        most = max(most, anonymous())

def peak(path, out):
    global most, left
    most = 0
    start = anonymous()
    prepared = prepare(read(path), model="ae", latents=2, epochs=1, batch_size=500)
    left = len(prepared.dataset.train)
    train.train_run(
        prepared.config, prepared.dataset, RunFolder(out), data=prepared.data,
        device="cpu", progress=look,
    )
    return most - start

few, many, folder = sys.argv[1:]
peak(few, folder + "/warm")  # whatever is loaded once
print(peak(few, folder + "/few"), peak(many, folder + "/many"))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
def test_a_mapped_file_is_never_held_in_memory_whole(tmp_path):
    """The file would take 24 MB as float32; training on it takes as much as on a tenth of it.

    Now and then the C library takes 3 MB more than is asked of it: the lesser of two processes.
    """
    rng = np.random.default_rng(0)
    for name, count in (("few", 6_000), ("many", 60_000)):
        np.save(tmp_path / f"{name}.npy", rng.normal(size=(count, 100)))
    arguments = [str(tmp_path / "few.npy"), str(tmp_path / "many.npy")]
    grown = []
    for turn in range(2):
        (tmp_path / str(turn)).mkdir()
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, *arguments, str(tmp_path / str(turn))],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        few, many = map(int, done.stdout.split())
        grown.append(many - few)
    assert min(grown) < 8e6, grown


# ------------------------------------------------------------------ encode and decode


def test_codes_are_the_same_in_every_form(table_run, place, tmp_path):
    for ending in (".npy", ".csv", ".npz"):
        out = tmp_path / f"codes{ending}"
        assert command("encode", table_run.path, place / "table.csv", "--out", out) == 0
    dense = np.load(tmp_path / "codes.npy")
    assert dense.dtype == np.float32
    assert dense.shape == (60, 3)
    np.testing.assert_array_equal(sparse.load_npz(tmp_path / "codes.npz").toarray(), dense)
    lines = (tmp_path / "codes.csv").read_text().splitlines()
    assert lines[0] == "z0,z1,z2"
    table = np.array([line.split(",") for line in lines[1:]], np.float32)
    np.testing.assert_array_equal(table, dense)
    for ending in (".npy", ".csv", ".npz"):
        np.testing.assert_array_equal(read_codes(tmp_path / f"codes{ending}", 3)[0], dense)
    out = tmp_path / "refined.npy"
    assert command("encode", table_run.path, place / "table.csv", "--out", out, "--refine", 3) == 0
    refined, rows = np.load(out), read(place / "table.csv", labels="kind").values
    expected = replace(TrainedModel.load(table_run.path), refine=3).encode(rows)
    np.testing.assert_array_equal(refined, expected)
    assert not np.array_equal(refined, dense)


def test_codes_of_a_file_are_found_by_their_names(table_run, tmp_path):
    place, codes = tmp_path / "codes.csv", RNG.normal(size=(4, 3)).astype(np.float32)
    table = pandas.DataFrame(codes, columns=["z0", "z1", "z2"])[["z2", "z0", "z1"]]
    table.assign(id=["a", "b", "c", "d"]).to_csv(place, index=False)
    np.testing.assert_allclose(read_codes(place, 3)[0], codes, rtol=1e-6)
    table.mask(table == table.iloc[1, 0]).to_csv(place, index=False)
    with pytest.raises(DatasetError, match=r"codes\.csv: row 2, column 'z2'"):
        read_codes(place, 3)
    table.rename(columns={"z0": "other"}).to_csv(place, index=False)
    with pytest.raises(DatasetError, match="'other'"):
        read_codes(place, 3)


def test_what_is_refused_leaves_no_folder(table_run, colour_run, place, tmp_path):
    out = tmp_path / "new" / "er" / "codes.npy"
    assert command("encode", colour_run.path, place / "table.csv", "--out", out) == 2
    assert not list(tmp_path.iterdir())
    assert command("encode", table_run.path, place / "table.csv", "--out", out) == 0
    assert out.exists()
    assert command("encode", table_run.path, place / "table.csv", "--out", out / "x.npy") == 2


def test_decoded_codes_are_the_reconstruction_in_the_datas_units(table_run, place, tmp_path):
    codes, rows, restored = (tmp_path / name for name in ("c.npz", "rows.csv", "restored.npy"))
    assert command("encode", table_run.path, place / "table.csv", "--out", codes) == 0
    assert command("decode", table_run.path, codes, "--out", rows) == 0
    assert command("reconstruct", table_run.path, place / "table.csv", "--out", restored) == 0
    found = read(rows)
    assert found.columns == NAMES
    whole = np.load(restored)
    assert whole.dtype == np.float64
    np.testing.assert_allclose(found.values, whole, rtol=1e-6)
    spread = np.abs(whole - TABLE.mean(0)) / TABLE.std(0)
    assert spread.max() < 5  # near the data, far from the model's own units


def test_images_keep_their_type_and_can_be_looked_at(colour_run, place, tmp_path):
    for options in ((), ("--floats",)):
        out = tmp_path / f"rows{len(options)}.npy"
        arguments = (colour_run.path, place / "colour.npy", "--out", out, *options)
        assert command("reconstruct", *arguments) == 0
    whole, floats = np.load(tmp_path / "rows0.npy"), np.load(tmp_path / "rows1.npy")
    assert (whole.dtype, whole.shape, floats.dtype) == (np.uint8, COLOUR.shape, np.float32)
    np.testing.assert_array_equal(whole, np.rint(floats))
    out = tmp_path / "rows.png"
    assert command("reconstruct", colour_run.path, place / "colour.npy", "--out", out) == 0
    with Image.open(out) as picture:
        assert picture.mode == "RGB"
        assert picture.size == (7 * 10, 6 * 9)  # 40 images, 7 in a row
        first = np.asarray(picture)[:9, :10].transpose(2, 0, 1)
    np.testing.assert_allclose(first, whole[0], atol=1)


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [("uint8", 300.4, 255), ("uint8", -3.0, 0), ("int16", 2.6, 3), ("float64", 2.25, 2.25)],
)
def test_whole_numbers_are_rounded_and_cut_off(dtype, value, expected, table_run):
    opened = TrainedModel.load(table_run)
    data = opened.data.model_copy(update={"dtype": dtype, "scaling": GREY})
    found = replace(opened, data=data)._raw(np.full((1, 4), value / 255, np.float32), True)
    assert found.dtype == dtype
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_column_is_found_by_its_name_in_another_order(table_run, place, tmp_path):
    order = [2, 0, 3, 1]
    other = write_table(
        tmp_path / "other.csv", TABLE[:, order], [NAMES[i] for i in order], labels=False
    )
    codes = []
    for path in (place / "table.csv", other):
        out = tmp_path / "codes.npy"
        assert command("encode", table_run.path, path, "--out", out) == 0
        codes.append(np.load(out))
    np.testing.assert_allclose(codes[0], codes[1], rtol=1e-6)


def test_new_rows_are_drawn_in_the_datas_units_by_a_seed(table_run, tmp_path):
    draws = []
    for seed in (0, 0, 1):
        out = tmp_path / "drawn.npy"
        options = ("--count", 300, "--seed", seed, "--out", out)
        assert command("sample", table_run.path, *options) == 0
        draws.append(np.load(out))
    np.testing.assert_array_equal(draws[0], draws[1])
    assert not np.array_equal(draws[0], draws[2])
    off = np.abs(draws[0].mean(0) - TABLE.mean(0)) / TABLE.std(0)
    assert off.max() < 1.5


def test_drawn_counts_are_counts(place, tmp_path):
    run = place / "said"
    if not run.exists():
        assert command("fit", place / "counts.npy", "--epochs", 1, "--out", run) in TRAINED
    opened = TrainedModel.load(run)
    drawn = opened.sample(200)
    assert drawn.dtype == COUNTS.dtype
    assert drawn.min() >= 0
    means = opened.sample(200, noise=False, own_type=False)
    assert not np.array_equal(means, np.rint(means))


def test_a_run_of_a_study_is_used_alike(tiny_run, tiny_dataset, tmp_path):
    path, out = tmp_path / "images.npy", tmp_path / "codes.npy"
    np.save(path, tiny_dataset.test.images)
    assert command("encode", tiny_run.path, path, "--out", out) == 0
    expected = tiny_run.load().encode(torch.from_numpy(tiny_dataset.test.scaled())).numpy()
    np.testing.assert_allclose(np.load(out), expected, atol=1e-5)
    assert TrainedModel.load(tiny_run).sample(2).dtype == np.uint8


# ------------------------------------------------------------------ traverse and evaluate


def test_a_traversal_shows_a_row_of_images_a_dimension(colour_run, tmp_path):
    sizes = []
    for dimensions in ("0", "2,0,1"):
        out = tmp_path / "lines.png"
        options = ("--dimensions", dimensions, "--out", out)
        assert command("traverse", colour_run.path, *options) == 0
        with Image.open(out) as picture:
            sizes.append(picture.size)
    assert sizes[1][0] == sizes[0][0]
    assert sizes[1][1] > sizes[0][1] + 50


def test_effects_on_columns_are_what_the_decoder_does(table_run, tmp_path):
    arrays, opened = table_run.pictures, TrainedModel.load(table_run)
    axes, base = arrays["axis_values"], arrays["base_codes"][-1]
    codes = np.stack([base, base])
    codes[:, 1] = np.nanmin(axes[1]), np.nanmax(axes[1])
    low, high = opened.model.decode(torch.from_numpy(codes)).numpy()
    _, test = held_out(read(table_run.data.source, labels="kind"), 0.1)
    spread = opened.data.scaling.apply(TABLE[test]).std(0)
    np.testing.assert_allclose(arrays["effects"][1], (high - low) / spread, rtol=1e-3, atol=1e-5)
    assert command("traverse", table_run.path, "--out", tmp_path / "effects.svg") == 0
    assert "share" in (tmp_path / "effects.svg").read_text()


def test_measuring_on_the_rows_held_out_gives_the_runs_own_numbers(table_run, tmp_path, capsys):
    raw = read(table_run.data.source, labels="kind")
    _, test = held_out(raw, 0.1)
    path, out = tmp_path / "test.csv", tmp_path / "numbers.json"
    write_table(path, TABLE[test], labels=False)
    assert command("evaluate", table_run.path, path, "--out", out) == 0
    row, kept = json.loads(out.read_text()), table_run.metrics
    for name in ("mse", "negative_elbo", "active_per_image", "used_dimensions"):
        assert row[name] == pytest.approx(kept[name], rel=1e-4), name
    assert "negative_elbo" in capsys.readouterr().out
    assert row["selectivity"] is None


# ------------------------------------------------------------------ mistakes


def mistakes(place):
    """Arguments and what the one sentence says."""
    table, colour = place / "table-run", place / "colour-run"
    codes, out = place / "seven.npy", ("--out", place / "none.npy")
    np.save(codes, np.zeros((5, 7), np.float32))
    other = write_table(place / "other.csv", TABLE, ("width", "depth", "share", "cost"))
    plain = write_table(place / "plain.csv", labels=False)
    return {
        "images for a table": (("encode", table, place / "colour.npy", *out), "rows of 4 columns"),
        "a table for images": (("encode", colour, plain, *out), "images of shape (3, 9, 10)"),
        "a missing column": (("encode", table, other, *out), "'price'"),
        "another ending": (
            ("encode", table, place / "table.csv", "--out", place / "none.txt"),
            ".npy, .csv, .npz",
        ),
        "a picture of a table": (
            ("sample", table, "--out", place / "none.png"),
            ".npy, .csv",
        ),
        "longer codes": (("decode", table, codes, *out), "rows of 3 numbers"),
        "no such dimension": (
            ("traverse", table, "--dimensions", "9", "--out", place / "none.png"),
            "dimensions 0 to 2",
        ),
        "no rows": (("sample", table, "--count", 0, *out), "from 1 on"),
        "a fraction of 1": (
            ("fit", other, "--test-fraction", 1, "--labels", "kind", *out),
            "between 0 and 1",
        ),
        "one row to train on": (
            ("fit", other, "--test-fraction", 0.99, "--labels", "kind", *out),
            "leave 1 to train on",
        ),
        "no rows a step": (
            ("fit", other, "--batch-size", 0, "--labels", "kind", *out),
            "not take 0",
        ),
        "convolutions of columns": (
            ("fit", other, "--trunk", "convolution", "--labels", "kind", *out),
            "convolutions are for images",
        ),
        "an unknown likelihood": (
            ("fit", other, "--likelihood", "odd", "--labels", "kind", *out),
            "bernoulli",
        ),
        "an unknown scaling": (
            ("fit", other, "--scaling", "odd", "--labels", "kind", *out),
            "minmax",
        ),
        "an unknown model": (
            ("fit", other, "--model", "gan", "--labels", "kind", *out),
            "vsc-wu",
        ),
        "a likelihood elsewhere": (
            ("fit", other, "--likelihood", "poisson", "--labels", "kind", *out),
            "needs counts",
        ),
        "channels in the middle": (
            ("fit", place / "colour.npy", "--channels", "middle", *out),
            "first or last",
        ),
        "no run": (("encode", place, place / "table.csv", *out), "config.json"),
        "no data": (("fit", place / "absent.csv", *out), "absent.csv"),
    }


def test_a_mistake_is_one_sentence_and_writes_nothing(table_run, colour_run, place, capsys):
    before = set(place.iterdir())
    for case, (arguments, says) in mistakes(place).items():
        assert command(*arguments) == 2, case
        said = capsys.readouterr().err
        assert said.startswith("Error: "), case
        assert said.count("\n") == 1, (case, said)
        assert says in said, (case, said)
    names = {"seven.npy", "other.csv", "plain.csv"}
    assert {path.name for path in set(place.iterdir()) - before} <= names


def test_a_model_without_a_prior_has_nothing_to_draw_from(tmp_path):
    run = train(prepare(raw_of(TABLE), model="ae", latents=2, epochs=1), tmp_path / "run")
    with pytest.raises(ConfigurationError, match="prior"):
        TrainedModel.load(run).sample(3)


def test_hostile_codes_are_one_sentence(tmp_path):
    bad = tmp_path / "codes.npz"
    np.savez(bad, a=np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(DatasetError, match="no sparse matrix"):
        read_codes(bad, 3)
    write_codes(bad, np.eye(3, dtype=np.float32))
    with np.load(bad) as kept:
        parts = dict(kept)
    for change in (
        {"shape": np.array([2**40, 3])},
        {"indices": np.array([0, 1, 9], np.int32)},
        {"indptr": np.array([0, 5, 2, 3], np.int32)},
    ):
        np.savez(bad, **{**parts, **change})
        with pytest.raises(DatasetError):
            read_codes(bad, 3)
    bad.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(DatasetError, match="no sparse matrix"):
        read_codes(bad, 3)


def test_what_a_sparse_matrix_unpacks_to_is_known_before_memory_is_taken(tmp_path):
    """A few thousand bytes that would be 80 MB: the sizes in the archive give them away."""
    bomb, codes = tmp_path / "codes.npz", sparse.csr_matrix(np.eye(3, dtype=np.float32))
    parts = {"format": np.array("csr"), "data": codes.data, "indptr": codes.indptr}
    indices, long = codes.indices, np.zeros(10_000_000, np.int64)
    for change in ({"indices": long}, {"data": long}, {"shape": np.tile([3], 10_000_000)}):
        given = {**parts, "indices": indices, "shape": np.array([3, 3]), **change}
        np.savez_compressed(bomb, **given)
        assert bomb.stat().st_size < 200_000
        tracemalloc.start()
        with pytest.raises(DatasetError, match="no sparse matrix"):
            read_codes(bomb, 3)
        assert tracemalloc.get_traced_memory()[1] < 2e6
        tracemalloc.stop()


def test_alarms_are_the_last_words_of_a_fit(place, capsys):
    options = ("--latents", 3, "--epochs", 1, "--widths", "4,8", "--out", place / "alarmed")
    assert command("fit", place / "colour.npy", *options) == 3
    said = capsys.readouterr().out.splitlines()
    run = RunFolder(place / "alarmed")
    alarms = [s for s in run.diagnosis["findings"] if s["severity"] == "alarm"]
    assert alarms, "one epoch on noise prints the mean image"
    assert said[-len(alarms) :] == [f"Alarm: {alarm['sentence']}" for alarm in alarms]


def test_a_data_set_with_a_scaling_takes_rows_of_any_type():
    found = prepare(raw_of(COUNTS)).dataset
    assert isinstance(found, Dataset)
    assert found.shape == (6,)
    assert found.train.take([0, 3]).scaled().shape == (2, 6)
