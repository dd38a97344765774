"""The search itself: Optuna is asked for trials and told what they gave.

Trials are done in batches, as many at a time as there are jobs, by the same engines as a study.
What Optuna draws follows from the seed and the number of the trial, so a search that is stopped
and goes on is the search that was not stopped. A trial is asked once, and stays in the journal.
"""

import math
import statistics
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import JsonValue

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.files import locked, make_folder, write_json, write_text
from sparsevae.studies.engines import Engine, engine, local
from sparsevae.studies.plugins import import_plugins
from sparsevae.studies.search.space import Direction, SearchConfig
from sparsevae.studies.search.trial import TrialTask, after_half, half_of, stop, stopped
from sparsevae.studies.study import (
    Listener,
    device_of_runs,
    do_tasks,
    run_study,
    settle_dataset,
)
from sparsevae.studies.tasks import data_of
from sparsevae.studies.trackers.queue import tracking

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import FrozenTrial

CONFIG, JOURNAL, SUMMARY = "search.yaml", "search.journal", "search.json"
FEWEST = 4  # whole trials that a median is taken of
SEEDS = (0, 1, 2)  # of the best
CHOSEN = "chosen"  # the attribute of a trial that holds its settings
JOBS = "jobs"  # the attribute of the search that holds the jobs of its first start


@dataclass(frozen=True)
class Tuned:
    """A search that is done.

    Attributes:
        folder: where it is kept.
        settings: of the best trial, by the names of the search.
        best: folder of the study that trained them on all training data.
        summary: what ``search.json`` holds.
    """

    folder: Path
    settings: Mapping[str, JsonValue]
    best: Path
    summary: Mapping[str, Any]


def tune(
    fields: Mapping[str, Any],
    out: Path | str = "search",
    *,
    trials: int = 40,
    seed: int = 0,
    device: str = "auto",
    jobs: int | None = None,
    plugins: Iterable[str] = (),
    engine_name: str = "local",
    address: str | None = None,
    track: Iterable[str] = (),
    listener: Listener | None = None,
) -> Tuned:
    """Search settings on validation rows, and measure the best once on the test set.

    Args:
        fields: of a study, and ``search``, ``objectives`` and ``prune``; see
            :class:`sparsevae.studies.search.space.SearchConfig`.
        out: folder of the search; one that holds the same search goes on.
        trials: in all, those that are there included.
        seed: of what is drawn.
        device: see :func:`sparsevae.training.loop.device`.
        jobs: trials at a time; when None as many as at the search's first start, and at that one
            as many as there is room for.
        plugins: files or modules with further rows of the tables.
        engine_name: see :func:`sparsevae.studies.study.run_study`, as for the two next ones.
        address: of a cluster.
        track: trackers that hear of every epoch of the trials, and of the best's runs.
        listener: told what happens.

    Raises:
        SparseVAEError: a setting, the data, the device or the folder is not as it must be, or no
            trial came to an end.
    """
    if find_spec("optuna") is None:
        raise ConfigurationError(
            "A search needs the package optuna, which is not installed: pip install "
            "'sparsevae[tune]'."
        )
    listener = listener or Listener()
    import_plugins(plugins := tuple(plugins))
    config = SearchConfig.of(fields)
    named = settle_dataset(config.study, listener)
    config = config.model_copy(update={"study": named})
    folder, where = Path(out).absolute(), device_of_runs(device, engine_name)
    data_of(str(named.dataset), "validation", named.limit)  # wrong data are told before we write
    place = engine(engine_name, address, folder)
    make_folder(folder)
    with locked(folder):
        _keep_config(folder, config)
        search = Search(config, folder, seed, where, plugins)
        runs = {_name(n): folder / "trials" / "runs" / _name(n) for n in range(trials)}
        with tracking(track := tuple(track), folder, runs, listener.say) as follower:
            search.run(trials, jobs, listener.heard_by(follower), place)
        number, settings = search.best(listener)
        best = folder / "best" / _name(number)
        listener.say(f"Trial {number} is the best; it is trained on all training data.")
        final = config.fixed(settings, split="test", seeds=SEEDS)
        options: Any = {"device": device, "jobs": jobs, "plugins": plugins, "track": track}
        options |= {"engine_name": engine_name, "address": address, "listener": listener}
        run_study(final, best, **options)
        summary = search.summary(number, best)
        write_json(folder / SUMMARY, summary)
    return Tuned(Path(out), settings, Path(out) / best.relative_to(folder), summary)


