"""Trackers: what a run folder holds arrives once, whatever fails on the way."""

import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sparsevae.cli import main
from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.train import train_run
from sparsevae.studies import study, trackers
from sparsevae.studies.trackers import queue
from sparsevae.training.recipes import runs as runs_of

TINY = {
    "dataset": "mnist-5k",
    "models": ["ae"],
    "latents": [2],
    "epochs": 2,
    "batch_size": 50,
    "limit": 200,
}
SERVER = "SPARSEVAE_MLFLOW_SERVER"  # a program "mlflow" that has the server in it
RUN = "mnist-5k-ae-2-seed0"


class Notebook:
    """A tracker that writes down what it is told, and may be out of reach."""

    def __init__(self, forgets=False):
        self.rows, self.ends, self.began, self.closes = [], [], [], 0
        self.reachable, self.broken, self.forgets = True, False, forgets

    def _answer(self):
        if self.broken:
            raise ValueError("no such colour\nand more")
        if not self.reachable:
            raise ConnectionError("nobody is there")

    def started(self, run):
        self._answer()
        self.began.append(run.key)
        known = [epoch for key, epoch in self.rows if key == run.key]
        return None if self.forgets else max(known, default=0)

    def epoch(self, run, row, when):
        self._answer()
        assert when > run.began
        self.rows.append((run.key, row["epoch"]))

    def finished(self, run):
        self._answer()
        self.ends.append(run.key)

    def closed(self):
        self.closes += 1


@pytest.fixture
def notebook(monkeypatch):
    """The notebook that stands for TensorBoard in this test."""
    one = Notebook()
    stand_in(monkeypatch, one)
    monkeypatch.setattr(queue, "FIRST_WAIT", 0.01)
    monkeypatch.setattr(queue, "POLL", 0.01)
    return one


