"""Things that go wrong with disks, clocks and processes: one sentence, and nothing is lost.

Each is provoked for real in the middle of a small run. What was there before stays whole, no
temporary file stays, and once the fault is gone the run ends with the numbers of one that never
met it. Two more are in test_leases.py: a stopped worker, and a damaged lease of another machine.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sparsevae import data, report
from sparsevae.errors import DatasetError, OutputError, RunFolderError, SparseVAEError, TakenError
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import prepare
from sparsevae.runs.train import train_prepared
from sparsevae.runs.trained import TrainedModel
from sparsevae.storage import cache, leases
from sparsevae.storage.files import TEMPORARY, locked, make_folder
from sparsevae.storage.leases import LEASE, leased
from sparsevae.studies import results
from sparsevae.studies.engines import worker
from sparsevae.studies.reuse import take_over
from sparsevae.training import streams

ENOUGH = "size=8m"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    np.save(path, np.random.default_rng(0).normal(size=(200, 8)).astype(np.float32))
    return prepare(data.read(path), latents=3, epochs=3, batch_size=50, widths=[16])


@pytest.fixture(scope="module")
def whole(prepared, tmp_path_factory):
    """The run that meets no fault; do not change it."""
    return trained(prepared, tmp_path_factory.mktemp("whole") / "run")


def trained(prepared, path, middle=lambda: None):
    """Train a run, and do something in the middle of it: once its first checkpoint is there."""
    run, met = RunFolder(path), []

    def progress(images):
        if not met and (path / "checkpoint.safetensors").exists():
            met.append(True)
            middle()

    train_prepared(prepared, run, device="cpu", progress=progress)
    return RunFolder(path)


def sentence(raised):
    """What a user reads: one line, as the command line prints it."""
    (text,) = str(raised.value).splitlines()
    assert text.endswith(".")
    return text


def assert_as_whole(run, whole):
    weights = [(r.path / "weights.safetensors").read_bytes() for r in (run, whole)]
    assert weights[0] == weights[1]
    ours, theirs = ({k: v for k, v in r.metrics.items() if k != "seconds"} for r in (run, whole))
    assert ours == theirs
    assert not [path for path in run.path.rglob("*") if TEMPORARY.fullmatch(path.name)]


def mounted(command, *arguments):
    try:
        done = subprocess.run([command, *arguments], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return done.returncode == 0


@pytest.fixture
def disk(tmp_path):
    """A file system of its own, and what changes how it is mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    if not mounted("mount", "-t", "tmpfs", "-o", ENOUGH, "tmpfs", str(place)):
        pytest.skip("this process may not mount a file system")

    def change(options):
        assert mounted("mount", "-o", f"remount,{options}", str(place))

    yield place, change
    mounted("umount", "-l", str(place))


def filled(place):
    """Nothing more fits onto a disk."""
    with pytest.raises(OSError, match="No space"):
        (place / "filler").write_bytes(bytes(2**24))


# ------------------------------------------------------------------ the disk


def test_1_a_disk_that_is_full_from_the_start(disk, prepared, whole):
    place, _ = disk
    filled(place)
    with pytest.raises(OutputError) as raised:
        trained(prepared, place / "run")
    assert "No space left" in sentence(raised)
    (place / "filler").unlink()
    assert_as_whole(trained(prepared, place / "run"), whole)


def test_2_a_disk_that_fills_in_the_middle_keeps_the_last_checkpoint(disk, prepared, whole):
    place, _ = disk
    with pytest.raises(OutputError) as raised:
        trained(prepared, place / "run", lambda: filled(place))
    assert "Cannot write" in sentence(raised)
    assert RunFolder(place / "run").load_checkpoint()[1]
    assert not [path for path in (place / "run").iterdir() if TEMPORARY.fullmatch(path.name)]
    (place / "filler").unlink()
    assert_as_whole(trained(prepared, place / "run"), whole)


def test_3_a_disk_that_is_full_when_pictures_are_drawn(disk, whole):
    place, _ = disk
    run = whole.copy_to(place / "run")
    filled(place)
    with pytest.raises(OutputError) as raised:
        report.draw(run)
    assert "Cannot write" in sentence(raised)
    assert not [path for path in place.rglob("*") if TEMPORARY.fullmatch(path.name)]
    (place / "filler").unlink()
    assert report.draw(run)


