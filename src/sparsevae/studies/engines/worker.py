"""What happens inside a worker process, whichever engine has started it.

A worker speaks to its engine through a file that it alone appends to: one that is killed leaves
no lock behind, and it works wherever both see the same folder.
"""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from sparsevae.studies.engines import Task
from sparsevae.studies.plugins import import_plugins

# Libraries beneath NumPy and scikit-learn read these when they are loaded; each would take all
# cores, and processes would wait for each other's threads most of the time.
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
ENVIRONMENT = {
    **dict.fromkeys(THREADS, "1"),
    "LOKY_MAX_MEMORY_LEAK_SIZE": "1e18",  # a larger data set is no leak
}
REPORT_EVERY = 0.2  # seconds between two messages of a worker
LOOK_EVERY = 1.0  # seconds between two looks whether the parent lives


def prepare(parent: int) -> None:
    """Set a fresh process up: one thread, interrupts left to the parent, gone when it is gone.

    Args:
        parent: number of the process that this one works for.
    """
    from sparsevae.training import loop

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    loop.prepare_process()
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()


def _follow(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY)
    os._exit(1)  # nobody is left to hear of the result; the checkpoint stays


def work(task: Task, messages: Path) -> None:
    """Do a task, and write messages into a file that does not exist yet."""

    def send(message: int | str) -> None:
        with suppress(OSError), messages.open("a", encoding="utf-8") as file:
            file.write(json.dumps(message) + "\n")  # a run is worth more than its progress

    do(task, send)


def do(task: Task, send: Callable[[int | str], None]) -> None:
    """Do a task, and send a message now and then.

    Args:
        task: to be done.
        send: is given a number of images that were done since, or a line of text.
    """
    done, last = 0, time.monotonic()

    def on_images(images: int) -> None:
        nonlocal done, last
        done += images
        if time.monotonic() - last >= REPORT_EVERY:
            send(done)
            done, last = 0, time.monotonic()

    import_plugins(task.plugins)
    task.do(on_images, send)
    send(done)


class Messages:
    """The other end: what a worker has written, in the order in which it did.

    Args:
        path: of the file, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, 0

    def __iter__(self) -> Iterator[int | str]:
        """Numbers of images, and lines of text, that have come since the last look."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self.place)
            whole, end, _ = file.read().rpartition(b"\n")
        self.place += len(whole) + len(end)
        yield from map(json.loads, whole.splitlines())
