"""What a long command shows: bars with the time left, or lines where there is no terminal."""

import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sparsevae.metrics import keys
from sparsevae.studies.study import Listener

PRINTED = (
    *(keys.NEGATIVE_ELBO, keys.IMPORTANCE_WEIGHTED_BOUND, keys.RECONSTRUCTION, keys.MSE),
    *(keys.USED_DIMENSIONS, keys.ACTIVE_PER_IMAGE),
)
LINE_EVERY = 30.0  # seconds between two lines where there is no terminal
FIRST_LINE = 5.0  # seconds until the first
RECENT = (
    20.0  # seconds of work that the rate is taken from: measuring goes at another than training
)
PAUSE = 60.0  # seconds without progress, of which any more are not work: somebody stopped it
WHOLE = 1000  # steps of a bar
FIRST_ESTIMATE = 2.0  # seconds of work after which a rate is known


class ProgressBars:
    """Shows the runs of one study.

    Args:
        console: where to.
        bars: a live display on that console.
    """

    def __init__(self, console: Console, bars: Progress) -> None:
        self.console, self.bars = console, bars
        self.sizes: dict[str, int] = {}
        self.done: dict[str, int] = {}
        self.tasks: dict[str, TaskID] = {}
        self.at_work: set[str] = set()
        self.before = 0  # images that were done before this command was at work on their runs
        self.seen: float | None = None  # when progress was heard of last
        self.worked = 0.0  # seconds of work since the first run was at work
        self.last_line = time.monotonic()
        self.recent: deque[tuple[float, int]] = deque()  # seconds of work, and images done by then

    def listener(self) -> Listener:
        """The functions that a study calls."""
        return Listener(self.say, self.begin, self.images, self.finished)

    def say(self, line: str) -> None:
        """Print a line as it is: what stands in brackets or between colons too."""
        self.console.print(line, markup=False, emoji=False)

    def begin(self, runs: dict[str, int]) -> None:
        """Say how many runs are to be done, and take note of them."""
        self.say(f"{len(runs)} run{'s' * (len(runs) != 1)} to do.")
        self.expect(runs)

    def expect(self, work: dict[str, int]) -> None:
        """Take note of what is to be done."""
        self.sizes, self.done = work, dict.fromkeys(work, 0)
        self.seen, self.worked = None, 0.0
        self.last_line = time.monotonic() - LINE_EVERY + FIRST_LINE
        self.recent.clear()
        if work:
            self.tasks["all"] = self._bar("all runs", sum(work.values()))

    def images(self, name: str, images: int) -> None:
        """Move the bars of a run and of the whole."""
        if name not in self.sizes:
            return
        self.done[name] += images
        total = sum(self.done.values())
        if name not in self.at_work or images < 0:  # it begins, perhaps from a checkpoint
            self.before += images
            self.at_work.add(name)
        if images < 0:
            self.at_work.remove(name)
        self._count_work()
        if name not in self.tasks:
            self.tasks[name] = self._bar(name, self.sizes[name])
        self.bars.update(self.tasks[name], completed=self.done[name])
        self.bars.update(self.tasks["all"], completed=total, left=self.left())
        if not self.console.is_terminal and time.monotonic() - self.last_line > LINE_EVERY:
            self.last_line = time.monotonic()
            self.say(f"{total / sum(self.sizes.values()):.0%} done{self.left()}")

    def finished(self, name: str, metrics: dict[str, Any]) -> None:
        """Say that a run is finished, with its main numbers."""
        if name in self.tasks:
            self.bars.remove_task(self.tasks.pop(name))
        numbers = ", ".join(
            f"{key} {metrics[key]:.4g}" for key in PRINTED if metrics.get(key) is not None
        )
        self.say(f"{name}: {numbers} ({metrics[keys.SECONDS]:.0f} s)")

    def left(self) -> str:
        """The time left in words, at the rate of the runs at work; empty while it is unknown.

        The start of workers is left out, and so is what a checkpoint had done already.
        """
        done = sum(self.done.values())
        if self.worked < FIRST_ESTIMATE or done <= self.before:
            return ""
        elapsed, since = self._lately(done - self.before)
        seconds = elapsed / since * (sum(self.sizes.values()) - done)
        minutes = f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
        return f", about {minutes} left"

    def _count_work(self) -> None:
        """Add the time since progress was heard of last; after a pause a rate is found anew."""
        now = time.monotonic()
        since = 0.0 if self.seen is None else now - self.seen
        if since > PAUSE:
            self.recent.clear()
        self.worked += min(since, PAUSE)
        self.seen = now

    def _lately(self, done: int) -> tuple[float, int]:
        """Seconds of work up to now, some 20 of them, and what was done in them."""
        self.recent.append((self.worked, done))
        while len(self.recent) > 1 and self.recent[1][0] <= self.worked - RECENT:
            self.recent.popleft()
        then, before = self.recent[0]
        if self.worked - then < RECENT or done <= before:
            return self.worked, done
        return self.worked - then, done - before

    def _bar(self, name: str, total: int) -> TaskID:
        return self.bars.add_task(name, total=total, left="")


@contextmanager
def following() -> Iterator[Listener]:
    """Show a study on standard error while it works."""
    with _display() as bars:
        yield bars.listener()


@contextmanager
def working(name: str) -> Iterator[Callable[[float], None]]:
    """Show on standard error how far one piece of work is; what is yielded takes the share."""
    done = 0
    with _display() as bars:
        bars.expect({name: WHOLE})

        def share(part: float) -> None:
            nonlocal done
            bars.images(name, round(part * WHOLE) - done)
            done = round(part * WHOLE)

        yield share


@contextmanager
def _display() -> Iterator[ProgressBars]:
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        yield ProgressBars(console, bars)
