"""The threads between a study that trains and the trackers that hear of it.

A thread a tracker is told which run folders are worth a look; it reads what is new in them and
sends that. The queue of looks is bounded, and a look that finds no room is let go: every folder
is looked at once more at the end, and what was not sent until then is still in the folders.
"""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Any

from sparsevae.runs.folder import RunFolder, finished_runs
from sparsevae.storage.arrays import Row
from sparsevae.storage.files import locked, read_metadata
from sparsevae.studies.trackers import Tracker, keep_sent, open_trackers, sent_of, tracked
from sparsevae.training.restarts import attempt

MOST_LOOKS = 1000  # that wait
LOOK_EVERY = 1.0  # seconds between two looks at a run while it trains
POLL = 0.2  # seconds until a thread notices that it is to end
PATIENCE = 60.0  # seconds after the end that a tracker may take for its next answer
SHORT_PATIENCE = 5.0  # the same after an interrupt
FIRST_WAIT, LONGEST_WAIT = 0.5, 10.0  # seconds before it is tried again


def history_of(folder: RunFolder) -> list[Row]:
    """The epochs of a run that are done: of its history, or while it trains of its checkpoint."""
    if (folder.path / "history.json").is_file():
        return folder.history
    path = folder.path / "checkpoint.safetensors"
    return list(json.loads(read_metadata(path)["history"])) if path.is_file() else []


class Sender:
    """Sends to one tracker, from a thread of its own.

    Args:
        target: what the tracker was asked for as.
        tracker: that is sent to.
        study: name of the study.
        writing: held while ``tracking.json`` is written, which all trackers share.
    """

    def __init__(self, target: str, tracker: Tracker, study: str, writing: threading.Lock) -> None:
        self.target, self.tracker, self.study = target, tracker, study
        self.writing = writing
        self.lines: deque[str] = deque()
        self.reason = ""  # why the tracker was dropped
        self.folders: tuple[Path, ...] = ()  # of all runs, once the end has come
        self._looks: Queue[tuple[Path, bool]] = Queue(MOST_LOOKS)
        self._begun: dict[Path, tuple[str, int]] = {}  # keys of the runs at work, epochs sent
        self._closing, self._deadline, self._failures = threading.Event(), 0.0, 0
        self._answered = time.monotonic()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def look(self, folder: Path, *, end: bool = False) -> None:
        """A folder is worth a look; never waits."""
        with suppress(Full):
            self._looks.put_nowait((folder, end))

    def close(self, folders: Iterable[Path], patience: float) -> None:
        """Send what is left; a tracker without an answer for so many seconds is left out."""
        self.folders, self._deadline = tuple(folders), time.monotonic() + patience
        self._closing.set()
        while self._thread.is_alive() and not self.reason:
            self._thread.join(POLL)
            if time.monotonic() > max(self._deadline, self._answered + patience):
                self._drop(f"it gives no answer for {patience:.0f} seconds")

    def _work(self) -> None:
        while not self._closing.is_set():
            with suppress(Empty):
                self._send(*self._looks.get(timeout=POLL))
        for folder in self.folders:
            self._send(folder, True)
        if not self.reason:
            self._try(self.tracker.closed)

    def _send(self, folder: Path, end: bool) -> None:
        self._try(lambda: self._deliver(RunFolder(folder), end))
        if end:
            self._begun.pop(folder, None)

    def _try(self, action: Callable[[], None]) -> None:
        """Do something until it succeeds; what cannot succeed later drops the tracker."""
        while not self.reason:
            try:
                action()
                self._failures = 0
                return
            except (ConnectionError, TimeoutError) as error:
                self._begun.clear()  # what has arrived is asked for again
                self._wait(error)
            except Exception as error:
                self._drop(f"{type(error).__name__}: {error}")

    def _wait(self, error: Exception) -> None:
        if not self._failures:
            why = _first_line(error)
            self.lines.append(
                f"{self.target} cannot be reached and is tried again meanwhile: {why}."
            )
        self._failures += 1
        pause = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self._failures, 10))
        until = time.monotonic() + pause
        while time.monotonic() < until:
            time.sleep(POLL)
            if self._closing.is_set() and time.monotonic() > self._deadline:
                self._drop("it cannot be reached")
                return

    def _drop(self, reason: str) -> None:
        if not self.reason:
            self.reason = reason.splitlines()[0].rstrip(".")
            self.lines.append(
                f"{self.target} is left out from here on: {self.reason}; "
                f"'sparsevae track DIR --to {self.target}' sends what is missing."
            )

    def _deliver(self, folder: RunFolder, end: bool) -> None:
        """Send what the tracker does not have yet of one run."""
        is_finished = end and folder.finished  # before its history is read
        rows = history_of(folder)
        number = attempt(rows)
        epochs, all_sent = sent_of(folder, self.target, number)
        if all_sent or not rows:
            return
        with self.writing:
            run = tracked(folder, self.study, number)
        key, sent = self._begun.get(folder.path, ("", 0))
        if key != run.key:
            there = self.tracker.started(run)
            sent = epochs if there is None else there
            self._begun[folder.path] = run.key, sent
        for row in rows[sent:]:
            when = run.began + sum(before["seconds"] for before in rows[: row["epoch"]])
            self.tracker.epoch(run, row, when)
            sent, self._answered = row["epoch"], time.monotonic()
            self._begun[folder.path] = run.key, sent
        if is_finished:
            self.tracker.finished(run)
        if is_finished or sent > epochs:
            with self.writing:
                keep_sent(run, self.target, sent, finished=is_finished)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")[:300]


