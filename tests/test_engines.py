"""Engines: the same bits on any of them, a node that dies, mistakes that are not tried again."""

import json
import os
import shlex
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from sparsevae.cli.application import app
from sparsevae.errors import ConfigurationError, DatasetError, RunFolderError
from sparsevae.runs.folder import RunFolder
from sparsevae.studies import engines, study
from sparsevae.studies.engines import local, on_ray, on_slurm, remote
from sparsevae.training.config import StudyConfig

SMALL = {
    "dataset": "digits",
    "models": ["vsc"],
    "latents": [2],
    "seeds": [0, 1],
    "epochs": 2,
    "batch_size": 50,
    "limit": 200,
}
OF_RAY = {"RAY_AUTH_MODE": "disabled", "RAY_worker_niceness": "0"}  # 15 is usual


@pytest.fixture(scope="module")
def at_home(tmp_path_factory):
    """The same study by the local engine."""
    out = tmp_path_factory.mktemp("local") / "study"
    study.run_study(StudyConfig.checked(SMALL), out, jobs=2)
    return out


def numbers(folder):
    """Of every run its weights, and its metrics without seconds; nothing else is left there."""
    found = {}
    for path in sorted((folder / "runs").iterdir()):
        assert {file.name for file in path.glob(".*")} == {".lock"}
        metrics = {k: v for k, v in RunFolder(path).metrics.items() if k != "seconds"}
        found[path.name] = (path / "weights.safetensors").read_bytes(), metrics
    return found


def started(code, *arguments):
    """A program in a process of its own."""
    paths = [str(arguments[0]), *filter(None, sys.path)]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), **OF_RAY},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )


# ------------------------------------------------------------------ Ray

FAILING = """
from dataclasses import dataclass
from pathlib import Path
from sparsevae.errors import DatasetError
from sparsevae.studies.engines import Task

@dataclass(frozen=True)
class Failing(Task):
    path: Path

    def do(self, on_images, on_warning):
        with self.path.open("a") as file:
            file.write("x")
        raise DatasetError("no data.")
"""
WRONG = """
    import sys
    from pathlib import Path
    from failing_tasks import Failing
    from sparsevae.studies.engines import engine, remote

    known, said = remote.known(), []
    todo = [Failing("a", (), Path(sys.argv[1]) / "lives")]
    ray = engine("ray")
    for versions in (known, {**known, "sources": "others"}):
        remote.known = lambda versions=versions: versions
        try:
            list(ray(todo, 1, lambda *images: None, lambda *line: said.append(line)))
        except Exception as error:
            print(type(error).__name__, error)
"""


@pytest.mark.slow
@pytest.mark.needs_ray
def test_on_ray_a_mistake_is_not_tried_again_and_other_sources_are_refused(tmp_path):
    (tmp_path / "failing_tasks.py").write_text(FAILING)
    ended = started(WRONG, tmp_path)
    assert (tmp_path / "lives").read_text() == "x", ended.stderr
    first, second = ended.stdout.splitlines()
    assert first == "DatasetError no data."
    assert second.startswith("ConfigurationError The machine")
    assert "not others: install the same versions" in second


# ------------------------------------------------------------------ Slurm


@pytest.mark.needs_submitit
def test_jobs_end_as_at_home_and_leave_nothing_behind(at_home, tmp_path):
    engine = {"engine_name": "slurm", "address": "local"}
    study.run_study(StudyConfig.checked(SMALL), tmp_path / "study", jobs=2, **engine)
    assert numbers(tmp_path / "study") == numbers(at_home)
    assert not (tmp_path / "study" / ".slurm").exists()


class Dying(engines.Task):
    """Ends its process as often as it is told, then writes."""

    def __init__(self, name, path, deaths):
        self.__dict__.update(name=name, plugins=(), path=path, deaths=deaths)

    def do(self, on_images, on_warning):
        lives = self.path / self.name
        lived = len(lives.read_text()) if lives.exists() else 0
        lives.write_text("x" * (lived + 1))
        on_images(1)
        time.sleep(0.3)
        on_images(1)
        if lived < self.deaths:
            os.kill(os.getpid(), 9)


