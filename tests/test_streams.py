"""Rows that do not fit into memory: shards, the order of an epoch, and stops in its middle."""

import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from sparsevae.data import read
from sparsevae.data.readers.shards import Shards, matrix_in, read_shards
from sparsevae.data.scaling import Scaling, fit_scaling
from sparsevae.errors import DatasetError
from sparsevae.models import build
from sparsevae.runs.prepare import prepare
from sparsevae.runs.training import Training, rows_of
from sparsevae.storage.arrays import Selection
from sparsevae.training import loop, streams

MATRIX = np.random.default_rng(0).normal(size=(97, 5)).astype(np.float32)
CPU = torch.device("cpu")


def split_up(folder, dtype="float32", lengths=(30, 1, 40, 26)):
    """The matrix as files, numbered so that text would put the last ones first."""
    folder.mkdir()
    start = 0
    for number, length in zip((2, 9, 10, 11), lengths, strict=True):
        part = torch.from_numpy(MATRIX[start : start + length]).to(getattr(torch, dtype))
        start += length
        if dtype == "bfloat16" or number % 2:
            save_file({"activations": part.contiguous()}, folder / f"part-{number}.safetensors")
        else:
            np.save(folder / f"part-{number}.npy", part.numpy())
    return folder


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16", "float64"])
def test_shards_are_one_matrix(dtype, tmp_path):
    shards = read_shards(split_up(tmp_path / "rows", dtype)).values
    whole = torch.from_numpy(MATRIX).to(getattr(torch, dtype))
    whole = (whole.float() if dtype == "bfloat16" else whole).numpy()
    assert isinstance(shards, Shards)
    assert (shards.shape, shards.dtype) == (whole.shape, whole.dtype)
    rng = np.random.default_rng(0)
    for chosen in (
        *(slice(None), slice(29, 72), slice(5, 5), slice(-3, None), slice(0, 97, 7), 3),
        *(rng.permutation(97), np.array([96, 0, 0, 31]), rng.random(97) > 0.5),
    ):
        np.testing.assert_array_equal(shards[chosen], whole[chosen])


def test_a_folder_of_shards_is_read_as_one_file_would_be(tmp_path):
    np.save(tmp_path / "all.npy", MATRIX)
    one, many = read(tmp_path / "all.npy"), read(split_up(tmp_path / "rows"))
    assert one.sha256 == many.sha256
    assert "4 files, from part-2.npy to part-11.safetensors, are one matrix." in many.notes
    settled = [prepare(raw, latents=2, epochs=1).config.model_dump() for raw in (one, many)]
    assert {**settled[0], "dataset": ""} == {**settled[1], "dataset": ""}


def test_digits_that_are_no_number_may_stand_in_a_name(tmp_path):
    for name, part in (("²2", MATRIX[:50]), ("²10", MATRIX[50:])):
        np.save(tmp_path / f"{name}.npy", part)
    assert read_shards(tmp_path).values.shape == MATRIX.shape


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("b.npy", np.zeros((3, 6)), "another length"),
        ("b.npy", np.zeros((3, 5, 1)), "a shard is a matrix"),
        ("b.npy", np.zeros((3, 5), dtype="c16"), "a shard is a matrix"),
        ("b.npy", b"\x93NUMPY nothing", "not a .npy file"),
        ("b.safetensors", b"\xff" * 40, "no safetensors file"),
        ("b.safetensors", b"\x02\0\0\0\0\0\0\0{}", "holds 0 matrices"),
        (
            "b.safetensors",
            (lambda h: len(h).to_bytes(8, "little") + h)(
                b'{"a":{"dtype":"F32","shape":[9,5],"data_offsets":[0,180]}}'
            ),
            "holds others",
        ),
    ],
)
def test_a_damaged_shard_is_one_sentence(name, content, words, tmp_path):
    np.save(tmp_path / "a.npy", MATRIX)
    if isinstance(content, bytes):
        (tmp_path / name).write_bytes(content)
    else:
        np.save(tmp_path / name, content)
    with pytest.raises(DatasetError, match=words) as caught:
        read(tmp_path)
    assert str(tmp_path / name) in str(caught.value)


def test_a_file_that_shrinks_is_noticed(tmp_path):
    np.save(tmp_path / "a.npy", MATRIX)
    rows = matrix_in(tmp_path / "a.npy")
    np.save(tmp_path / "a.npy", MATRIX[:50])
    with pytest.raises(DatasetError, match="was changed"):
        rows[60:70]


# ------------------------------------------------------------------ the order of an epoch


def small_windows(monkeypatch, rows=24):
    monkeypatch.setattr(streams, "RESIDENT", 0)
    monkeypatch.setattr(streams, "WINDOW", 4 * MATRIX.shape[1] * rows)


