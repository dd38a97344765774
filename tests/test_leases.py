"""One writer a folder on any machine: who may take over, who must wait, and who must stop."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
import torch

from sparsevae.errors import OutputError, RunFolderError, TakenError
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.train import train_run
from sparsevae.storage import leases
from sparsevae.storage.files import read_tensors, write_json
from sparsevae.storage.leases import LEASE, leased, read_lease

HOLDER = """
import sys, time
from pathlib import Path
from sparsevae.errors import TakenError
from sparsevae.storage.leases import leased
from sparsevae.runs.folder import RunFolder

with leased(Path(sys.argv[1]), "study") as lease:
    run = RunFolder(sys.argv[1], lease)
    print("held", flush=True)
    for number in range(10_000):
        time.sleep(0.02)
        try:
            run.change_metrics({"by": "the first", "number": number})
        except TakenError as error:
            print(error, flush=True)
            break
"""


def holder(folder):
    write_json(folder / "metrics.json", {})
    paths = os.pathsep.join(filter(None, sys.path))
    program = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)],
        env={**os.environ, "PYTHONPATH": paths},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert program.stdout.readline() == "held\n"
    return program


def test_a_worker_that_was_stopped_writes_nothing_after_another_one_took_over(tmp_path):
    first = holder(tmp_path)
    try:
        first.send_signal(signal.SIGSTOP)
        with pytest.raises(TakenError, match="Another process works"), leased(tmp_path, "other"):
            pass
        with leased(tmp_path, "study") as lease:
            run = RunFolder(tmp_path, lease)
            run.change_metrics({"by": "the second"})
            first.send_signal(signal.SIGCONT)
            said, _ = first.communicate(timeout=30)
            assert "has taken over the folder" in said
            assert read_lease(tmp_path)["owner"] == lease.owner
            assert json.loads((tmp_path / "metrics.json").read_text())["by"] == "the second"
    finally:
        first.kill()
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "metrics.json"}


def test_after_a_kill_on_this_machine_anybody_goes_on_at_once(tmp_path):
    first = holder(tmp_path)
    first.kill()
    first.communicate()
    assert (tmp_path / LEASE).exists()
    with leased(tmp_path) as lease:
        lease.check()
    assert not (tmp_path / LEASE).exists()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A folder with the lease of another machine, and patience of half a second."""
    monkeypatch.setattr(leases, "STALE", 0.5)
    monkeypatch.setattr(leases, "LOOK_EVERY", 0.05)
    write_json(tmp_path / LEASE, {"owner": "x", "machine": "another", "host": "node7"})
    return tmp_path


def test_a_lease_of_another_machine_is_awaited_until_it_is_stale(elsewhere):
    said, began = [], time.monotonic()
    with leased(elsewhere, say=said.append):
        assert 0.4 < time.monotonic() - began < 5
    assert "node7" in said[0]
    write_json(elsewhere / LEASE, {"owner": "x", "machine": "another", "host": "node7"})
    os.utime(elsewhere / LEASE, (0, 0))
    with leased(elsewhere, say=said.append):
        assert len(said) == 1


def test_a_lease_that_another_machine_renews_is_left_to_it(elsewhere):
    renew = threading.Timer(0.2, lambda: os.utime(elsewhere / LEASE))
    renew.start()
    with pytest.raises(TakenError, match="node7 works on the folder"), leased(elsewhere):
        pass
    renew.join()
    assert read_lease(elsewhere)["owner"] == "x"


def test_progress_renews_the_lease_and_finds_that_it_is_lost(tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "RENEW_EVERY", 0.0)
    done = []
    with leased(tmp_path) as lease:
        progress = lease.renewing(done.append)
        os.utime(tmp_path / LEASE, (0, 0))
        progress(3)
        assert time.time() - (tmp_path / LEASE).stat().st_mtime < 100
        write_json(tmp_path / LEASE, {"owner": "another"})
        with pytest.raises(TakenError):
            progress(4)
    assert done == [3]
    assert read_lease(tmp_path) == {"owner": "another"}


# ------------------------------------------------------------------ faults of the disk


def test_a_truncated_checkpoint_is_one_sentence_and_its_removal_the_way_on(
    tiny_run, tiny_dataset, tmp_path
):
    run = RunFolder(tmp_path / "run")
    train_run(tiny_run.config, tiny_dataset, run, device="cpu")
    whole, _ = read_tensors(run.path / "weights.safetensors")
    (run.path / "metrics.json").unlink()
    checkpoint = run.path / "checkpoint.safetensors"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-1000])
    with pytest.raises(RunFolderError, match=r"checkpoint.safetensors is damaged; remove it"):
        train_run(tiny_run.config, tiny_dataset, run, device="cpu")
    checkpoint.unlink()
    train_run(tiny_run.config, tiny_dataset, run, device="cpu")
    again, _ = read_tensors(run.path / "weights.safetensors")
    assert all(torch.equal(again[name], tensor) for name, tensor in whole.items())


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MB, where this process may mount one."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("this process may not mount a file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_one_sentence_and_leaves_no_temporary_file(
    small_disk, tiny_run, tiny_dataset
):
    run = RunFolder(small_disk / "run")
    with pytest.raises(OutputError, match=r"Cannot write .*checkpoint"):
        train_run(tiny_run.config, tiny_dataset, run, device="cpu")
    assert {path.name for path in run.path.iterdir()} == {".lock", "config.json"}


def test_a_folder_that_is_removed_meanwhile_is_one_sentence(tiny_run, tiny_dataset, tmp_path):
    run = RunFolder(tmp_path / "run")

    def remove(images):
        if images and (run.path / LEASE).exists():
            for path in run.path.iterdir():
                path.unlink()
            run.path.rmdir()

    with pytest.raises(OutputError, match=r"taken over the folder|Cannot write"):
        train_run(tiny_run.config, tiny_dataset, run, device="cpu", progress=remove)
