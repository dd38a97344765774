"""What a long command shows: bars with the time left, or lines where there is no terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from sparsevae.studies.study import Listener

SHOWN = (
    "negative_elbo",
    "importance_weighted_bound",
    "reconstruction",
    "mse",
    "used_dimensions",
    "active_per_image",
)
LINE_EVERY = 30.0  # seconds between two lines where there is no terminal


class Follower:
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
        self.began = self.last_line = time.monotonic()

    def listener(self) -> Listener:
        """The functions that a study calls."""
        return Listener(self.console.print, self.begin, self.progress, self.finished)

    def begin(self, runs: dict[str, int]) -> None:
        """Take note of the runs that are to be done."""
        self.sizes, self.done = runs, dict.fromkeys(runs, 0)
        self.began = self.last_line = time.monotonic()
        self.console.print(f"{len(runs)} run{'s' * (len(runs) != 1)} to do.")
        if runs:
            self.tasks["all"] = self.bars.add_task("all runs", total=sum(runs.values()))

    def progress(self, name: str, images: int) -> None:
        """Move the bars of a run and of the whole."""
        self.done[name] += images
        if name not in self.tasks:
            self.tasks[name] = self.bars.add_task(name, total=self.sizes[name])
        self.bars.update(self.tasks[name], completed=self.done[name])
        self.bars.update(self.tasks["all"], completed=sum(self.done.values()))
        if not self.console.is_terminal and time.monotonic() - self.last_line > LINE_EVERY:
            self.last_line = time.monotonic()
            self.console.print(self.estimate())

    def finished(self, name: str, metrics: dict[str, Any]) -> None:
        """Say that a run is finished, with its main numbers."""
        if name in self.tasks:
            self.bars.remove_task(self.tasks.pop(name))
        numbers = ", ".join(
            f"{key} {metrics[key]:.4g}" for key in SHOWN if metrics.get(key) is not None
        )
        self.console.print(f"{name}: {numbers} ({metrics['seconds']:.0f} s)")

    def estimate(self) -> str:
        """Share done and time left, in words."""
        done, total = sum(self.done.values()), sum(self.sizes.values())
        elapsed = time.monotonic() - self.began
        left = elapsed / max(done, 1) * (total - done)
        return f"{done / total:.0%} done, about {left / 60:.0f} min left"


@contextmanager
def following() -> Iterator[Listener]:
    """Show a study on standard error while it works."""
    console = Console(stderr=True, soft_wrap=True, highlight=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bars:
        yield Follower(console, bars).listener()
