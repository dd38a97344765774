"""A study: a grid of runs, each done once, and what they amount to.

DIR/study.yaml        the resolved configuration; `sparsevae study DIR/study.yaml` repeats it
DIR/study.json        the same with versions and the checksum of the data
DIR/runs/NAME/        one run folder a run
DIR/baselines.json    what is reached without a model, from the data alone
DIR/results.csv       and DIR/stability.json: see sparsevae.studies.results
DIR/report.html       and DIR/figures: see sparsevae.report
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sparsevae import data
from sparsevae.evaluation.baselines import write_baselines
from sparsevae.report.study import BASELINES
from sparsevae.runs.folder import RunFolder, finished_runs, versions
from sparsevae.storage.files import locked, make_folder, read_json, write_json, write_text
from sparsevae.studies.engines import Task, engine
from sparsevae.studies.plugins import import_plugins
from sparsevae.studies.results import move_old_names, write_results
from sparsevae.studies.reuse import take_over
from sparsevae.studies.trackers.queue import Follower, tracking
from sparsevae.training.config import RunConfig, StudyConfig
from sparsevae.training.grids import planned

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Listener:
    """What a study says while it works; every field is called from the calling thread.

    Attributes:
        say: one line of text.
        begin: names and sizes of the runs that are to be done, in images to train on; measuring
            counts in the same unit, see :func:`sparsevae.runs.train.work_of`.
        images: a run's name and the images it has done since the last call; negative when it
            goes back to its checkpoint.
        finished: a run's name and its metrics.
    """

    say: Callable[[str], None] = lambda line: None
    begin: Callable[[dict[str, int]], None] = lambda runs: None
    images: Callable[[str, int], None] = lambda name, images: None
    finished: Callable[[str, dict[str, Any]], None] = lambda name, metrics: None

    def heard_by(self, follower: Follower) -> "Listener":
        """One that trackers hear too."""

        def images(name: str, count: int) -> None:
            self.images(name, count)
            follower.images(name, count)

        def finished(name: str, metrics: dict[str, Any]) -> None:
            self.finished(name, metrics)
            follower.finished(name, metrics)

        return replace(self, images=images, finished=finished)


@dataclass(frozen=True)
class FinishedStudy:
    """A study whose runs are done.

    Attributes:
        folder: where it is kept.
        runs: its run folders, in the order of the grid.
    """

    folder: Path
    runs: tuple[RunFolder, ...]

    @property
    def table(self) -> "pd.DataFrame":
        """``results.csv``: one row a run."""
        import pandas as pd

        return pd.read_csv(self.folder / "results.csv")

    @property
    def report(self) -> Path:
        """The page, where one has been written."""
        return self.folder / "report.html"


@dataclass(frozen=True)
class RunTask(Task):
    """One run to be trained and measured.

    Attributes:
        config: of the run.
        folder: its run folder.
        device: where it trains.
        size: images to train on, and measuring in the same unit.
    """

    config: RunConfig
    folder: Path
    device: str
    size: int

    @classmethod
    def of(
        cls,
        config: RunConfig,
        folder: Path,
        device: str,
        dataset: data.Dataset,
        plugins: Sequence[str] = (),
    ) -> "RunTask":
        """The task of a run on a data set.

        Raises:
            RunFolderError: the folder holds a run of another configuration or other data.
        """
        check_folder(folder, config, dataset.sha256)
        from sparsevae.runs.train import work_of

        size = work_of(config, dataset)
        return cls(folder.name, tuple(plugins), config, folder, device, size)

    def do(self, on_images: Callable[[int], None], on_warning: Callable[[str], None]) -> None:
        """Train and measure the run, from its last checkpoint where there is one."""
        from sparsevae.runs.train import train_run

        config = self.config
        dataset = data_of(config.dataset, config.split, config.limit)
        folder = RunFolder(self.folder)
        train_run(config, dataset, folder, device=self.device, progress=on_images, warn=on_warning)


@dataclass(frozen=True)
class BaselinesTask(Task):
    """What is reached without a model, measured where it is not known yet.

    Attributes:
        config: of the study.
        path: the file.
    """

    config: StudyConfig
    path: Path

    def do(self, on_images: Callable[[int], None], on_warning: Callable[[str], None]) -> None:
        """Measure what is missing in the file."""
        config = self.config
        dataset = data_of(str(config.dataset), config.split, config.limit)
        write_baselines(dataset, config.latents, self.path, on_warning)


@lru_cache(maxsize=1)
def data_of(dataset: str, split: str, limit: int | None) -> data.Dataset:
    """The images that a run trains on and is measured on.

    Args:
        dataset: a name that :func:`sparsevae.data.load` knows.
        split: "validation" holds part of the training data out and measures on that.
        limit: only the first so many images of training and of test data.
    """
    whole = data.load(dataset, limit=limit)
    return data.holdout(whole) if split == "validation" else whole


def settle_dataset(config: StudyConfig, listener: Listener) -> StudyConfig:
    """The same study with its data set named; says so loudly when it is a stand-in."""
    if config.dataset is not None:
        return config
    name, reason = data.default_name()
    if reason:
        listener.say(reason)
    return config.model_copy(update={"dataset": name})


def study(
    *,
    out: Path | str = "study",
    device: str = "auto",
    jobs: int | None = None,
    reuse: Iterable[Path | str] = (),
    plugins: Iterable[str] = (),
    track: Iterable[str] = (),
    listener: Listener = Listener(),
    **settings: Any,
) -> FinishedStudy:
    """Train every model at every size and seed, measure them, and write a report.

    Args:
        out: folder of the study; a folder with finished runs of the same study goes on.
        device: see :func:`sparsevae.training.loop.device`.
        jobs: runs at a time; as many as there is room for when None.
        reuse: folders that are searched for finished runs of the same configuration.
        plugins: files or modules with further rows of the tables.
        track: trackers that hear of every epoch, see :mod:`sparsevae.studies.trackers`.
        listener: told what happens.
        **settings: fields of :class:`sparsevae.training.config.StudyConfig`.

    Returns:
        Its runs, its table as a data frame, and the path of its report.

    Raises:
        SparseVAEError: a setting, the data, the device or a folder is not as it must be;
            nothing has been trained then.
    """
    from sparsevae.report import write_report

    config, paths = StudyConfig.checked(settings), [Path(path) for path in reuse]
    options = {"device": device, "jobs": jobs, "plugins": plugins, "listener": listener}
    done = run_study(config, Path(out), reuse=paths, track=track, **options)  # type: ignore[arg-type]
    write_report(done.folder)
    return done


def run_study(
    config: StudyConfig,
    out: Path,
    *,
    device: str = "auto",
    jobs: int | None = None,
    reuse: Iterable[Path] = (),
    plugins: Iterable[str] = (),
    engine_name: str = "local",
    track: Iterable[str] = (),
    listener: Listener = Listener(),
) -> FinishedStudy:
    """Do every run of a study that is not done yet, then write its table, but no report.

    Args:
        config: the grid.
        out: folder of the study; a folder with finished runs of the same study goes on.
        device: see :func:`sparsevae.training.loop.device`.
        jobs: runs at a time; as many as there is room for when None.
        reuse: folders that are searched for finished runs of the same configuration.
        plugins: files or modules that are imported here and in every worker.
        engine_name: where runs are done, a key of :data:`sparsevae.studies.engines.ENGINES`.
        track: trackers that hear of every epoch, see :mod:`sparsevae.studies.trackers`.
        listener: told what happens.

    Raises:
        SparseVAEError: a setting, the data, the device or a folder is not as it must be;
            nothing has been trained then.
    """
    from sparsevae.training import loop

    plugins = tuple(plugins)
    import_plugins(plugins)
    config = settle_dataset(config, listener)
    name = str(config.dataset)
    planned(config, name)  # a wrong setting is told before data are fetched
    where = str(loop.device(device))
    dataset = data_of(name, config.split, config.limit)
    grid = planned(config, name, len(dataset.train))
    places = {out / "runs" / run: settings for run, settings in grid.items()}
    tasks = [RunTask.of(run, path, where, dataset, plugins) for path, run in places.items()]
    make_folder(out)
    with locked(out):
        _write_study(config, dataset, out)
        move_old_names(out)
        folders = {task.folder: task.config for task in tasks if not _is_finished(task)}
        take_over(folders, dataset.sha256, reuse, listener.say)
        beside = BaselinesTask("baselines", plugins, config, out / BASELINES)
        names = {task.name: task.folder for task in tasks}
        with tracking(track, out, names, listener.say) as follower:
            do_tasks([beside, *tasks], jobs, listener.heard_by(follower), engine_name)
        runs = tuple(RunFolder(task.folder) for task in tasks)
        write_results(out, finished_runs(out))
    return FinishedStudy(out, runs)


def do_tasks(
    tasks: Sequence[Task], jobs: int | None, listener: Listener, engine_name: str = "local"
) -> None:
    """Do the runs that are not done yet, several at a time, and whatever else there is.

    Args:
        tasks: perhaps of several studies; without a run to be done the others are done here.
        jobs: runs at a time; as many as there is room for when None.
        listener: told what happens; of runs with the same name it hears as of one.
        engine_name: see :func:`run_study`.

    Raises:
        SparseVAEError: what a run raised.
    """
    pending = [task for task in tasks if not _is_finished(task)]
    sizes: Counter[str] = Counter()
    for task in pending:
        if isinstance(task, RunTask):
            sizes[task.name] += task.size
    listener.begin(dict(sizes))

    def warn(name: str, line: str) -> None:
        listener.say(f"{name}: {line}" if name in sizes else line)

    if not sizes:
        for task in pending:
            task.do(lambda images: None, listener.say)
        return
    for task in engine(engine_name)(pending, jobs, listener.images, warn):
        if isinstance(task, RunTask) and _is_finished(task):  # a trial may have been stopped
            _say_finished(RunFolder(task.folder), task.name, listener)


def _is_finished(task: Task) -> bool:
    return isinstance(task, RunTask) and RunFolder(task.folder).finished


def _say_finished(run: RunFolder, name: str, listener: Listener) -> None:
    """Say that a run is finished, and what is alarming about it."""
    listener.finished(name, run.metrics)
    for finding in run.diagnosis["findings"]:
        if finding["severity"] == "alarm":
            listener.say(f"{name}: {finding['sentence']}")


def check_folder(folder: Path, config: RunConfig, data_sha256: str) -> None:
    """Check that a folder is empty, or of this configuration and data; equal ones are quick.

    Raises:
        RunFolderError: it holds a run of another configuration or other data.
    """
    path = folder / "config.json"
    if not path.exists():
        return
    kept = read_json(path)
    same = kept.get("config") == config.model_dump(mode="json")
    if not (same and kept.get("data_sha256") == data_sha256):
        RunFolder(folder).check(config, data_sha256)


def _write_study(config: StudyConfig, dataset: data.Dataset, out: Path) -> None:
    settings = config.model_dump(mode="json", exclude_defaults=False)
    content = {"config": settings, "data_sha256": dataset.sha256, "versions": versions()}
    write_json(out / "study.json", content)
    write_text(out / "study.yaml", yaml.safe_dump(settings, sort_keys=False))
