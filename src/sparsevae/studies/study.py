"""A study: a grid of runs, each done once, and what they amount to.

DIR/study.yaml        the resolved configuration; `sparsevae study DIR/study.yaml` repeats it
DIR/study.json        the same with versions and the checksum of the data
DIR/runs/NAME/        one run folder a run
DIR/baselines.json    what is reached without a model, from the data alone
DIR/results.csv       and DIR/stability.json: see sparsevae.studies.results
DIR/report.html       and DIR/figures: see sparsevae.report

A study grows in its folder by further models, sizes, seeds, or values of what it varies: its
configuration is then the smallest grid that holds all of its runs. Other data, and runs with
other settings, belong into a folder of their own.
"""

import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sparsevae import data
from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.report.study import BASELINES, check_one_data_set
from sparsevae.runs.folder import RunFolder, finished_runs, versions
from sparsevae.storage.files import locked, make_folder, read_json, write_json, write_text
from sparsevae.studies.engines import Engine, Task, engine
from sparsevae.studies.plugins import import_plugins
from sparsevae.studies.results import write_results
from sparsevae.studies.reuse import Reused, folders_of, take_over
from sparsevae.studies.tasks import BaselinesTask, RunTask, check_folder, data_of
from sparsevae.studies.trackers.queue import Follower, tracking
from sparsevae.training.config import StudyConfig
from sparsevae.training.grids import grown, planned

if TYPE_CHECKING:
    import pandas as pd

