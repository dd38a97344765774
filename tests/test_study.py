"""A study: done once, taken up again, taken over, and reported from run folders alone."""

import csv
import importlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sparsevae import data as datasets
from sparsevae.errors import (
    ConfigurationError,
    DatasetError,
    DeviceError,
    OutputError,
    RunFolderError,
)
from sparsevae.evaluation.meter import Extent, images_worth
from sparsevae.metrics.table import METRICS
from sparsevae.runs.folder import RunFolder, finished_runs
from sparsevae.studies import study
from sparsevae.studies import tasks as tasks_of_studies
from sparsevae.studies.engines import local, worker
from sparsevae.studies.reuse import folders_of, run_key, search, take_over, write_archive
from sparsevae.training.config import StudyConfig, read_yaml
from sparsevae.training.recipes import runs as runs_of

SMALL = {
    "dataset": "digits",
    "models": ["ae", "vsc"],
    "latents": [2],
    "epochs": 4,
    "batch_size": 50,
    "limit": 200,
}
MEASURING = images_worth(Extent.of(200, 200, (1, 8, 8), 2, 10))
WORK = 4 * 200 + MEASURING  # images of a run: trained on, and measured
# A shell starts what runs in its background with interrupts ignored, and children inherit that.
LISTENING = (
    "import signal; from sparsevae.cli import main; "
    "signal.signal(signal.SIGINT, signal.default_int_handler); main()"
)
LISTENING_FIRST = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
COMMAND = [sys.executable, "-c", LISTENING, "study", "--dataset", "digits", "--limit", "200"]
OPTIONS = ["--models", "ae,vsc", "--latents", "2", "--epochs", "4", "--batch-size", "50"]


def command(out, *further):
    return [*COMMAND, *OPTIONS, "--jobs", "1", "--out", str(out), *further]


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a small finished study, what it said, and its report."""
    out, said = tmp_path_factory.mktemp("study"), []
    seen = {}
    listener = study.Listener(
        say=said.append,
        images=lambda name, images: seen.update({name: seen.get(name, 0) + images}),
    )
    done = study.study(**SMALL, out=out, jobs=2, listener=listener)
    return out, done, seen


def weights(out):
    return {path.parent.name: path.read_bytes() for path in out.glob("runs/*/weights.safetensors")}


def test_a_study_writes_all_that_it_promises(finished):
    out, done, seen = finished
    assert done.report == out / "report.html"
    assert done.report.stat().st_size > 10_000
    for run in ("digits-ae-2-seed0", "digits-vsc-2-seed0"):
        kept = {path.name for path in (out / "runs" / run).iterdir()} - {".lock"}
        assert kept == {
            "config.json",
            "checkpoint.safetensors",
            "weights.safetensors",
            "history.json",
            "denoiser.safetensors",
            "diagnostics.json",
            "pictures.safetensors",
            "metrics.json",
        }
        assert seen[run] == WORK
    assert len(list((out / "figures").glob("*.png"))) >= 6


def test_the_table_has_a_row_a_run_and_the_promised_columns(finished):
    with (finished[0] / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == ["ae", "vsc"]
    assert list(rows[0]) == [row.key for row in METRICS if row.key in rows[0]]
    ae, vsc = rows
    assert ae["negative_elbo"] == "" == ae["active_units"]
    assert float(vsc["negative_elbo"]) == pytest.approx(
        float(vsc["reconstruction"]) + float(vsc["kl"]), rel=1e-6
    )
    assert 0.0 < float(vsc["alpha"]) < 1.0
    assert vsc["split"] == "test"
    assert vsc["prior"] == "mixture"


def test_the_resolved_configuration_repeats_the_study(finished):
    out = finished[0]
    stored = json.loads((out / "study.json").read_text())
    assert StudyConfig.checked(read_yaml(out / "study.yaml")) == StudyConfig.checked(SMALL)
    assert stored["data_sha256"] == datasets.load("digits", limit=200).sha256
    assert {"torch", "sparsevae", "python"} <= set(stored["versions"])


def test_finished_runs_are_not_trained_again(finished):
    before = weights(finished[0])
    pending = []
    study.run_study(
        StudyConfig.checked(SMALL),
        finished[0],
        listener=study.Listener(begin=lambda runs: pending.append(runs)),
    )
    assert pending == [{}]
    assert weights(finished[0]) == before


PROBE = """
import json, os, time
from dataclasses import dataclass
from pathlib import Path
from sparsevae.studies.engines import Task
from sparsevae.studies.tasks import RunTask