@given(st.integers(1, 200), st.integers(1, 9), st.integers(1, 40), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_every_row_comes_once_and_a_batch_needs_one_window(count, batch, window, seed):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams, "RESIDENT", 0)
        patch.setattr(streams, "WINDOW", 4 * 3 * window)
        loop.seed_epoch(seed, 0)
        order = streams.drawn_order(count, 3, batch, CPU)
        loop.seed_epoch(seed, 0)
        again = streams.drawn_order(count, 3, batch, CPU)
    assert torch.equal(order.rows, again.rows)
    assert torch.equal(order.rows.sort().values, torch.arange(count))
    blocks = np.concatenate(order.windows)
    assert sorted(blocks) == list(range(-(-count // batch)))
    for chosen in order.rows.split(batch):
        own = set((chosen // batch).tolist())
        assert any(own <= set(window.tolist()) for window in order.windows)


def test_small_data_keep_the_order_that_they_had():
    loop.seed_epoch(3, 1)
    order = streams.drawn_order(50, 4, 8, CPU)
    loop.seed_epoch(3, 1)
    assert torch.equal(order.rows, torch.randperm(50))


class Counting:
    """Rows that keep count of how often each was read."""

    def __init__(self, values):
        self.values, self.counts = values, np.zeros(len(values), int)

    def __getattr__(self, name):
        return getattr(self.values, name)

    def __len__(self):
        return len(self.values)

    def __getitem__(self, chosen):
        self.counts[chosen] += 1
        return self.values[chosen]


def trained(images, epochs=2):
    torch.manual_seed(0)
    model = build("vae", (5,), 2, widths=(4,), arguments={"likelihood": "gaussian"})
    optimiser = loop_optimiser(model)
    for _ in loop.train(
        model,
        optimiser,
        images,
        epochs=epochs,
        batch_size=8,
        learning_rate=lambda progress: 1e-2,
        seed=4,
    ):
        pass
    return model.state_dict()


def loop_optimiser(model):
    from sparsevae.training.step import make_optimiser

    return make_optimiser(model)


def test_streamed_rows_train_as_rows_in_memory_and_are_read_once_an_epoch(monkeypatch, tmp_path):
    small_windows(monkeypatch)
    shards = read_shards(split_up(tmp_path / "rows")).values
    chosen = np.delete(np.arange(97), [3, 40, 41, 90])  # some rows are held out
    scaling = fit_scaling("standard", Selection(shards, chosen))
    rows = Counting(Selection(shards, chosen))
    streamed = trained(streams.StreamedRows(rows, scaling))
    assert (rows.counts == 2).all()  # epochs
    whole = trained(torch.from_numpy(scaling.apply(MATRIX[chosen])))
    assert all(torch.equal(streamed[name], whole[name]) for name in whole)


def test_the_window_is_all_that_is_held(monkeypatch):
    small_windows(monkeypatch)
    rows = streams.StreamedRows(MATRIX, Scaling("none"))
    torch.manual_seed(0)
    order = streams.drawn_order(97, 5, 8, CPU)
    rows.begin(order)
    assert len(order.windows) == 4
    for chosen in order.rows.split(8):
        assert np.array_equal(rows.index_select(0, chosen).numpy(), MATRIX[chosen.numpy()])
        assert rows._held.shape == (32, 5)  # three blocks, and the short one at the end


# ------------------------------------------------------------------ stopped in the middle

STOPPED = """
import os, signal, sys
from sparsevae.data import read
from sparsevae.runs import train, training
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import prepare
from sparsevae.training import streams

source, out, steps = sys.argv[1:]
streams.RESIDENT, streams.WINDOW, training.PAUSE = 0, 400, 0.0
prepared = prepare(read(source), latents=3, epochs=2, batch_size=8, test_fraction=0.2)
save, saved = training.Training.save, 0

def counted(self, folder):
    global saved
    save(self, folder)
    saved += 1
    if saved == int(steps):
        os.kill(os.getpid(), signal.SIGKILL)

training.Training.save = counted
train.train_prepared(prepared, RunFolder(out), device="cpu")
"""


def test_a_run_that_is_killed_in_an_epoch_goes_on_there_bit_for_bit(tmp_path):
    source = split_up(tmp_path / "rows")

    def run(out, steps):
        arguments = [sys.executable, "-c", STOPPED, str(source), str(out), str(steps)]
        return subprocess.run(arguments, capture_output=True, text=True, check=False)

    done = run(tmp_path / "whole", 0)
    assert done.returncode == 0, done.stderr
    for steps in (3, 8, 2):  # the first epoch has ten steps: twice in it, once in the second
        assert run(tmp_path / "parts", steps).returncode == -signal.SIGKILL
    done = run(tmp_path / "parts", 0)
    assert done.returncode == 0, done.stderr
    whole, parts = (
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert whole == parts


def test_history_counts_the_whole_epoch_after_a_stop(monkeypatch):
    from sparsevae.runs import training as module

    monkeypatch.setattr(module, "PAUSE", 0.0)
    prepared = prepare(raw(), latents=2, epochs=1, batch_size=8, test_fraction=0)
    images = rows_of(prepared.dataset.train)
    whole = Training.begin(prepared.config, images, CPU)
    whole.go_on(images)
    stopped, kept = Training.begin(prepared.config, images, CPU), []

    def between():
        if stopped.middle.taken == 5:
            kept.append(stopped.middle)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped.go_on(images, between=between)
    assert kept[0].taken == 5
    stopped.go_on(images)
    for name, value in whole.history[0].items():
        if name != "seconds":
            assert stopped.history[0][name] == pytest.approx(value, rel=1e-6), name


def raw():
    from sparsevae.runs.given import raw_rows

    return raw_rows(MATRIX)
