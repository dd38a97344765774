"""Where the runs of a study are done: local worker processes, one thread each.

Several single-thread processes train faster than one process with several threads, and a
run's numbers then do not depend on how many cores there are.
"""

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from queue import Empty
from typing import Any

from sparsevae import data
from sparsevae.errors import RunFolderError
from sparsevae.training.config import RunConfig

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
REPORT_EVERY = 0.2  # seconds between two messages of a worker
OnProgress = Callable[[str, int], None]
OnWarning = Callable[[str, str], None]
Beside = Callable[[Callable[[str], None]], None]


@dataclass(frozen=True)
class Task:
    """One run to be done.

    Attributes:
        config: of the run.
        folder: its run folder.
        device: where it trains.
        plugins: modules that a worker imports first, for the rows of tables that they register.
    """

    config: RunConfig
    folder: Path
    device: str
    plugins: tuple[str, ...] = ()


@contextmanager
def one_thread_each() -> Iterator[None]:
    """Processes that are started meanwhile compute with one thread, whatever library does it.

    The libraries beneath NumPy and scikit-learn read their environment when they are loaded. By
    default each takes all cores; two processes then wait for each other's threads most of the
    time.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@lru_cache(maxsize=1)
def data_of(dataset: str, split: str, limit: int | None) -> data.Dataset:
    """The images that a run trains on and is measured on.

    Args:
        dataset: a name that :func:`sparsevae.data.load` knows.
        split: "validation" holds part of the training data out and measures on that.
        limit: only the first so many images of training and of test data.
    """
    found = data.load(dataset, limit=limit)
    return data.holdout(found) if split == "validation" else found


def cores() -> int:
    """Number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_locally(
    tasks: list[Task],
    jobs: int,
    on_progress: OnProgress,
    on_warning: OnWarning,
    beside: Beside | None = None,
) -> Iterator[Task]:
    """Do runs in up to ``jobs`` worker processes, and stop them all when interrupted.

    Args:
        tasks: runs, started in this order.
        jobs: number of processes.
        on_progress: called with a run's name and a number of images it has done since.
        on_warning: called with a run's name and a line about signs of collapse.
        beside: further work that needs no run, done by a worker too; it is a function of a
            module, or a partial one, and given what it may call with a line of text.

    Yields:
        Each task when it is finished.

    Raises:
        RunFolderError: a worker was killed from outside.
        SparseVAEError: what a run raised.
    """
    context = multiprocessing.get_context("spawn")
    messages = context.Queue()
    pool = ProcessPoolExecutor(
        min(jobs, len(tasks) + bool(beside)),
        context,
        initializer=_start_worker,
        initargs=(messages,),
    )
    try:
        waiting: dict[Future[None], Task | None] = {}
        with one_thread_each():  # the workers start as the first tasks are submitted
            if beside:
                waiting[pool.submit(_do, beside)] = None
            waiting |= {pool.submit(_train, task): task for task in tasks}
        while waiting:
            done = [future for future in waiting if future.done()]
            _forward(messages, on_progress, on_warning)
            for future in done:
                future.result()
                if task := waiting.pop(future):
                    yield task
    except BrokenProcessPool:
        raise RunFolderError(
            "A worker process was killed, perhaps for want of memory; start the same command "
            "again with fewer --jobs and it goes on from the last epoch."
        ) from None
    finally:
        for child in multiprocessing.active_children():
            child.terminate()
        pool.shutdown(cancel_futures=True)


def _forward(messages: Any, on_progress: OnProgress, on_warning: OnWarning) -> None:
    """Pass on what workers have said, waiting a little for the first message."""
    try:
        name, said = messages.get(timeout=REPORT_EVERY)
        while True:
            if isinstance(said, str):
                on_warning(name, said)
            else:
                on_progress(name, said)
            name, said = messages.get_nowait()
    except Empty:
        return


_messages: Any = None  # the queue to the parent; set once in a worker process


def _start_worker(messages: Any) -> None:
    """Set a fresh process up; interrupts are left to the parent."""
    global _messages
    from sparsevae.training.loop import prepare_process

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    prepare_process()
    _messages = messages


def _do(beside: Beside) -> None:
    beside(lambda line: _messages.put(("beside the runs", line)))


def _train(task: Task) -> None:
    from sparsevae.runs.folder import RunFolder
    from sparsevae.runs.train import train_run

    for name in task.plugins:
        import_module(name)
    config = task.config
    dataset = data_of(config.dataset, config.split, config.limit)
    done, last = 0, time.monotonic()

    def progress(images: int) -> None:
        nonlocal done, last
        done += images
        if time.monotonic() - last >= REPORT_EVERY:
            _messages.put((config.name, done))
            done, last = 0, time.monotonic()
            parent = multiprocessing.parent_process()
            if parent is not None and not parent.is_alive():
                os._exit(1)  # nobody is left to hear of the result; the checkpoint stays

    train_run(
        config,
        dataset,
        RunFolder(task.folder),
        device=task.device,
        progress=progress,
        warn=lambda line: _messages.put((config.name, line)),
    )
    _messages.put((config.name, done))