@dataclass(frozen=True)
class Threads(Task):
    path: Path

    def do(self, on_images, on_warning):
        import sklearn.linear_model  # loads its libraries
        from threadpoolctl import threadpool_info
        self.path.write_text(json.dumps([pool["num_threads"] for pool in threadpool_info()]))

@dataclass(frozen=True)
class Dying(Task):
    path: Path
    deaths: int

    def do(self, on_images, on_warning):
        lives = self.path / self.name
        lived = len(lives.read_text()) if lives.exists() else 0
        lives.write_text("x" * (lived + 1))
        on_images(1)
        time.sleep(0.3)
        on_images(1)
        if lived < self.deaths:
            os.kill(os.getpid(), 9)
        on_warning("alive")

@dataclass(frozen=True)
class Failing(Task):
    def do(self, on_images, on_warning):
        from sparsevae.errors import DatasetError
        raise DatasetError("no data.")

@dataclass(frozen=True)
class KilledRun(RunTask):
    def do(self, on_images, on_warning):
        mark = self.folder.parent / "killed"

        def fatal(images):
            on_images(images)
            if (self.folder / "checkpoint.safetensors").exists() and not mark.exists():
                mark.touch()
                os.kill(os.getpid(), 9)

        super().do(fatal, on_warning)

@dataclass(frozen=True)
class Sleeping(Task):
    path: Path

    def do(self, on_images, on_warning):
        self.path.write_text(str(os.getpid()))
        time.sleep(600)
"""


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    """A module of tasks that workers import by its name."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "tasks_of_a_test.py").write_text(PROBE)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("tasks_of_a_test")


def do(tasks, jobs=2):
    """Names of the tasks that end, and what was said meanwhile."""
    said, images = [], {}
    done = local.run(
        tasks,
        jobs,
        lambda name, count: images.update({name: images.get(name, 0) + count}),
        lambda name, line: said.append((name, line)),
    )
    return [task.name for task in done], said, images


def test_workers_compute_with_one_thread_whatever_library_does_it(tasks, tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    counted = tmp_path / "threads.json"
    assert do([tasks.Threads("count", (), counted)])[0] == ["count"]
    threads = json.loads(counted.read_text())
    assert threads
    assert set(threads) == {1}
    assert os.environ["OMP_NUM_THREADS"] == "3"
    assert "OPENBLAS_NUM_THREADS" not in os.environ


def test_a_killed_worker_is_replaced_and_no_other_process_is_touched(tasks, tmp_path):
    ours = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(600,))
    ours.start()
    try:
        todo = [tasks.Dying(name, (), tmp_path, deaths) for name, deaths in (("a", 2), ("b", 0))]
        done, said, images = do(todo)
        assert sorted(done) == ["a", "b"]
        assert images == {"a": 2, "b": 2}
        lines = [line for name, line in said if name == "a" and line != "alive"]
        assert len(lines) == 2
        assert all("ended by SIGKILL" in line and "2 workers" in line for line in lines)
        assert ours.is_alive()
    finally:
        ours.kill()


def test_a_run_whose_worker_is_killed_ends_with_the_same_weights(tasks, finished, tmp_path):
    dataset = tasks_of_studies.data_of("digits", "test", 200)
    _, config = runs_of(StudyConfig.checked(SMALL), "digits", len(dataset.train))
    task = tasks.KilledRun.of(config, tmp_path / config.name, "cpu", dataset)
    said, images = [], []
    listener = study.Listener(say=said.append, images=lambda name, count: images.append(count))
    study.do_tasks([task], 1, listener)
    assert (tmp_path / "killed").exists()
    assert sum("ended by SIGKILL" in line for line in said) == 1
    assert sum(images) == task.size
    ours, theirs = RunFolder(task.folder), RunFolder(finished[0] / "runs" / config.name)
    name = "weights.safetensors"
    assert (ours.path / name).read_bytes() == (theirs.path / name).read_bytes()
    timed = ("seconds",)
    assert {k: v for k, v in ours.metrics.items() if k not in timed} == {
        k: v for k, v in theirs.metrics.items() if k not in timed
    }