def test_4_a_disk_that_turns_read_only_in_the_middle(disk, prepared, whole):
    run = disk[0] / "run"

    def turn():  # a disk on which files are open cannot be mounted anew, its folder can
        assert mounted("mount", "--bind", str(run), str(run))
        assert mounted("mount", "-o", "remount,bind,ro", str(run))

    with pytest.raises(OutputError) as raised:
        trained(prepared, run, turn)
    assert "Read-only file system" in sentence(raised)
    assert mounted("umount", str(run))
    assert_as_whole(trained(prepared, run), whole)


def test_5_a_disk_that_is_read_only_from_the_start(disk, prepared):
    place, change = disk
    change("ro")
    with pytest.raises(OutputError) as raised:
        trained(prepared, place / "run")
    assert "Cannot write to the folder" in sentence(raised)
    with pytest.raises(OutputError), locked(place):
        pass


def test_6_a_cache_that_cannot_be_written_is_done_without(disk, monkeypatch):
    place, change = disk
    change("ro")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(place / "cache"))
    assert not cache.store("something", b"bytes")
    assert len(data.load("mnist-5k", limit=20).train) == 20


def test_7_a_folder_that_is_removed_in_the_middle(prepared, tmp_path, whole):
    with pytest.raises(OutputError) as raised:
        trained(prepared, tmp_path / "run", lambda: shutil.rmtree(tmp_path / "run"))
    assert "taken over the folder" in sentence(raised)
    assert_as_whole(trained(prepared, tmp_path / "run"), whole)


def test_8_a_file_where_the_folder_should_be(prepared, tmp_path):
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OutputError) as raised:
        trained(prepared, tmp_path / "run")
    assert "it is a file" in sentence(raised)
    assert (tmp_path / "run").read_text() == "mine"


def test_23_a_disk_that_is_full_when_a_run_is_taken_over(disk, whole):
    place, _ = disk
    run, wanted = make_folder(place / "run"), {place / "run": whole.config}
    filled(place)
    with pytest.raises(OutputError) as raised:
        take_over(wanted, whole.data_sha256, [whole.path.parent], lambda line: None)
    assert "No space left" in sentence(raised)
    assert not [*run.iterdir()]
    (place / "filler").unlink()
    take_over(wanted, whole.data_sha256, [whole.path.parent], lambda line: None)
    assert_as_whole(RunFolder(run), whole)


# ------------------------------------------------------------------ files that are not whole


def stopped_in_the_middle(prepared, path):
    def stop():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(prepared, path, stop)
    return path


@pytest.mark.parametrize("left", [0, 5, -40], ids=["9-empty", "10-first-bytes", "11-no-end"])
def test_a_checkpoint_that_is_cut_off(left, prepared, tmp_path, whole):
    run = stopped_in_the_middle(prepared, tmp_path / "run")
    file = run / "checkpoint.safetensors"
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(RunFolderError) as raised:
        trained(prepared, run)
    assert "checkpoint.safetensors is damaged; remove it" in sentence(raised)
    file.unlink()
    assert_as_whole(trained(prepared, run), whole)


def test_12_a_configuration_that_is_half_written(prepared, tmp_path, whole):
    run = stopped_in_the_middle(prepared, tmp_path / "run")
    file = run / "config.json"
    file.write_text(file.read_text()[:100])
    with pytest.raises(RunFolderError) as raised:
        trained(prepared, run)
    assert "config.json cannot be read; remove it" in sentence(raised)
    file.unlink()
    assert_as_whole(trained(prepared, run), whole)


def test_13_weights_that_are_cut_off(whole, tmp_path):
    run = whole.copy_to(tmp_path / "run")
    file = run.path / "weights.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(RunFolderError) as raised:
        TrainedModel.load(run.path)
    assert "weights.safetensors is damaged" in sentence(raised)