STUDY = "study.json"


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
    reuse: Reused = (),
    plugins: Iterable[str] = (),
    engine: str = "local",
    address: str | None = None,
    track: Iterable[str] = (),
    listener: Listener = Listener(),
    **settings: Any,
) -> FinishedStudy:
    """Train every model at every size and seed, measure them, and write a report.

    Args:
        out: folder of the study; a folder with finished runs of the same study goes on.
        device: see :func:`sparsevae.training.loop.device`.
        jobs: runs at a time; as many as there is room for when None.
        reuse: a folder that is searched for finished runs of the same configuration, or several.
        plugins: files or modules with further rows of the tables.
        engine: where runs are done, a key of :data:`sparsevae.studies.engines.ENGINES`.
        address: of a cluster, in the engine's own form; None for the engine's usual one.
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

    config = StudyConfig.checked(settings)
    options = {"device": device, "jobs": jobs, "plugins": plugins, "listener": listener}
    options |= {"engine_name": engine, "address": address, "track": track}
    done = run_study(config, Path(out), reuse=reuse, **options)  # type: ignore[arg-type]
    write_report(done.folder)
    return done


def run_study(
    config: StudyConfig,
    out: Path,
    *,
    device: str = "auto",
    jobs: int | None = None,
    reuse: Reused = (),
    plugins: Iterable[str] = (),
    engine_name: str = "local",
    address: str | None = None,
    only: Sequence[str] = (),
    track: Iterable[str] = (),
    listener: Listener = Listener(),
) -> FinishedStudy:
    """Do every run of a study that is not done yet, then write its table, but no report.

    Args:
        config: the grid.
        out: folder of the study; a folder with finished runs of the same study goes on.
        device: see :func:`device_of_runs`.
        jobs: runs at a time; as many as there is room for when None.
        reuse: a folder that is searched for finished runs of the same configuration, or several.
        plugins: files or modules that are imported here and in every worker.
        engine_name: where runs are done, a key of :data:`sparsevae.studies.engines.ENGINES`.
        address: of a cluster, in the engine's own form; None for the engine's usual one.
        only: names of runs; they alone are done, beside others of the same study that other
            processes do, and no table is written.
        track: trackers that hear of every epoch, see :mod:`sparsevae.studies.trackers`.
        listener: told what happens.

    Raises:
        SparseVAEError: a setting, the data, the device or a folder is not as it must be;
            nothing has been trained then.
    """
    place, kept = engine(engine_name, address, out), folders_of(reuse)
    plugins = tuple(map(_absolute, plugins))
    import_plugins(plugins)
    config = settle_dataset(config, listener)
    where = device_of_runs(device, engine_name)
    dataset, whole, tasks = _tasks_of(config, out.absolute(), where, plugins)
    tasks = _chosen(tasks, only)
    make_folder(out)
    with nullcontext() if only else locked(out):
        _write_study(whole, dataset, out)
        folders = {task.folder: task.config for task in tasks if not _is_finished(task)}
        take_over(folders, dataset.sha256, kept, listener.say)
        beside = BaselinesTask("baselines", plugins, config, out.absolute() / BASELINES)
        places = {task.name: task.folder for task in tasks}
        with tracking(track, out, places, listener.say) as follower:
            heard = listener.heard_by(follower)
            do_tasks(tasks if only else [beside, *tasks], jobs, heard, place)
        if not only:
            write_results(out, finished_runs(out))
    runs = tuple(RunFolder(out / "runs" / task.folder.name) for task in tasks)
    _say_mixed_kernels(runs, listener)
    return FinishedStudy(out, runs)


def _tasks_of(
    config: StudyConfig, out: Path, where: str, plugins: tuple[str, ...]
) -> tuple[data.Dataset, StudyConfig, list[RunTask]]:
    """The data of a study, the grid that its folder is to hold, and its own runs as tasks."""
    name, command = str(config.dataset), uuid.uuid4().hex
    planned(config, name)  # a wrong setting is told before data are fetched
    dataset = data_of(name, config.split, config.limit)
    grid = planned(config, name, len(dataset.train))
    whole = _grown(config, dataset.sha256, out)
    for run, settings in planned(whole, name, len(dataset.train)).items():
        if run not in grid:
            check_folder(out / "runs" / run, settings, dataset.sha256)
    places = {out / "runs" / run: settings for run, settings in grid.items()}
    return (
        dataset,
        whole,
        [RunTask.of(run, path, where, dataset, plugins, command) for path, run in places.items()],
    )


def _grown(config: StudyConfig, data_sha256: str, out: Path) -> StudyConfig:
    """The grid of all that a folder holds and is to hold.

    Raises:
        RunFolderError: the study there is of other data, or varies other settings.
    """
    path = out / STUDY
    if not path.is_file():
        return config
    content = read_json(path)
    try:
        kept, sha256 = StudyConfig.checked(content["config"]), str(content["data_sha256"])
    except (ConfigurationError, LookupError, TypeError, ValueError):
        raise RunFolderError(f"{path} cannot be read; remove it and start again.") from None
    check_one_data_set(out, {sha256: str(kept.dataset), data_sha256: str(config.dataset)})
    varied = [", ".join(study.vary) or "nothing" for study in (kept, config)]
    if varied[0] != varied[1]:
        raise RunFolderError(
            f"{out} holds a study that varies {varied[0]}, not {varied[1]}: choose another "
            "output folder."
        )
    return grown(kept, config)


def names_of(config: StudyConfig) -> list[str]:
    """What the runs of a study are called, in their order.

    Raises:
        ConfigurationError: a setting is wrong.
    """
    config = settle_dataset(config, Listener())
    return [*planned(config, str(config.dataset))]


def _chosen(tasks: list[RunTask], only: Sequence[str]) -> list[RunTask]:
    by_name = {task.name: task for task in tasks}
    for name in only:
        if name not in by_name:
            raise ConfigurationError(
                f"The study has no run {name!r}; 'sparsevae study FILE --names' says what they "
                "are called."
            )
    return [by_name[name] for name in dict.fromkeys(only)] or tasks


def _say_mixed_kernels(runs: Sequence[RunFolder], listener: Listener) -> None:
    """Say so where runs were done by different kernels: their numbers agree only nearly."""
    used = sorted({str(run.metrics.get("kernel")) for run in runs if run.finished})
    if len(used) > 1:
        listener.say(
            f"These runs were done by different kernels ({', '.join(used)}): their last digits "
            "depend on which, as the column kernel says."
        )


def device_of_runs(device: str, engine_name: str) -> str:
    """Where runs are told to train: "auto" is settled here, for this machine or for a cluster.

    Args:
        device: "auto", or a device's name.
        engine_name: "auto" takes this machine's GPU where runs stay here, and CPUs on a cluster.

    Raises:
        DeviceError: the runs stay here, and the device is not on this machine.
    """
    from sparsevae.training import loop

    if engine_name == "local":
        return str(loop.device(device))
    return "cpu" if device == "auto" else device


def _absolute(plugin: str) -> str:
    return str(Path(plugin).absolute()) if plugin.endswith(".py") else plugin


def do_tasks(
    tasks: Sequence[Task], jobs: int | None, listener: Listener, place: Engine | None = None
) -> None:
    """Do the runs that are not done yet, several at a time, and whatever else there is.

    Args:
        tasks: perhaps of several studies; without a run to be done the others are done here.
        jobs: runs at a time; as many as there is room for when None.
        listener: told what happens; of runs with the same name it hears as of one.
        place: of :func:`sparsevae.studies.engines.engine`; this machine when None.

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
    for task in (place or engine("local"))(pending, jobs, listener.images, warn):
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


def _write_study(config: StudyConfig, dataset: data.Dataset, out: Path) -> None:
    settings = config.model_dump(mode="json", exclude_defaults=False)
    content = {"config": settings, "data_sha256": dataset.sha256, "versions": versions()}
    write_json(out / STUDY, content)
    write_text(out / "study.yaml", yaml.safe_dump(settings, sort_keys=False))