def stand_in(monkeypatch, one):
    monkeypatch.setattr(
        queue, "open_trackers", lambda targets, folder: dict.fromkeys(targets, one)
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a small finished study without trackers."""
    out = tmp_path_factory.mktemp("study")
    dataset = study.data_of("mnist-5k", "test", TINY["limit"])
    (config,) = runs_of(study.StudyConfig.checked(TINY), "mnist-5k")
    train_run(config, dataset, RunFolder(out / "runs" / RUN), device="cpu")
    return out


@pytest.fixture
def copied(finished, tmp_path):
    return Path(shutil.copytree(finished, tmp_path / "copied"))


def run_of(folder):
    return RunFolder(folder / "runs" / RUN)


def at_work(folder, epochs):
    """A run folder as it is while its run trains: a checkpoint, and nothing that comes after."""
    run = run_of(folder)
    rows = run.history
    for name in ("history.json", "metrics.json"):
        (run.path / name).unlink()
    run.save_checkpoint({}, rows[:epochs])
    return run, rows


@pytest.mark.usefixtures("no_workers_in_this_test")
def test_a_study_tells_its_trackers_every_epoch_once(notebook, tmp_path):
    study.run_study(
        study.StudyConfig.checked(TINY), tmp_path / "out", jobs=1, track=["tensorboard"]
    )
    kept = json.loads((run_of(tmp_path / "out").path / trackers.FILE).read_text())
    assert notebook.rows == [(kept["key"], 1), (kept["key"], 2)]
    assert notebook.ends == [kept["key"]]
    assert notebook.closes == 1
    assert kept["sent"] == {"tensorboard": {"attempt": 0, "epochs": 2, "finished": True}}


def test_what_was_sent_is_not_sent_again(notebook, copied):
    assert queue.send_finished(copied, ["mlflow"], print) == (1, [])
    before = list(notebook.rows)
    assert queue.send_finished(copied, ["mlflow"], print) == (1, [])
    assert notebook.rows == before
    assert len(before) == 2
    assert queue.send_finished(copied, ["mlflow", "wandb"], print) == (1, [])
    assert len(notebook.began) == 2  # the second target knew the epochs of the first


@pytest.mark.parametrize("forgets", [False, True])
def test_a_run_that_goes_on_goes_on_in_the_same_place(monkeypatch, copied, forgets):
    one = Notebook(forgets)
    stand_in(monkeypatch, one)
    whole = {path.name: path.read_bytes() for path in run_of(copied).path.glob("*.json")}
    run, rows = at_work(copied, 1)
    with queue.tracking(["mlflow"], copied, {RUN: run.path}, print):
        pass
    assert [epoch for _, epoch in one.rows] == [1]
    assert not one.ends
    for name, content in whole.items():
        (run.path / name).write_bytes(content)
    with queue.tracking(["mlflow"], copied, {RUN: run.path}, print):
        pass
    assert [epoch for _, epoch in one.rows] == [row["epoch"] for row in rows]
    assert len({key for key, _ in one.rows}) == 1
    assert one.ends == one.began[:1]


def again(run, rows, epochs):
    """The checkpoint of a run that has begun anew and has so many epochs since."""
    run.save_checkpoint({}, [{**row, "attempt": 1} for row in rows[:epochs]])


@pytest.mark.parametrize("forgets", [False, True])
def test_a_run_that_begins_anew_is_another_run(monkeypatch, copied, forgets):
    one = Notebook(forgets)
    stand_in(monkeypatch, one)
    metrics = (run_of(copied).path / "metrics.json").read_bytes()
    run, rows = at_work(copied, 2)

    def follow():
        with queue.tracking(["mlflow"], copied, {RUN: run.path}, print):
            pass

    follow()
    again(run, rows, 1)
    follow()
    (run.path / "history.json").write_text(
        json.dumps([{**row, "attempt": 1} for row in rows]), encoding="utf-8"
    )
    (run.path / "metrics.json").write_bytes(metrics)
    follow()
    first = json.loads((run.path / trackers.FILE).read_text())["key"]
    second = f"{first}-attempt2"
    assert one.rows == [(first, 1), (first, 2), (second, 1), (second, 2)]
    assert one.ends == [second]
    assert trackers.sent_of(run, "mlflow", 1) == (2, True)
    assert trackers.sent_of(run, "mlflow", 0) == (0, False)


def test_a_run_that_begins_anew_while_it_is_followed_lies_beside_its_first_attempt(copied):
    run, rows = at_work(copied, 2)
    with queue.tracking(["tensorboard"], copied, {RUN: run.path}, print) as follower:
        follower.images(RUN, 200)
        wait_until(lambda: trackers.sent_of(run, "tensorboard") == (2, False))
        again(run, rows, 1)
    steps = {
        place.name: [event.step for event in events_of(place).Scalars("train/objective")]
        for place in (copied / "tensorboard").iterdir()
    }
    assert steps == {RUN: [1, 2], f"{RUN}-attempt2": [1]}


def test_epochs_are_seen_while_a_run_trains(notebook, copied):
    run, rows = at_work(copied, 1)
    with queue.tracking(["mlflow"], copied, {RUN: run.path}, print) as follower:
        follower.images(RUN, 200)
        wait_until(lambda: len(notebook.rows) == 1)
        run.save_checkpoint({}, rows)
        time.sleep(queue.LOOK_EVERY)
        follower.images(RUN, 200)
        wait_until(lambda: len(notebook.rows) == 2)
        assert not notebook.ends
    assert notebook.closes == 1


def test_a_tracker_out_of_reach_is_tried_again_and_said_once(notebook, copied):
    said, run = [], run_of(copied)
    notebook.reachable = False
    with queue.tracking(["mlflow"], copied, {RUN: run.path}, said.append) as follower:
        follower.finished(RUN, {})
        wait_until(lambda: follower.senders[0].lines)
        time.sleep(0.1)
        notebook.reachable = True
        wait_until(lambda: notebook.ends)
    assert [epoch for _, epoch in notebook.rows] == [1, 2]
    assert len(said) == 1
    assert "mlflow cannot be reached" in said[0]
    assert "nobody is there" in said[0]


def test_a_tracker_that_stays_out_of_reach_costs_its_patience_and_can_be_told_later(
    notebook, copied, monkeypatch
):
    monkeypatch.setattr(queue, "PATIENCE", 0.3)
    said, notebook.reachable = [], False
    with queue.tracking(["mlflow"], copied, {RUN: run_of(copied).path}, said.append) as follower:
        follower.finished(RUN, {})
        wait_until(lambda: follower.senders[0].lines)  # a busy machine may take its time to try
        began = time.monotonic()
        follower.close(0.3)
    assert time.monotonic() - began < 5
    assert "sparsevae track DIR --to mlflow" in said[-1]
    assert len(said) == 2
    notebook.reachable = True
    assert queue.send_finished(copied, ["mlflow"], print) == (1, [])
    assert [epoch for _, epoch in notebook.rows] == [1, 2]


def test_a_tracker_that_hangs_does_not_hold_the_study(notebook, copied, monkeypatch):
    stuck = threading.Event()
    monkeypatch.setattr(queue, "SHORT_PATIENCE", 0.2)
    notebook.started = lambda run: stuck.wait(60)
    said = []
    runs = {RUN: run_of(copied).path}
    with (
        pytest.raises(KeyboardInterrupt),  # the patience is the short one
        queue.tracking(["mlflow"], copied, runs, said.append),
    ):
        raise KeyboardInterrupt
    stuck.set()
    assert "no answer for 0 seconds" in said[-1]


def test_a_tracker_that_fails_is_dropped_and_the_others_go_on(monkeypatch, copied):
    good, bad, said = Notebook(), Notebook(), []
    bad.broken = True
    monkeypatch.setattr(queue, "open_trackers", lambda *given: {"mlflow": bad, "wandb": good})
    with queue.tracking(["a", "b"], copied, {RUN: run_of(copied).path}, said.append) as follower:
        follower.finished(RUN, {})
        wait_until(lambda: bad.broken and good.ends)
    assert [epoch for _, epoch in good.rows] == [1, 2]
    assert len(said) == 1
    assert said[0].startswith("mlflow is left out")
    assert "ValueError: no such colour;" in said[0]


def test_looks_are_bounded_and_never_wait(notebook, copied, monkeypatch):
    monkeypatch.setattr(queue, "MOST_LOOKS", 3)
    gate = threading.Event()
    notebook.started = lambda run: gate.wait(60) and 0
    with queue.tracking(["mlflow"], copied, {RUN: run_of(copied).path}, print) as follower:
        began = time.monotonic()
        for _ in range(1000):
            follower.finished(RUN, {})
        assert time.monotonic() - began < 1
        gate.set()
    assert [epoch for _, epoch in notebook.rows] == [1, 2]


def test_settings_are_flat_and_results_are_numbers(finished):
    run = trackers.TrackedRun(run_of(finished), "mine", "key", 0.0)
    assert run.settings["model"] == "ae"
    assert run.settings["learning_rate.kind"] == "one-cycle"
    assert run.settings["widths"] == "[16, 32, 256]"
    assert run.results["mse"] == run.folder.metrics["mse"]
    assert "model" not in run.results


@pytest.mark.parametrize(
    ("targets", "sentence"),
    [
        (["comet"], "There is no tracker 'comet'; choose from tensorboard, mlflow, wandb."),
        (["paper"], r"needs the package paperless.*pip install 'sparsevae\[paper\]'"),
    ],
)
def test_a_tracker_that_cannot_be_had_is_one_sentence(targets, sentence, monkeypatch, tmp_path):
    row = trackers.Backend("nowhere", "paperless")
    if targets == ["paper"]:
        monkeypatch.setitem(trackers.TRACKERS, "paper", row)
    with pytest.raises(ConfigurationError, match=sentence):
        trackers.open_trackers(targets, tmp_path)


def test_the_command_sends_finished_runs_later(copied, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sparsevae", "track", str(copied), "--to", "tensorboard"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "1 finished run of" in capsys.readouterr().out
    assert list((copied / "tensorboard" / RUN).glob("events*"))


def test_a_folder_without_finished_runs_is_one_sentence(tmp_path):
    with pytest.raises(RunFolderError, match="holds no finished runs"):
        queue.send_finished(tmp_path, ["tensorboard"], print)


# TensorBoard, by its own reader.


def events_of(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    events.Reload()
    return events


def test_tensorboard_reads_what_was_written(copied):
    run = run_of(copied)
    (run.path / "figures").mkdir()
    from PIL import Image

    Image.new("RGB", (8, 6), "red").save(run.path / "figures" / "red.png")
    assert queue.send_finished(copied, ["tensorboard"], print) == (1, [])
    place = copied / "tensorboard" / RUN
    events = events_of(place)
    rows = run.history
    read = events.Scalars("train/objective")
    assert [event.step for event in read] == [1, 2]
    assert [event.value for event in read] == pytest.approx([row["objective"] for row in rows])
    assert read[1].wall_time - read[0].wall_time == pytest.approx(rows[1]["seconds"], abs=1e-3)
    assert events.Scalars("final/mse")[0].value == pytest.approx(run.metrics["mse"])
    assert events.Images("red")
    plugins = events.summary_metadata
    assert "_hparams_/session_start_info" in plugins
    assert any(tag.endswith("text_summary") for tag in plugins)


def test_the_projector_has_codes_with_the_images_they_are_decoded_to(copied):
    from google.protobuf import text_format
    from PIL import Image
    from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

    queue.send_finished(copied, ["tensorboard"], print)
    place, run = copied / "tensorboard" / RUN, run_of(copied)
    config = text_format.Parse((place / "projector_config.pbtxt").read_text(), ProjectorConfig())
    (one,) = config.embeddings
    codes = np.loadtxt(place / one.tensor_path, delimiter="\t")
    kept = run.pictures["scatter_codes"]
    np.testing.assert_allclose(codes, kept[: len(codes)], rtol=1e-5)
    labels = (place / one.metadata_path).read_text().split()
    assert labels == [str(label) for label in run.pictures["scatter_labels"][: len(codes)]]
    assert list(one.sprite.single_image_dim) == [28, 28]
    with Image.open(place / one.sprite.image_path) as sprite:
        picture = np.asarray(sprite.convert("L"), float)
    import sparsevae

    first = sparsevae.load(run.path).decode(kept[:1])[0, 0]
    np.testing.assert_allclose(picture[:28, :28], np.clip(first, 0, 255), atol=1.5)


def test_event_files_of_a_killed_process_are_gone_on_with(copied):
    whole = {path.name: path.read_bytes() for path in run_of(copied).path.glob("*.json")}
    run, _ = at_work(copied, 1)
    with queue.tracking(["tensorboard"], copied, {RUN: run.path}, print):
        pass
    (written,) = (copied / "tensorboard" / RUN).glob("events*")
    with written.open("ab") as file:
        file.write(b"\x40\x00\x00\x00\x00\x00\x00\x00half a record")
    (run.path / trackers.FILE).write_text(  # as if it had been killed before it wrote this
        (run.path / trackers.FILE).read_text().replace('"epochs": 1', '"epochs": 0')
    )
    for name, content in whole.items():
        (run.path / name).write_bytes(content)
    queue.send_finished(copied, ["tensorboard"], print)
    steps = [event.step for event in events_of(written.parent).Scalars("train/objective")]
    assert steps == [1, 2]


# MLflow, a real server that is killed in the middle.


def mlflow_server():
    program = os.environ.get(SERVER) or str(Path(sys.executable).with_name("mlflow"))
    complete = SERVER in os.environ or importlib.util.find_spec("flask") is not None
    return program if complete and Path(program).is_file() else None


needs_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None or mlflow_server() is None,
    reason=f"mlflow-skinny is not installed, or no server: mlflow, or {SERVER}=…/bin/mlflow",
)


class Server:
    """An MLflow server on a free port, with SQLite in a folder."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.folder, self.address = folder, f"http://127.0.0.1:{self.port}"

    def start(self):
        environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
        environment["MLFLOW_SERVER_ENABLE_JOB_EXECUTION"] = "false"  # six more processes
        self.process = subprocess.Popen(
            [
                *(mlflow_server(), "server", "--host", "127.0.0.1", "--port", str(self.port)),
                *("--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db", "--workers", "1"),
                *("--artifacts-destination", str(self.folder / "artifacts")),
            ],
            env=environment,
            cwd=self.folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        wait_until(self.answers, 600)  # busy machines

    def answers(self):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", self.port)):
                return False
        from urllib.request import urlopen

        try:
            with urlopen(f"{self.address}/health", timeout=5) as page:
                return page.status == 200
        except OSError:
            return False

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(30)
        wait_until(lambda: not self.answers(), 30)


def wait_until(happens, seconds=60):
    deadline = time.monotonic() + seconds
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert happens()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    one = Server(tmp_path_factory.mktemp("mlflow"))
    one.start()
    yield one
    one.kill()


@needs_mlflow
@pytest.mark.filterwarnings("default")  # of MLflow's client
def test_an_mlflow_server_killed_in_the_middle_has_every_epoch_once(server, copied, capsys):
    from mlflow import MlflowClient

    whole = {path.name: path.read_bytes() for path in run_of(copied).path.glob("*.json")}
    run, rows = at_work(copied, 1)
    target, said = f"mlflow={server.address}", []
    with queue.tracking([target], copied, {RUN: run.path}, said.append) as follower:
        follower.images(RUN, 200)
        wait_until(lambda: trackers.sent_of(run, target) == (1, False))
        server.kill()
        for name, content in whole.items():
            (run.path / name).write_bytes(content)
        follower.finished(RUN, {})
        wait_until(lambda: follower.senders[0].lines)
        server.start()
        wait_until(lambda: trackers.sent_of(run, target) == (2, True))
    assert len(said) == 1
    assert "cannot be reached" in said[0]
    assert queue.send_finished(copied, [target], print) == (1, [])
    client = MlflowClient(server.address)
    experiment = client.get_experiment_by_name(copied.name)
    (one,) = client.search_runs([experiment.experiment_id])
    history = client.get_metric_history(one.info.run_id, "train/objective")
    assert [(metric.step, metric.value) for metric in history] == [
        (row["epoch"], row["objective"]) for row in rows
    ]
    assert one.info.status == "FINISHED"
    assert one.data.params["model"] == "ae"
    assert one.data.metrics["final/mse"] == run.metrics["mse"]


@needs_mlflow
@pytest.mark.filterwarnings("default")
def test_an_epoch_whose_answer_was_lost_is_not_there_twice(server, copied):
    from mlflow import MlflowClient

    run, target = run_of(copied), f"mlflow={server.address}"
    (run.path / "figures").mkdir()
    (run.path / "figures" / "one.png").write_bytes(b"a picture")
    assert queue.send_finished(copied, [target], print) == (1, [])
    kept = json.loads((run.path / trackers.FILE).read_text())
    (run.path / trackers.FILE).write_text(json.dumps({**kept, "sent": {}}))
    assert queue.send_finished(copied, [target], print) == (1, [])
    client = MlflowClient(server.address)
    filtered = client.search_runs(
        [client.get_experiment_by_name(copied.name).experiment_id],
        f"tags.`sparsevae.key` = '{kept['key']}'",
    )
    assert len(filtered) == 1
    steps = [m.step for m in client.get_metric_history(filtered[0].info.run_id, "train/kl")]
    assert steps == [1, 2]
    (picture,) = client.list_artifacts(filtered[0].info.run_id, "figures")
    assert picture.path == "figures/one.png"


@pytest.mark.slow
@needs_mlflow
@pytest.mark.filterwarnings("default")
def test_training_takes_no_longer_while_a_server_is_gone_for_a_minute(server, tmp_path, capsys):
    """Processor time of an epoch while it is there and while it is not; each row arrives once."""
    import psutil
    from mlflow import MlflowClient

    longer = {**TINY, "epochs": 240, "limit": 4000, "trunk": "mlp", "widths": [32]}
    run, marks = run_of(tmp_path / "out"), []

    def mark(least=0):
        while len(rows := queue.history_of(run)) < least:
            time.sleep(0.2)
        worker = psutil.Process(json.loads((run.path / ".lease").read_text())["pid"])
        marks.append((len(rows), sum(worker.cpu_times()[:2]), time.monotonic()))

    def disturb():
        mark(10)
        mark(70)
        server.kill()
        time.sleep(60)
        mark()
        server.start()
        mark(len(queue.history_of(run)) + 10)
        mark(longer["epochs"] - 2)

    disturber = threading.Thread(target=disturb)
    disturber.start()
    study.run_study(
        study.StudyConfig.checked(longer),
        tmp_path / "out",
        jobs=1,
        track=[f"mlflow={server.address}"],
    )
    disturber.join()
    before, down, _, after = (
        [(b - a) / (two[0] - one[0]) for a, b in zip(one[1:], two[1:], strict=True)]
        for one, two in pairwise(marks)
    )
    there = (before[0] + after[0]) / 2
    with capsys.disabled():
        print(f"\nprocessor and other seconds an epoch: {before}, gone {down}, again {after}")
    assert down[0] < 1.1 * there
    client = MlflowClient(server.address)
    (one,) = client.search_runs([client.get_experiment_by_name("out").experiment_id])
    steps = [m.step for m in client.get_metric_history(one.info.run_id, "train/objective")]
    assert steps == [*range(1, longer["epochs"] + 1)]


# W&B, offline.

needs_wandb = pytest.mark.skipif(
    importlib.util.find_spec("wandb") is None, reason="wandb is not installed"
)


def log_records(path):
    """The records of a .wandb file: LevelDB's log format behind a header of 7 bytes."""
    content, place, record = path.read_bytes(), 7, b""
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        length, kind = int.from_bytes(content[place + 4 : place + 6], "little"), content[place + 6]
        record += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""


def offline_rows(folder):
    """The rows of every offline file below a folder, by W&B's own messages, and run ids."""
    from wandb.proto.wandb_internal_pb2 import Record

    rows, ids = [], set()
    for path in sorted(folder.rglob("*.wandb")):
        for content in log_records(path):
            record = Record.FromString(content)
            if record.WhichOneof("record_type") == "run":
                ids.add(record.run.run_id)
            if record.WhichOneof("record_type") == "history":
                values = {
                    i.key or ".".join(i.nested_key): i.value_json for i in record.history.item
                }
                rows.append({name: json.loads(value) for name, value in values.items()})
    return rows, ids


@needs_wandb
@pytest.mark.filterwarnings("default")
def test_wandb_offline_files_hold_every_epoch(copied, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.delenv("WANDB_DIR", raising=False)
    whole = {path.name: path.read_bytes() for path in run_of(copied).path.glob("*.json")}
    run, history = at_work(copied, 1)
    with queue.tracking(["wandb"], copied, {RUN: run.path}, print):
        pass
    for name, content in whole.items():
        (run.path / name).write_bytes(content)
    assert queue.send_finished(copied, ["wandb"], print) == (1, [])
    rows, ids = offline_rows(copied)
    assert ids == {json.loads((run.path / trackers.FILE).read_text())["key"]}
    assert [(row["_step"], row["train/objective"]) for row in rows] == [
        (row["epoch"], pytest.approx(row["objective"])) for row in history
    ]


@needs_wandb
@pytest.mark.filterwarnings("default")
def test_wandb_without_an_account_is_one_sentence(tmp_path, monkeypatch):
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with pytest.raises(ConfigurationError, match="not logged in: run 'wandb login'"):
        trackers.open_trackers(["wandb"], tmp_path)