def test_14_numbers_that_are_cut_off(whole, tmp_path):
    run = whole.copy_to(tmp_path / "study" / "runs" / "run")
    file = run.path / "metrics.json"
    file.write_text(file.read_text()[:30])
    with pytest.raises(RunFolderError) as raised:
        results.write_results(tmp_path / "study", [RunFolder(run.path)])
    assert "metrics.json cannot be read; remove it" in sentence(raised)
    assert not (tmp_path / "study" / "results.csv").exists()


def test_15_data_that_are_cut_off(tmp_path):
    path = tmp_path / "rows.npy"
    np.save(path, np.zeros((100, 4)))
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError) as raised:
        data.read(path)
    assert "rows.npy" in sentence(raised)


def test_22_images_that_are_cut_off_while_they_are_read(tmp_path, monkeypatch):
    """They are mapped, and the system would end the process with SIGBUS."""
    monkeypatch.setattr(streams, "RESIDENT", 2**16)
    monkeypatch.setattr(streams, "WINDOW", 2**15)
    path = tmp_path / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (1000, 8, 8, 3), np.uint8))
    content = path.read_bytes()
    prepared = prepare(data.read(path), latents=3, epochs=2, test_fraction=0.1)
    whole = trained(prepared, tmp_path / "whole")
    with pytest.raises(DatasetError) as raised:
        trained(prepared, tmp_path / "run", lambda: os.truncate(path, 9000))
    assert "images.npy was changed while it was read; start again." in sentence(raised)
    path.write_bytes(content)
    assert_as_whole(trained(prepared, tmp_path / "run"), whole)


# ------------------------------------------------------------------ clocks


def test_16_what_a_killed_process_left_before_the_clock_was_set_back_is_swept(tmp_path):
    left = tmp_path / f".weights.{'0' * 32}.part"
    left.touch()
    os.utime(left, (time.time() + 1e7,) * 2)
    make_folder(tmp_path)
    assert not left.exists()


def test_17_a_lease_from_a_clock_ahead_is_awaited_and_taken_over(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "STALE", 0.3)
    monkeypatch.setattr(leases, "LOOK_EVERY", 0.05)
    (tmp_path / LEASE).write_text(json.dumps({"owner": "x", "machine": "other", "host": "node7"}))
    os.utime(tmp_path / LEASE, (time.time() + 1e7,) * 2)
    said = []
    with leased(tmp_path, say=said.append) as lease:
        lease.check()
    assert "node7" in said[0]


# ------------------------------------------------------------------ processes

BESIDE = """
import sys, time
from pathlib import Path
from sparsevae.storage.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


def test_18_two_commands_on_one_folder(tmp_path):
    paths = os.pathsep.join(filter(None, sys.path))
    first = subprocess.Popen(
        [sys.executable, "-c", BESIDE, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert first.stdout.readline() == "held\n"
        with pytest.raises(TakenError) as raised, locked(tmp_path):
            pass
        assert "wait until it is done, or name another folder" in sentence(raised)
    finally:
        first.send_signal(signal.SIGKILL)
        first.communicate()
    with locked(tmp_path):
        pass


def test_19_messages_that_cannot_be_written_end_no_run(tmp_path):
    class Talking:
        plugins = ()

        def do(self, on_images, on_warning):
            on_warning("a line")
            (tmp_path / "done").touch()

    worker.work(Talking(), tmp_path / "gone" / "messages")
    assert (tmp_path / "done").exists()


def test_21_what_safetensors_was_writing_when_it_was_killed_is_swept(tmp_path):
    """It writes under a name of its own before that file is renamed, and renamed again."""
    left, theirs = tmp_path / ".tmpKobhIv", tmp_path / ".tmpfile"
    left.touch()
    theirs.touch()
    os.utime(left, (time.time() - 5,) * 2)
    with leased(tmp_path):
        assert not left.exists()
    assert theirs.exists()


def test_20_temporary_files_are_there_for_a_day_at_most(tmp_path):
    names = [f".a.{'0' * 32}.part", f".b.{'1' * 32}.part", "kept.part"]
    for name in names:
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (time.time() - 1e5,) * 2)
    (tmp_path / f".c.{'2' * 32}.part").touch()
    make_folder(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f".c.{'2' * 32}.part", "kept.part"]
    with locked(tmp_path):
        assert Path(tmp_path / "kept.part").exists()
    assert issubclass(TakenError, SparseVAEError)