def test_what_is_killed_again_and_again_is_tried_alone_and_then_given_up(
    tasks, tmp_path, monkeypatch
):
    monkeypatch.setattr(local, "ATTEMPTS", 1)
    todo = [tasks.Dying("a", (), tmp_path, 99), tasks.Dying("b", (), tmp_path, 0)]
    with pytest.raises(RunFolderError, match="process of a was ended by SIGKILL again and again"):
        do(todo)
    assert len((tmp_path / "a").read_text()) == 4
    assert len((tmp_path / "b").read_text()) == 1


def test_a_task_that_fails_ends_no_other(tasks, tmp_path):
    said = []
    todo = [tasks.Failing("a", ()), tasks.Dying("b", (), tmp_path, 0)]
    ended = local.run(todo, 1, lambda *images: None, lambda *line: said.append(line))
    assert next(ended).name == "b"
    with pytest.raises(DatasetError, match="no data"):
        next(ended)
    assert said == [("a", "It failed: no data."), ("b", "alive")]


def alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def wait_until(happens, seconds=60):
    deadline = time.monotonic() + seconds
    while not happens() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert happens()


def test_workers_are_gone_when_the_consumer_stops_or_dies(tasks, tmp_path):
    code = (
        "import sys; from pathlib import Path; import tasks_of_a_test as tasks\n"
        "from sparsevae.studies.engines import local\n"
        "todo = [tasks.Sleeping('a', (), Path(sys.argv[1]))]\n"
        "list(local.run(todo, 1, print, print))"
    )
    folder = str(Path(tasks.__file__).parent)
    paths = os.pathsep.join([folder, *filter(None, [os.environ.get("PYTHONPATH")])])
    for sign in (signal.SIGKILL, signal.SIGINT):
        written = tmp_path / sign.name
        parent = subprocess.Popen(
            [sys.executable, "-c", LISTENING_FIRST + code, str(written)],
            env={**os.environ, "PYTHONPATH": paths},
            stderr=subprocess.DEVNULL,
        )
        wait_until(lambda written=written: written.exists() and written.read_text())
        worker_process = int(written.read_text())
        parent.send_signal(sign)
        parent.wait(60)
        wait_until(lambda process=worker_process: not alive(process), 20)


def test_the_number_of_workers_follows_the_memory_that_a_container_has(tmp_path):
    group = tmp_path / "sys/fs/cgroup"
    group.mkdir(parents=True)
    assert local.free_memory(tmp_path) == float("inf")
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/meminfo").write_text("MemTotal: 9 kB\nMemAvailable:    4000 kB\n")
    assert local.free_memory(tmp_path) == 4000 * 1024
    (group / "memory.max").write_text("max\n")
    assert local.free_memory(tmp_path) == 4000 * 1024
    (group / "memory.max").write_text("3000000\n")
    (group / "memory.current").write_text("1000000\n")
    assert local.free_memory(tmp_path) == 2_000_000
    assert 1 <= local.cores() <= os.cpu_count()


def test_messages_are_read_once_and_only_when_they_are_whole(tmp_path):
    messages = worker.Messages(tmp_path / "messages")
    assert list(messages) == []
    messages.path.write_text('3\n"a line"\n"half')
    assert list(messages) == [3, "a line"]
    assert list(messages) == []
    with messages.path.open("a") as file:
        file.write(' a line"\n')
    assert list(messages) == ["half a line"]


@pytest.mark.usefixtures("no_workers_in_this_test")
def test_what_any_model_must_beat_is_measured_beside_the_runs_or_made_up_for(finished, tmp_path):
    beside = json.loads((finished[0] / "baselines.json").read_text())
    again, said = tmp_path / "again", []
    shutil.copytree(finished[0], again)
    listener = study.Listener(say=said.append)
    study.run_study(StudyConfig.checked(SMALL), again, listener=listener)
    assert not said
    (again / "baselines.json").unlink()
    study.run_study(StudyConfig.checked(SMALL), again, listener=listener)
    assert [line.split(":")[0] for line in said] == ["Measuring what any model must beat"]
    made_up_for = json.loads((again / "baselines.json").read_text())
    assert made_up_for.keys() == beside.keys()
    assert made_up_for["collapse_floor"] == pytest.approx(beside["collapse_floor"])
    assert made_up_for["probes"].keys() == beside["probes"].keys()


