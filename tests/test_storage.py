"""Files and folders that several processes, machines and kills have to get along with."""

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from sparsevae.errors import OutputError, RunFolderError
from sparsevae.storage import arrays, cache, files

HOLD = """
import pathlib, sys, time
from sparsevae.storage import files
with files.locked(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""
WRITE = """
import pathlib, sys, time
from sparsevae.storage import files
with files.replacing(pathlib.Path(sys.argv[1]) / "weights") as temporary:
    temporary.write_bytes(b"half of it")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def start(tmp_path):
    """Starts a program on the folder in a process of its own and waits for its first word."""
    processes = []

    def run(code):
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
        )
        processes.append(process)
        assert process.stdout.readline().strip() in ("held", "writing")
        return process

    yield run
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


def age(path, seconds):
    then = time.time() - seconds
    os.utime(path, (then, then))


def temporaries(folder):
    return [path for path in folder.iterdir() if path.name.endswith(".part")]


def test_a_folder_has_one_writer_at_a_time(tmp_path, start):
    start(HOLD)
    with pytest.raises(OutputError, match="Another process works on the folder") as caught:
        files.locked(tmp_path).__enter__()
    assert str(tmp_path) in str(caught.value)
    with files.locked(tmp_path / "another"):
        pass


def test_the_lock_of_a_killed_process_is_free(tmp_path, start):
    process = start(HOLD)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with files.locked(tmp_path):
        pass
    with files.locked(tmp_path):
        pass


def test_a_folder_that_cannot_be_locked_says_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="it is a file"):
        files.locked(tmp_path / "file").__enter__()
    (tmp_path / files.LOCK).mkdir()
    with pytest.raises(OutputError, match="Cannot lock the folder"):
        files.locked(tmp_path).__enter__()


def of_another_machine(left):
    """The file under the name that it would have if another machine wrote it."""
    place = left.name[-37:-29]
    return left.rename(left.with_name(left.name.replace(place, "0123abcd")))


@pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="there is no /proc")
def test_what_a_killed_writer_left_is_swept_when_its_folder_is_opened_again(tmp_path, start):
    process = start(WRITE)
    files.make_folder(tmp_path)
    assert len(temporaries(tmp_path)) == 1, "it is still writing"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(temporaries(tmp_path)) == 1
    files.make_folder(tmp_path)
    assert temporaries(tmp_path) == []


def test_what_another_machine_may_still_write_is_swept_after_a_day(tmp_path, start):
    process = start(WRITE)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = of_another_machine(*temporaries(tmp_path))
    files.make_folder(tmp_path)
    assert left.exists()
    age(left, files.DAY + 60)
    files.make_folder(tmp_path)
    assert temporaries(tmp_path) == []


def test_who_holds_the_lock_sweeps_sooner(tmp_path, start):
    start(WRITE).kill()
    left = of_another_machine(*temporaries(tmp_path))
    age(left, files.MINUTE + 5)
    with files.locked(tmp_path):
        assert temporaries(tmp_path) == []


def test_a_sweep_leaves_everything_else_and_every_fresh_file(tmp_path, start):
    start(WRITE)  # writes still
    (fresh,) = temporaries(tmp_path)
    others = [tmp_path / name for name in ("metrics.json", ".hidden", ".x.part", "a.0f.part")]
    for path in others:
        path.touch()
        age(path, 10 * files.DAY)
    files.make_folder(tmp_path)
    assert set(tmp_path.iterdir()) == {fresh, *others}


def test_two_writers_of_one_file_never_share_a_name(tmp_path):
    with files.replacing(tmp_path / "x") as one, files.replacing(tmp_path / "x") as other:
        assert one != other
        one.write_text("one")
        other.write_text("other")
    assert (tmp_path / "x").read_text() == "one", "the one that ended last"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_written_file_has_the_mode_that_any_new_file_has(tmp_path):
    files.write_text(tmp_path / "x", "text")
    files.write_tensors(tmp_path / "z", {"a": torch.zeros(2)}, {})
    (tmp_path / "y").touch()
    modes = {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in "xyz"}
    assert len(modes) == 1


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="there is no /proc")
@pytest.mark.parametrize("read", [files.read_json, files.read_tensors, files.read_shapes])
def test_a_file_that_the_system_does_not_let_be_read_is_not_called_damaged(tmp_path, read):
    (tmp_path / "x").symlink_to("/proc/self/mem")  # a file whose first bytes nobody may read
    with pytest.raises(RunFolderError, match=r"^Cannot read .*/x: Input/output error\.$"):
        read(tmp_path / "x")


def test_content_is_on_the_disk_before_the_name(tmp_path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append("content") or fsync(file))
    monkeypatch.setattr(os, "replace", lambda *names: done.append("name") or replace(*names))
    files.write_text(tmp_path / "x", "text")
    assert done == ["content", "name"]


def test_a_block_that_writes_nothing_is_an_error(tmp_path):
    with pytest.raises(OutputError, match="Cannot write"), files.replacing(tmp_path / "x"):
        pass


def test_a_selection_reads_as_its_rows_would():
    values = np.arange(60).reshape(10, 2, 3)
    chosen = np.array([7, 1, 1, 4])
    rows: arrays.Rows = arrays.Selection(values, chosen)
    plain: arrays.Rows = values[chosen]
    for name in ("shape", "dtype", "ndim", "size"):
        assert getattr(rows, name) == getattr(plain, name)
    assert len(rows) == len(plain)
    for part in (slice(None), slice(1, 3), np.array([3, 0]), np.array([True, False, True, False])):
        np.testing.assert_array_equal(rows[part], plain[part])
    np.testing.assert_array_equal(arrays.mean_row(rows), values[chosen].mean(0))


def test_there_is_one_cache(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path))
    assert cache.store("a/b", b"content")
    assert (cache.folder() / "a" / "b").read_bytes() == b"content"
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    assert cache.folder() == cache.platform_folder()
    assert cache.folder().name == "sparsevae"