class Follower:
    """Tells trackers which runs are worth a look; what it is told is what a study's listener is.

    Args:
        trackers: by what they were asked for as.
        folders: of the runs, by their names.
        study: name of the study.
        say: given a line when a tracker fails, from the thread that calls the follower.
    """

    def __init__(
        self,
        trackers: Mapping[str, Tracker],
        folders: Mapping[str, Path],
        study: str,
        say: Callable[[str], None],
    ) -> None:
        self.folders, self.say = folders, say
        writing = threading.Lock()
        self.senders = [Sender(*one, study, writing) for one in trackers.items()]
        self._last: dict[str, float] = {}

    def images(self, name: str, images: int) -> None:
        """A run has trained on some images."""
        now = time.monotonic()
        if name in self.folders and now - self._last.get(name, 0.0) >= LOOK_EVERY:
            self._last[name] = now
            self._look(name, end=False)

    def finished(self, name: str, metrics: Mapping[str, Any]) -> None:
        """A run is finished."""
        if name in self.folders:
            self._look(name, end=True)

    def close(self, patience: float = PATIENCE) -> None:
        """Send what is left of all runs."""
        for sender in self.senders:
            sender.close(self.folders.values(), patience)
        self._say_lines()

    def _look(self, name: str, *, end: bool) -> None:
        for sender in self.senders:
            sender.look(self.folders[name], end=end)
        self._say_lines()

    def _say_lines(self) -> None:
        for sender in self.senders:
            while sender.lines:
                self.say(sender.lines.popleft())


@contextmanager
def tracking(
    targets: Iterable[str], folder: Path, runs: Mapping[str, Path], say: Callable[[str], None]
) -> Iterator[Follower]:
    """Runs are tracked inside a ``with`` block, which ends when everything is sent.

    Args:
        targets: see :func:`sparsevae.studies.trackers.open_trackers`.
        folder: of the study or the run.
        runs: folders by the names of the runs.
        say: given a line when a tracker fails.

    Yields:
        What is told of the runs' progress.

    Raises:
        ConfigurationError: there is no such tracker, or its package is missing.
    """
    follower = Follower(open_trackers(targets, folder), runs, folder.resolve().name, say)
    try:
        yield follower
    except BaseException:
        follower.close(SHORT_PATIENCE)
        raise
    follower.close()


def send_finished(
    folder: Path, targets: Iterable[str], say: Callable[[str], None]
) -> tuple[int, list[str]]:
    """Send the finished runs of a folder; what a tracker has already is not sent again.

    Args:
        folder: of a study, or of a run.
        targets: see :func:`sparsevae.studies.trackers.open_trackers`.
        say: given a line when a tracker fails.

    Returns:
        How many runs are finished, and the targets that do not have all of them.

    Raises:
        RunFolderError: there is no finished run.
        OutputError: another process works on the folder.
        ConfigurationError: as :func:`tracking`.
    """
    runs = finished_runs(folder)
    with locked(folder), tracking(targets, folder, _by_name(runs), say) as follower:
        pass
    return len(runs), [sender.target for sender in follower.senders if sender.reason]


def _by_name(runs: Iterable[RunFolder]) -> dict[str, Path]:
    return {run.path.name: run.path for run in runs}