def test_another_configuration_in_the_same_folder_is_refused(finished):
    other = StudyConfig.checked({**SMALL, "epochs": 5})
    with pytest.raises(RunFolderError, match="epochs 4, not 5"):
        study.run_study(other, finished[0])


def contents(out):
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


@pytest.mark.parametrize("begun", ["finished", "begun"])
def test_a_study_of_other_data_in_the_same_folder_changes_nothing(finished, tmp_path, begun):
    out = shutil.copytree(finished[0], tmp_path / "study")
    if begun == "begun":
        for metrics in out.glob("runs/*/metrics.json"):
            metrics.unlink()
    before = contents(out)
    for changes, names in (
        ({"dataset": "mnist-5k", "limit": 30}, "digits, mnist-5k"),
        ({"limit": 100}, "digits, digits"),
    ):
        with pytest.raises(RunFolderError, match=f"2 different data sets .{names}.: keep each"):
            study.run_study(StudyConfig.checked({**SMALL, **changes}), out)
    assert contents(out) == before


def test_a_study_that_grows_in_its_folder_keeps_the_grid_of_all_its_runs(finished, tmp_path):
    def begin(runs):
        raise InterruptedError  # what is kept is written by now

    out = shutil.copytree(finished[0], tmp_path / "study")
    further = {**SMALL, "models": ["vsc", "vae"], "latents": [3], "seeds": [2, 1]}
    with pytest.raises(InterruptedError):
        study.run_study(StudyConfig.checked(further), out, listener=study.Listener(begin=begin))
    kept = StudyConfig.checked(read_yaml(out / "study.yaml"))
    assert kept == StudyConfig.checked(
        {**SMALL, "models": ["ae", "vsc", "vae"], "latents": [2, 3], "seeds": [0, 2, 1]}
    )
    assert json.loads((out / "study.json").read_text())["config"] == kept.model_dump(mode="json")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seeds": [1], "epochs": 5}, r"seed0 holds a run with epochs 4, not 5: choose another"),
        ({"seeds": [1], "batch_size": 40}, "batch_size 50, not 40"),
        ({"vary": {"epochs": [5]}}, "a study that varies nothing, not epochs: choose another"),
    ],
)
def test_runs_of_other_settings_beside_those_of_a_study_are_refused(finished, changes, words):
    before = contents(finished[0])
    with pytest.raises(RunFolderError, match=words):
        study.run_study(StudyConfig.checked({**SMALL, **changes}), finished[0])
    assert contents(finished[0]) == before


@pytest.mark.parametrize("content", ["{}", '{"config": 3}', '{"config": {"depth": 3}}'])
def test_a_study_that_cannot_be_read_is_named(content, tmp_path):
    (tmp_path / "study.json").write_text(content)
    with pytest.raises(RunFolderError, match=r"study\.json cannot be read; remove it"):
        study.run_study(StudyConfig.checked(SMALL), tmp_path)


@pytest.mark.usefixtures("no_workers_in_this_test")
def test_finished_runs_are_taken_over_without_their_weights(finished, tmp_path):
    kept = tmp_path / "results" / "some-study"
    shutil.copytree(finished[0], kept)
    for heavy in kept.rglob("*.safetensors"):
        heavy.unlink()
    said, pending, out = [], [], tmp_path / "new"
    study.run_study(
        StudyConfig.checked(SMALL),
        out,
        reuse=[tmp_path / "results"],
        listener=study.Listener(say=said.append, begin=pending.append),
    )
    assert pending == [{}]
    assert sum("is taken from" in line for line in said) == 2
    with (out / "results.csv").open() as new, (finished[0] / "results.csv").open() as old:
        assert new.read() == old.read()


@pytest.mark.usefixtures("no_workers_in_this_test")
def test_finished_runs_are_taken_over_from_one_small_file(finished, tmp_path):
    kept, out, pending = tmp_path / "results" / "some-study", tmp_path / "new", []
    shutil.copytree(finished[0], kept)
    archive = write_archive(kept)
    assert archive.stat().st_size < 20_000
    shutil.rmtree(kept / "runs")
    listener = study.Listener(begin=pending.append)
    study.run_study(
        StudyConfig.checked(SMALL), out, reuse=[tmp_path / "results"], listener=listener
    )
    assert pending == [{}]
    for name in ("digits-ae-2-seed0", "digits-vsc-2-seed0"):
        new, old = (RunFolder(folder / "runs" / name) for folder in (out, finished[0]))
        assert not new.has_weights
        assert not new.pictures
        for part in ("config", "data_sha256", "metrics", "history", "diagnosis"):
            assert getattr(new, part) == getattr(old, part)
    archive.write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(RunFolderError, match="is damaged"):
        list(search(kept))