class Search:
    """Trials, and the journal that knows them.

    Args:
        config: with its data set named.
        folder: of the search.
        seed: of what is drawn.
        device: where trials train.
        plugins: imported in workers.
    """

    def __init__(
        self, config: SearchConfig, folder: Path, seed: int, device: str, plugins: tuple[str, ...]
    ) -> None:
        self.config, self.folder, self.seed = config, folder, seed
        self.device, self.plugins = device, plugins
        (folder / f"{JOURNAL}.lock").unlink(missing_ok=True)  # of a killed process: ours is held
        self.study = _open(folder / JOURNAL, config.directions)
        name = str(config.study.dataset)
        self.dataset = data_of(name, "validation", config.study.limit)

    def run(self, trials: int, jobs: int | None, listener: Listener, place: Engine) -> None:
        """Do trials until there are so many.

        They are asked for so many at a time as are done at a time, and what an interrupt left of
        such a batch is done first, so that every trial is drawn with the same ones known. How many
        that are without ``jobs`` is kept, since there is not always room for as many.
        """
        if JOBS not in self.study.user_attrs:
            self.study.set_user_attr(JOBS, jobs or local.cores())
        together = jobs or int(self.study.user_attrs[JOBS])
        while (numbers := self._batch(trials, together)) is not None:
            tasks = [task for number in numbers if (task := self._task(number)) is not None]
            do_tasks(tasks, jobs, listener, place)
            for number in numbers:
                self._tell(number)

    def _batch(self, trials: int, jobs: int) -> list[int] | None:
        """The trials that are to be done next; None when there are so many as are wanted."""
        from optuna.trial import TrialState

        asked = self._asked()
        open_ones = [n for n, trial in enumerate(asked) if trial.state == TrialState.RUNNING]
        first = min(open_ones, default=len(asked))
        end = min(trials, (first // jobs + 1) * jobs)
        for _ in range(len(asked), end):
            open_ones.append(self._ask())
        return open_ones or None

    def _ask(self) -> int:
        import optuna
        from optuna.trial import TrialState

        number = len(self._asked())
        for left in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            if CHOSEN not in left.user_attrs:  # killed before its settings were drawn to the end
                self.study.tell(left.number, state=TrialState.FAIL)
        self.study.sampler = optuna.samplers.TPESampler(seed=self.seed * 100_003 + number)
        trial = self.study.ask(self.config.distributions())
        trial.set_user_attr(CHOSEN, self.config.chosen(trial.params))
        return number

    def _asked(self) -> list["FrozenTrial"]:
        """Trials whose settings are drawn; a trial's number is its place here."""
        return [t for t in self.study.get_trials(deepcopy=False) if CHOSEN in t.user_attrs]

    def _number(self, trial: "FrozenTrial") -> int:
        return [other.number for other in self._asked()].index(trial.number)

    def _settings(self, number: int) -> dict[str, JsonValue]:
        return dict(self._asked()[number].user_attrs[CHOSEN])

    def _twin(self, number: int) -> int:
        """The first trial with the same settings."""
        settings = self._settings(number)
        asked = enumerate(self._asked())
        return next(place for place, trial in asked if trial.user_attrs[CHOSEN] == settings)

    def run_folder(self, number: int) -> RunFolder:
        """Where a trial is kept; trials with the same settings are one run."""
        return RunFolder(self.folder / "trials" / "runs" / _name(self._twin(number)))

    def _task(self, number: int) -> TrialTask | None:
        if self._twin(number) != number:
            return None
        folder, images = self.run_folder(number).path, len(self.dataset.train)
        try:
            run = self.config.run(self._settings(number), str(self.config.study.dataset), images)
        except ConfigurationError as error:  # of settings that are wrong only together
            stop(make_folder(folder), str(error))
            return None
        task = TrialTask.of(run, folder, self.device, self.dataset, self.plugins)
        assert isinstance(task, TrialTask)
        if not self.config.prune:
            return task
        alone = self.config.objectives[0] if len(self.config.objectives) == 1 else ""
        return replace(task, objective=alone, bar=self._bar(alone), alarms=True)

    def _bar(self, objective: str) -> float | None:
        """The median of the whole trials so far, after half of their epochs."""
        values = [
            value
            for trial in _whole(self.study)
            for run in [self.run_folder(self._number(trial))]
            if (value := after_half(run.history, half_of(run.config.epochs), objective))
            is not None
        ]
        return statistics.median(values) if len(values) >= FEWEST else None

    def _tell(self, number: int) -> None:
        from optuna.trial import TrialState

        run, trial = self.run_folder(number), self._asked()[number].number
        if not run.finished:
            self.study.tell(trial, state=TrialState.PRUNED)
            return
        values: list[Any] = [run.metrics.get(key) for key in self.config.objectives]
        if all(isinstance(value, int | float) and math.isfinite(value) for value in values):
            self.study.tell(trial, values)
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def reason(self, number: int) -> str:
        """Why a trial has no numbers, or what is alarming about it; empty where neither is."""
        run = self.run_folder(number)
        if not run.finished:
            return stopped(run) or "It did not come to its end."
        missing = [key for key in self.config.objectives if run.metrics.get(key) is None]
        if missing:
            return f"{run.config.model} has no {', '.join(missing)}."
        alarms = [f["sentence"] for f in run.diagnosis["findings"] if f["severity"] == "alarm"]
        return str(alarms[0]) if alarms else ""

    def best(self, listener: Listener) -> tuple[int, dict[str, JsonValue]]:
        """Number and settings of the best trial: of those without an alarm, where there are some.

        Of two objectives it is the trial of the Pareto front with the least sum of both, each
        scaled to the range that the front has.

        Raises:
            RunFolderError: no trial came to its end.
        """
        whole = _whole(self.study)
        if not whole:
            reasons = map(self.reason, range(len(self._asked())))
            why = next(filter(None, reasons), "none was asked for")
            raise RunFolderError(f"No trial of {self.folder} came to its end: {why}")
        quiet = [trial for trial in whole if not self.reason(self._number(trial))]
        if not quiet:
            listener.say("Every trial has an alarm, see search.html; the best is among them.")
        front = self.front(quiet or whole)
        lows = [min(column) for column in zip(*map(self._costs, front), strict=True)]
        highs = [max(column) for column in zip(*map(self._costs, front), strict=True)]

        def scaled(trial: "FrozenTrial") -> float:
            costs = zip(self._costs(trial), lows, highs, strict=True)
            return float(sum((cost - low) / ((high - low) or 1.0) for cost, low, high in costs))

        chosen = min(front, key=lambda trial: (scaled(trial), trial.number))
        return self._number(chosen), self._settings(self._number(chosen))

    def front(self, trials: Iterable["FrozenTrial"]) -> list["FrozenTrial"]:
        """The trials that no other one is better than in every objective."""
        trials = list(trials)
        costs = {trial.number: self._costs(trial) for trial in trials}

        def beaten(own: list[float], by: list[float]) -> bool:
            pairs = list(zip(own, by, strict=True))
            return all(b <= o for o, b in pairs) and any(b < o for o, b in pairs)

        return [
            trial
            for trial in trials
            if not any(beaten(costs[trial.number], other) for other in costs.values())
        ]

    def _costs(self, trial: "FrozenTrial") -> list[float]:
        signs = [1 if way == "minimize" else -1 for way in self.config.directions]
        return [sign * value for sign, value in zip(signs, trial.values, strict=True)]

    def summary(self, number: int, best: Path) -> dict[str, Any]:
        """What ``search.json`` holds; see :func:`sparsevae.report.search.write_search`."""
        whole = _whole(self.study)
        front = {trial.number for trial in self.front(whole)}
        runs = [RunFolder(path) for path in sorted((best / "runs").glob("*"))]
        rows = [run.metrics for run in runs if run.finished]
        return {
            "dataset": self.config.study.dataset,
            "objectives": list(self.config.objectives),
            "directions": self.config.directions,
            "best": number,
            "folder": best.relative_to(self.folder).as_posix(),
            "measured": [path.name for path in sorted((self.folder / "best").glob("*"))],
            "test": {key: [row.get(key) for row in rows] for key in self.config.objectives},
            "trials": [
                {
                    "number": place,
                    "state": trial.state.name.lower(),
                    "settings": trial.user_attrs[CHOSEN],
                    "values": trial.values,
                    "front": trial.number in front,
                    "reason": self.reason(place),
                }
                for place, trial in enumerate(self._asked())
            ],
        }


def _name(number: int) -> str:
    return f"trial-{number:04d}"


def _whole(study: "Study") -> list["FrozenTrial"]:
    from optuna.trial import TrialState

    return [trial for trial in study.trials if trial.state == TrialState.COMPLETE]


def _open(journal: Path, directions: list[Direction]) -> "Study":
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the journal is experimental
        storage = JournalStorage(JournalFileBackend(str(journal)))
    return optuna.create_study(
        storage=storage, study_name="search", directions=directions, load_if_exists=True
    )


def _keep_config(folder: Path, config: SearchConfig) -> None:
    """Write the search down, or check that the folder holds the same.

    Raises:
        RunFolderError: it holds another search.
    """
    content = config.model_dump(mode="json")
    path = folder / CONFIG
    if path.is_file() and yaml.safe_load(path.read_text(encoding="utf-8")) != content:
        raise RunFolderError(
            f"{folder} holds another search, see {path}: choose another output folder."
        )
    write_text(path, yaml.safe_dump(content, sort_keys=False))
