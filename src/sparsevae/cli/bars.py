"""What a long command shows: bars with the time left, or lines where there is no terminal."""

import time
from collections.abc import Iterator
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
        self.began: float | None = None  # when the first run was at work
        self.last_line = time.monotonic()

    def listener(self) -> Listener:
        """The functions that a study calls."""
        return Listener(self.console.print, self.begin, self.images, self.finished)

    def begin(self, runs: dict[str, int]) -> None:
        """Take note of the runs that are to be done."""
        self.sizes, self.done, self.began = runs, dict.fromkeys(runs, 0), None
        self.last_line = time.monotonic()
        self.console.print(f"{len(runs)} run{'s' * (len(runs) != 1)} to do.")
        if runs:
            self.tasks["all"] = self._bar("all runs", sum(runs.values()))

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
        self.began = self.began or time.monotonic()
        if name not in self.tasks:
            self.tasks[name] = self._bar(name, self.sizes[name])
        self.bars.update(self.tasks[name], completed=self.done[name])
        self.bars.update(self.tasks["all"], completed=total, left=self.left())
        if not self.console.is_terminal and time.monotonic() - self.last_line > LINE_EVERY:
            self.last_line = time.monotonic()
            self.console.print(f"{total / sum(self.sizes.values()):.0%} done{self.left()}")

    def finished(self, name: str, metrics: dict[str, Any]) -> None:
        """Say that a run is finished, with its main numbers."""
        if name in self.tasks:
            self.bars.remove_task(self.tasks.pop(name))
        numbers = ", ".join(
            f"{key} {metrics[key]:.4g}" for key in PRINTED if metrics.get(key) is not None
        )
        self.console.print(f"{name}: {numbers} ({metrics[keys.SECONDS]:.0f} s)")

    def left(self) -> str:
        """The time left in words, at the rate of the runs at work; empty while it is unknown.

        The start of workers is left out, and so is what a checkpoint had done already.
        """
        if self.began is None:
            return ""
        elapsed, done = time.monotonic() - self.began, sum(self.done.values())
        if elapsed < FIRST_ESTIMATE or done <= self.before:
            return ""
        seconds = elapsed / (done - self.before) * (sum(self.sizes.values()) - done)
        minutes = f"{seconds / 60:.0f} min" if seconds > 90 else f"{seconds:.0f} s"
        return f", about {minutes} left"

    def _bar(self, name: str, total: int) -> TaskID:
        return self.bars.add_task(name, total=total, left="")


@contextmanager
def following() -> Iterator[Listener]:
    """Show a study on standard error while it works."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        yield ProgressBars(console, bars).listener()