@pytest.mark.parametrize("name", ["mistyped", "file"])
def test_what_is_no_folder_to_take_runs_over_from_is_refused(name, tmp_path):
    (tmp_path / "file").touch()
    for reuse in (str(tmp_path / name), [tmp_path, tmp_path / name]):
        with pytest.raises(RunFolderError, match=f"/{name} is no folder; name one with finished"):
            study.study(**SMALL, out=tmp_path / "new", reuse=reuse)
    assert not (tmp_path / "new").exists()


def test_one_folder_to_take_runs_over_from_needs_no_list(tmp_path):
    for reuse in (tmp_path, str(tmp_path), [str(tmp_path)]):
        assert folders_of(reuse) == [tmp_path]


def test_a_folder_without_a_run_that_fits_says_so_once(tmp_path):
    (config,) = runs_of(StudyConfig.checked({**SMALL, "models": ["ae"]}), "digits", 200)
    said = []
    take_over({tmp_path / "run": config}, "0" * 64, [tmp_path], said.append)
    (line,) = said
    assert line.startswith(f"{tmp_path} holds no finished run")
    take_over({}, "0" * 64, [tmp_path], said.append)
    assert len(said) == 1, "nothing is to be done"


def test_a_run_that_is_named_twice_is_done_once(finished):
    name = "digits-ae-2-seed0"
    done = study.run_study(StudyConfig.checked(SMALL), finished[0], only=[name, name])
    assert [run.path.name for run in done.runs] == [name]


STUDIES = sorted(Path(__file__).parents[1].glob("results/*/study.yaml"))


@pytest.mark.parametrize("path", STUDIES, ids=[path.parent.name for path in STUDIES])
def test_the_repository_keeps_every_run_of_its_studies(path):
    config = StudyConfig.checked(read_yaml(path))
    kept = {run.key(): run for run in search(path.parent)}
    (data,) = {run.data_sha256 for run in kept.values()}
    grid = runs_of(config, config.dataset, datasets.catalogue()[0].train)
    assert {run_key(run, data) for run in grid} == set(kept)
    with (path.parent / "results.csv").open() as file:
        rows = [row["loss"] for row in csv.DictReader(file)]
    assert sorted(rows) == sorted(str(run.files["metrics.json"]["loss"]) for run in kept.values())


def test_thousands_of_runs_are_looked_through_within_seconds(tmp_path):
    config = StudyConfig(models=("vae",), latents=(2,), seeds=tuple(range(3000)), epochs=1)
    grid = runs_of(config, "digits", 1000)
    for run in grid:
        folder = tmp_path / "study" / "runs" / run.name
        folder.mkdir(parents=True)
        content = {"config": run.model_dump(mode="json"), "data_sha256": "0" * 64}
        (folder / "config.json").write_text(json.dumps(content))
        (folder / "metrics.json").write_text("{}")
    few = datasets.load("digits", limit=20)
    began = time.process_time()
    dataset = replace(few, sha256="0" * 64)
    tasks = [
        tasks_of_studies.RunTask.of(run, tmp_path / "study" / "runs" / run.name, "cpu", dataset)
        for run in grid
    ]
    pending = []
    study.do_tasks(tasks, 1, study.Listener(begin=pending.append))
    wanted = {tmp_path / run.name: run for run in grid}
    take_over(wanted, "0" * 64, [tmp_path / "study"], lambda line: None)
    assert pending == [{}]
    assert len(list(tmp_path.glob("*/metrics.json"))) == 3000
    assert time.process_time() - began < 9


def test_runs_of_other_settings_are_not_taken_over(finished, tmp_path):
    pending = []

    def begin(work):
        pending.append(work)
        raise InterruptedError  # what is to be done is known: nothing needs to be trained

    config = StudyConfig.checked({**SMALL, "models": ["ae"], "epochs": 1})
    with pytest.raises(InterruptedError):
        study.run_study(
            config, tmp_path / "new", reuse=[finished[0]], listener=study.Listener(begin=begin)
        )
    assert pending == [{"digits-ae-2-seed0": 200 + MEASURING}]


