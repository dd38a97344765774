"""Where the epochs of runs are sent besides their folders; a tracker is one file with one class.

The run folder is what is true, and trackers are told what it holds: while a study trains, from
a thread of the parent process, or later. A tracker that fails costs a line of text and nothing
else, and what it has missed can be sent again.

DIR/tracking.json, in a run folder that is tracked, says what has been sent:

    key      what the run is known by everywhere
    began    seconds since 1970 that the times of its epochs are counted from
    sent     by target, how many epochs it has of which attempt, and whether it has the final
             numbers

A run that begins anew is another run in every tracker, since its epochs are counted from 1 again.
"""

import json
import time
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, cast

from sparsevae.errors import ConfigurationError
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.arrays import Row
from sparsevae.storage.files import read_json, write_json

FILE = "tracking.json"
ROOM = "sparsevae.studies.trackers"


@dataclass(frozen=True)
class Backend:
    """A row of the table of trackers.

    Attributes:
        module: a file with a class ``Tracker``.
        package: what it needs; the extra of this package has the tracker's name.
    """

    module: str
    package: str


TRACKERS = {
    "tensorboard": Backend(f"{ROOM}.tensorboard", "tensorboard"),
    "mlflow": Backend(f"{ROOM}.mlflow", "mlflow"),
    "wandb": Backend(f"{ROOM}.wandb", "wandb"),
}


@dataclass(frozen=True)
class TrackedRun:
    """A run as trackers see it.

    Attributes:
        folder: of the run.
        study: name of the study that it belongs to.
        key: what it is known by, in every tracker and however often it was stopped.
        began: seconds since 1970; epochs are dated from here by their own seconds, so that a row
            that is sent twice is the same row.
        attempt: how often it has begun anew.
    """

    folder: RunFolder
    study: str
    key: str
    began: float
    attempt: int = 0

    @property
    def name(self) -> str:
        """The name of its folder, and of a later attempt its number."""
        return _of_attempt(self.folder.path.name, self.attempt)

    @property
    def settings(self) -> dict[str, str | int | float | bool]:
        """What decides its numbers, flat: nested settings have dotted names, lists are JSON."""
        return dict(_flat("", self.folder.config.model_dump(mode="json")))

    @property
    def results(self) -> dict[str, float]:
        """The numbers of a finished run."""
        return numbers(self.folder.metrics)

    @property
    def pictures(self) -> list[Path]:
        """The pictures that have been drawn of it."""
        return sorted((self.folder.path / "figures").glob("*.png"))


class Tracker(Protocol):
    """The contract of a tracker; each method may raise anything, and is then called again."""

    def started(self, run: TrackedRun) -> int | None:
        """Begin a run, or take up one that it knows by its key.

        Args:
            run: perhaps begun by another process before.

        Returns:
            How many epochs the tracker has of it; None when it cannot say.
        """

    def epoch(self, run: TrackedRun, row: Row, when: float) -> None:
        """Take one epoch; each is given once and in order.

        Args:
            run: one that has been started.
            row: of the run's history.
            when: seconds since 1970.
        """

    def finished(self, run: TrackedRun) -> None:
        """Take the final numbers and pictures of a run that has been started."""

    def closed(self) -> None:
        """Bring everything to its place; nothing comes after."""


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """The entries of a row that are numbers.

    Example:
        >>> numbers({"epoch": 3, "kl": 2.5, "prior": "mixture", "alpha": None})
        {'epoch': 3.0, 'kl': 2.5}
    """
    return {
        name: float(value)
        for name, value in row.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }


def _flat(prefix: str, value: Any) -> Iterable[tuple[str, str | int | float | bool]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}" if prefix else name, inner)
    elif isinstance(value, str | int | float):
        yield prefix, value
    elif value is not None:
        yield prefix, json.dumps(value)


def open_trackers(targets: Iterable[str], folder: Path) -> dict[str, Tracker]:
    """Trackers by what they were asked for as.

    Args:
        targets: names of :data:`TRACKERS`, each perhaps with a place: ``mlflow=http://host:5000``,
            ``tensorboard=logs``, ``wandb=project``.
        folder: of the study or the run.

    Raises:
        ConfigurationError: there is no such tracker, its package is missing, or it has no place.
    """
    opened: dict[str, Tracker] = {}
    for target in targets:
        name, _, place = target.partition("=")
        if name not in TRACKERS:
            known = ", ".join(TRACKERS)
            raise ConfigurationError(f"There is no tracker {name!r}; choose from {known}.")
        backend = TRACKERS[name]
        if find_spec(backend.package) is None:
            raise ConfigurationError(
                f"The tracker {name} needs the package {backend.package}, which is not "
                f"installed: pip install 'sparsevae[{name}]'."
            )
        opened[target] = cast(Tracker, import_module(backend.module).Tracker(place, folder))
    return opened


def tracked(folder: RunFolder, study: str, attempt: int = 0) -> TrackedRun:
    """The run of a folder, under a key of its own that is kept there.

    Args:
        folder: of the run.
        study: name of the study that it belongs to.
        attempt: how often it has begun anew.

    Raises:
        OutputError: the folder cannot be written to.
    """
    path = folder.path / FILE
    if not path.is_file():
        content = {"key": uuid.uuid4().hex, "began": time.time(), "sent": {}}
        write_json(path, content)
    kept = read_json(path)
    key = _of_attempt(str(kept["key"]), attempt)
    return TrackedRun(folder, study, key, float(kept["began"]), attempt)


def _of_attempt(name: str, attempt: int) -> str:
    return f"{name}-attempt{attempt + 1}" if attempt else name


def sent_of(folder: RunFolder, target: str, attempt: int = 0) -> tuple[int, bool]:
    """How many epochs of an attempt a target has been sent, and whether the final numbers."""
    path = folder.path / FILE
    kept = read_json(path)["sent"].get(target, {}) if path.is_file() else {}
    if kept.get("attempt", 0) != attempt:
        return 0, False
    return int(kept.get("epochs", 0)), bool(kept.get("finished", False))


def keep_sent(run: TrackedRun, target: str, epochs: int, *, finished: bool = False) -> None:
    """Write down what a target has been sent."""
    path = run.folder.path / FILE
    kept = read_json(path)
    kept["sent"][target] = {"attempt": run.attempt, "epochs": epochs, "finished": finished}
    write_json(path, kept)
