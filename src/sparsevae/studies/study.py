"""A study: a grid of runs, each done once, and one report of them all.

DIR/study.yaml        the resolved configuration; `sparsevae study DIR/study.yaml` repeats it
DIR/study.json        the same with versions and the checksum of the data
DIR/runs/NAME/        one run folder a run
DIR/references.json   what any model must beat, from the data alone
DIR/report.html       and tables, verdicts, figures: see sparsevae.studies.results
"""

import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from sparsevae import data
from sparsevae.evaluation.baselines import write_references
from sparsevae.runs.folder import RunFolder, versions
from sparsevae.storage.files import make_folder, write_json, write_text
from sparsevae.studies.engines import Beside, Task, cores, data_of, run_locally
from sparsevae.studies.results import write_report
from sparsevae.training.config import RunConfig, StudyConfig
from sparsevae.training.recipes import runs as runs_of

KEPT = (
    "config.json",
    "history.json",
    "findings.json",
    "pictures.safetensors",
    "weights.safetensors",
)


@dataclass(frozen=True)
class Listener:
    """What a study tells while it works; every field is called from the calling thread.

    Attributes:
        say: one line of text.
        begin: names and sizes (images to train on) of the runs that are to be done.
        progress: a run's name and the images it has done since the last call.
        finished: a run's name and its metrics.
    """

    say: Callable[[str], None] = lambda line: None
    begin: Callable[[dict[str, int]], None] = lambda runs: None
    progress: Callable[[str, int], None] = lambda name, images: None
    finished: Callable[[str, dict[str, Any]], None] = lambda name, metrics: None


def settle_dataset(config: StudyConfig, listener: Listener) -> StudyConfig:
    """The same study with its data set named; says so loudly when it is a stand-in."""
    if config.dataset is not None:
        return config
    name, reason = data.default_name()
    if reason:
        listener.say(reason)
    return config.model_copy(update={"dataset": name})


def run_study(
    config: StudyConfig,
    out: Path,
    *,
    device: str = "auto",
    jobs: int | None = None,
    reuse: Iterable[Path] = (),
    listener: Listener = Listener(),
    plugins: tuple[str, ...] = (),
) -> Path:
    """Do every run of a study that is not done yet, then write its table and report.

    Args:
        config: the grid.
        out: folder of the study; a folder with finished runs of the same study goes on.
        device: see :func:`sparsevae.training.loop.device`.
        jobs: runs at a time; as many as there are cores when None.
        reuse: folders that are searched for finished runs of the same configuration.
        listener: told what happens.
        plugins: modules that every worker imports first; the caller has done so.

    Returns:
        The path of the report.

    Raises:
        SparseVAEError: a setting, the data, the device or a folder is not as it must be;
            nothing has been trained then.
    """
    from sparsevae.training import loop

    config = settle_dataset(config, listener)
    runs_of(config, str(config.dataset))  # a wrong setting is told before data are fetched
    where = str(loop.device(device))
    dataset = data_of(str(config.dataset), config.split, config.limit)
    runs = runs_of(config, str(config.dataset), len(dataset.train))
    folders = {run.name: RunFolder(out / "runs" / run.name) for run in runs}
    for run in runs:
        if (folders[run.name].path / "config.json").exists():
            folders[run.name].check(run, dataset.sha256)
    make_folder(out)
    _write_study(config, dataset, out)
    _take_over(runs, folders, dataset.sha256, reuse, listener)
    tasks = [Task(run, folders[run.name].path, where, plugins) for run in runs]
    beside = partial(_refer, config, out / "references.json")
    do_runs(tasks, {str(config.dataset): len(dataset.train)}, jobs, listener, beside)
    return write_report(out)


def _refer(config: StudyConfig, path: Path, say: Callable[[str], None]) -> None:
    dataset = data_of(str(config.dataset), config.split, config.limit)
    write_references(dataset, config.latents, path, say)


def do_runs(
    tasks: Iterable[Task],
    images: Mapping[str, int],
    jobs: int | None,
    listener: Listener,
    beside: Beside | None = None,
) -> None:
    """Do the runs that are not done yet, several at a time.

    Args:
        tasks: runs with their folders, perhaps of several studies.
        images: number of training images of each data set.
        jobs: runs at a time; as many as there are cores when None.
        listener: told what happens; of runs with the same name it hears as of one.
        beside: further work that needs no run, see :func:`sparsevae.studies.engines.run_locally`.

    Raises:
        SparseVAEError: what a run raised.
    """
    pending = [task for task in tasks if not RunFolder(task.folder).finished]
    sizes: Counter[str] = Counter()
    for config in (task.config for task in pending):
        sizes[config.name] += config.epochs * images[config.dataset]
    listener.begin(dict(sizes))
    told = (listener.progress, lambda name, line: listener.say(f"{name}: {line}"))
    if not pending and beside:
        beside(listener.say)
    for task in run_locally(pending, jobs or cores(), *told, beside) if pending else ():
        _tell(RunFolder(task.folder), task.config.name, listener)


def _tell(run: RunFolder, name: str, listener: Listener) -> None:
    """Say that a run is finished, and what is alarming about it."""
    listener.finished(name, run.metrics)
    for finding in run.diagnosis["findings"]:
        if finding["severity"] == "alarm":
            listener.say(f"{name}: {finding['sentence']}")


def _write_study(config: StudyConfig, dataset: data.Dataset, out: Path) -> None:
    settings = config.model_dump(mode="json", exclude_defaults=False)
    content = {"config": settings, "data_sha256": dataset.sha256, "versions": versions()}
    write_json(out / "study.json", content)
    write_text(out / "study.yaml", yaml.safe_dump(settings, sort_keys=False))


def _take_over(
    runs: list[RunConfig],
    folders: dict[str, RunFolder],
    data_sha256: str,
    reuse: Iterable[Path],
    listener: Listener,
) -> None:
    """Copy finished runs of the same configuration and data from other folders."""
    kept = [RunFolder(path.parent) for top in reuse for path in sorted(top.rglob("metrics.json"))]
    for run in runs:
        target = folders[run.name]
        if target.finished:
            continue
        for other in kept:
            if other.path != target.path and other.matches(run, data_sha256):
                make_folder(target.path)
                for name in (*KEPT, "metrics.json"):  # metrics last: they mark a finished run
                    if (other.path / name).is_file():
                        shutil.copy2(other.path / name, target.path / name)
                listener.say(f"{run.name} is taken from {other.path}.")
                break