def test_a_study_killed_at_any_moment_ends_where_an_uninterrupted_one_ends(finished, tmp_path):
    out = tmp_path / "killed"
    process = subprocess.Popen(
        command(out), start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    checkpoint = out / "runs" / "digits-vsc-2-seed0" / "checkpoint.safetensors"
    deadline = time.monotonic() + 400
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not RunFolder(checkpoint.parent).finished
    study.run_study(StudyConfig.checked(SMALL), out, jobs=1)
    assert weights(out) == weights(finished[0])


@pytest.mark.parametrize(
    ("send", "sign", "status"),
    [(os.killpg, signal.SIGINT, 130), (os.kill, signal.SIGTERM, 143)],
    ids=["interrupted in a terminal", "terminated by a scheduler"],
)
def test_an_interrupt_keeps_what_is_done_and_says_how_to_go_on(tmp_path, send, sign, status):
    out = tmp_path / "interrupted"
    process = subprocess.Popen(
        command(out, "--epochs", "400"),
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
    )
    checkpoint = out / "runs" / "digits-ae-2-seed0" / "checkpoint.safetensors"
    deadline = time.monotonic() + 400
    while not checkpoint.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    send(process.pid, sign)
    try:
        _, said = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # says on standard error where every thread stands
        pytest.fail(process.communicate()[1])
    assert process.returncode == status
    assert said.count("start the same command again") == 1
    assert "Traceback" not in said
    assert "Warning" not in said
    assert checkpoint.exists()


def test_a_missing_data_set_is_replaced_loudly_and_a_named_one_never(monkeypatch, tmp_path):
    monkeypatch.setattr(datasets, "default_name", lambda: ("mnist-5k", "MNIST is not here."))
    said = []
    settled = study.settle_dataset(StudyConfig(models=("ae",)), study.Listener(say=said.append))
    assert settled.dataset == "mnist-5k"
    assert said == ["MNIST is not here."]
    named = StudyConfig(models=("ae",), dataset="mnist")
    assert study.settle_dataset(named, study.Listener(say=said.append)) is named


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"models": ["ae", "nothing"]}, ConfigurationError),
        ({"recipe": "nothing"}, ConfigurationError),
        ({"arguments": {"vsc": {"nothing": 1}}}, ConfigurationError),
        ({"arguments": {"vae": {"beta": 4}}}, ConfigurationError),
        ({"seeds": [0, 0]}, ConfigurationError),
    ],
)
def test_what_cannot_run_leaves_nothing_behind(changes, error, tmp_path):
    out = tmp_path / "new"
    with pytest.raises(error):
        study.run_study(StudyConfig.checked({**SMALL, **changes}), out)
    assert not out.exists()


def test_a_device_that_is_not_there_leaves_nothing_behind(tmp_path):
    with pytest.raises(DeviceError, match="--device"):
        study.run_study(StudyConfig.checked(SMALL), tmp_path / "new", device="cuda:77")
    assert not (tmp_path / "new").exists()


def test_an_output_folder_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OutputError, match="it is a file"):
        study.run_study(StudyConfig.checked(SMALL), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


def test_validation_runs_never_see_the_test_set():
    whole, held = (
        tasks_of_studies.data_of("mnist-5k", split, 600) for split in ("test", "validation")
    )
    assert len(held.train) + len(held.test) == len(whole.train)
    seen = {image.tobytes() for image in whole.test.images}
    assert not any(image.tobytes() in seen for image in held.test.images)


def test_a_report_of_nothing_is_refused(tmp_path):
    with pytest.raises(RunFolderError, match="no finished runs"):
        finished_runs(tmp_path)


def test_yaml_that_is_not_a_configuration_is_refused(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("epochs: [1, 2\n")
    with pytest.raises(ConfigurationError, match=r"line \d"):
        read_yaml(path)
    path.write_text("- 1\n")
    with pytest.raises(ConfigurationError, match="fields and values"):
        read_yaml(path)
    path.write_text(yaml.safe_dump({"epoch": 3}))
    with pytest.raises(ConfigurationError, match="no setting 'epoch'"):
        StudyConfig.checked(read_yaml(path))