@pytest.fixture
def dying(tmp_path, monkeypatch):
    """The class in a module that jobs import, too."""
    source = "import os, time\nfrom sparsevae.studies import engines\n" + __import__(
        "inspect"
    ).getsource(Dying)
    (tmp_path / "dying_tasks.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    paths = [str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    return __import__("dying_tasks").Dying


def done(tasks, folder, **changes):
    images, said = {}, []
    ended = on_slurm.run(
        tasks,
        1,
        lambda name, count: images.update({name: images.get(name, 0) + count}),
        lambda name, line: said.append((name, line)),
        address="local",
        folder=folder,
    )
    return [task.name for task in ended], images, said


@pytest.mark.slow
@pytest.mark.needs_submitit
def test_a_lost_job_is_submitted_again_and_given_up_in_the_end(dying, tmp_path, monkeypatch):
    monkeypatch.setattr(on_slurm, "ATTEMPTS", 1)
    names, images, said = done([dying("a", tmp_path, 1)], tmp_path / "study")
    assert (names, images) == (["a"], {"a": 2})
    assert said == [("a", remote.LOST)]
    with pytest.raises(RunFolderError, match="worker of b was lost 2 times"):
        done([dying("b", tmp_path, 9)], tmp_path / "study")
    assert (tmp_path / "b").read_text() == "xx"


@pytest.mark.needs_submitit
def test_a_job_whose_time_is_up_hands_itself_in_again(tmp_path):
    job = on_slurm.Job(remote.Parcel.of(Dying("a", tmp_path, 0)), tmp_path / "messages")
    again = job.checkpoint()
    assert again.function is job
    assert again.function() is None
    lines = [json.loads(line)[1] for line in (tmp_path / "messages").read_text().splitlines()]
    assert sum(lines) == 2


# ------------------------------------------------------------------ any scheduler


def test_single_runs_and_then_the_study_are_the_study(at_home, tmp_path, capsys):
    file, out = tmp_path / "grid.yaml", tmp_path / "study"
    file.write_text(yaml.safe_dump(SMALL))
    app(["study", str(file), "--names"], standalone_mode=False)
    names = capsys.readouterr().out.split()
    assert sorted(names) == sorted(path.name for path in (at_home / "runs").iterdir())
    for name in names[:1]:
        app(
            ["study", str(file), "--out", str(out), "--only", name, "--jobs", "1"],
            standalone_mode=False,
        )
        assert not (out / "results.csv").exists()
        assert f"Run: {out / 'runs' / name}" in capsys.readouterr().out
    begun = []
    listener = study.Listener(begin=begun.append)
    study.run_study(StudyConfig.checked(SMALL), out, jobs=2, listener=listener)
    assert list(begun[0]) == names[1:]
    assert numbers(out) == numbers(at_home)
    with pytest.raises(ConfigurationError, match="has no run 'nobody'"):
        study.run_study(StudyConfig.checked(SMALL), out, only=["nobody"])


# ------------------------------------------------------------------ what is said


def test_an_engine_that_cannot_be_is_one_sentence(monkeypatch):
    with pytest.raises(ConfigurationError, match="no engine 'spark'; choose from local, ray"):
        engines.engine("spark")
    with pytest.raises(ConfigurationError, match="local takes no --address"):
        engines.engine("local", "auto")
    monkeypatch.setenv("PATH", "")
    if on_slurm.importlib.util.find_spec("submitit"):
        with pytest.raises(ConfigurationError, match="no sbatch on this machine"):
            engines.engine("slurm")
    if on_ray.importlib.util.find_spec("ray"):
        with pytest.raises(ConfigurationError, match="ray job submit"):
            engines.engine("ray", "ray://head:10001")
    for name, package in (("ray", "ray"), ("slurm", "submitit")):
        monkeypatch.setitem(sys.modules, package, None)
        with pytest.raises(ConfigurationError, match=rf"pip install 'sparsevae\[{name}\]'"):
            engines.engine(name)


def test_another_machine_with_other_versions_refuses_the_task(tmp_path):
    parcel = remote.Parcel.of(Dying("a", tmp_path, 0))
    assert parcel.do(lambda message: None) is None
    other = remote.Parcel("a", parcel.content, {**parcel.known, "torch": "1.0"})
    error = other.do(lambda message: None)
    assert isinstance(error, ConfigurationError)
    assert "torch" in str(error)
    assert "not 1.0: install the same versions" in str(error)


def test_what_a_lost_worker_says_late_is_not_counted():
    images, lines = [], []
    tally = remote.Tally(lambda name, n: images.append(n), lambda name, line: lines.append(line))
    for attempt, message in (("1", 5), ("1", 2), ("2", 4), ("1", 9), ("1", "late"), ("2", "on")):
        tally.take("a", attempt, message)
    assert images == [5, 2, -7, 4]
    assert lines == [remote.LOST, "on"]


def test_devices_are_settled_here_only_where_runs_stay_here():
    assert study.device_of_runs("auto", "ray") == "cpu"
    assert study.device_of_runs("cuda", "slurm") == "cuda"
    assert study.device_of_runs("cpu", "local") == "cpu"
    assert local.check(None) is None
    assert issubclass(DatasetError, remote.SparseVAEError)


# ------------------------------------------------------------------ Kubernetes

EXAMPLES = Path(__file__).parents[1] / "examples"


def test_the_manifest_is_a_rayjob_whose_machines_share_image_and_folder():
    job = yaml.safe_load((EXAMPLES / "rayjob.yaml").read_text(encoding="utf-8"))
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    cluster = job["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    pods = [group["template"]["spec"] for group in groups]
    containers = [pod["containers"][0] for pod in pods]
    assert len({container["image"] for container in containers}) == 1
    (place,) = {container["volumeMounts"][0]["mountPath"] for container in containers}
    for pod, container in zip(pods, containers, strict=True):
        assert pod["volumes"][0]["name"] == container["volumeMounts"][0]["name"]
        assert {*container["resources"]} == {"requests", "limits"}
    workers = cluster["workerGroupSpecs"][0]
    assert workers["minReplicas"] <= workers["replicas"] <= workers["maxReplicas"]
    assert workers["rayStartParams"]["num-cpus"] == containers[1]["resources"]["limits"]["cpu"]
    program, command, file, *options = job["spec"]["entrypoint"].split()
    assert (program, command) == ("sparsevae", "study")
    given = dict(zip(options[::2], options[1::2], strict=True))
    assert file.startswith(place)
    assert given.pop("--out").startswith(place)
    assert given == {"--engine": "ray", "--address": "auto"}


def test_the_image_installs_what_its_steps_need():
    lines = (EXAMPLES / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "").splitlines()
    steps = [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]
    assert next(word for word, _ in steps) == "FROM"
    users = [i for i, (word, _) in enumerate(steps) if word == "USER"]
    made = [i for i, (_, rest) in enumerate(steps) if "useradd" in rest]
    (study_step,) = [rest for _, rest in steps if rest.startswith("sparsevae study")]
    assert made[0] < users[-1] < steps.index(["RUN", study_step])
    assert any("-c constraints.txt '.[ray]'" in rest for _, rest in steps)
    options = shlex.split(study_step.split("&&")[0])[1:]
    assert CliRunner().invoke(app, [*options, "--names"]).exit_code == 0
