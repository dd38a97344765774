"""Tasks in worker processes of this machine, each with a single thread.

Several such processes train faster than one process with several threads, and a run's numbers
then do not depend on how many cores there are. Every worker is a pool of its own, so that one
that is killed takes no other with it.
"""

import os
import re
import signal
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import loky
from loky.backend import get_context
from loky.process_executor import BrokenProcessPool, ProcessPoolExecutor

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.storage.files import private_folder
from sparsevae.studies.engines import Task, worker

ATTEMPTS = 3  # times that a killed task is begun again before there are fewer workers
MEMORY_EACH = 1.2e9  # bytes; what a worker on MNIST takes at most, when it measures


def cores() -> int:
    """Number of workers: cores of this process's share of the machine, while memory lasts."""
    return max(1, min(int(loky.cpu_count()), int(free_memory() // MEMORY_EACH)))


def free_memory(root: Path = Path("/")) -> float:
    """Bytes that may still be taken, by the machine and by the container; infinite if unknown.

    Args:
        root: where ``proc`` and ``sys`` are.
    """
    group = root / "sys/fs/cgroup"
    free = [
        _number(root / "proc/meminfo", r"MemAvailable:\s+(\d+) kB") * 1024,
        _number(group / "memory.max") - _number(group / "memory.current", unknown=0.0),
        _number(group / "memory/memory.limit_in_bytes")
        - _number(group / "memory/memory.usage_in_bytes", unknown=0.0),
    ]
    return min(free)


def _number(path: Path, pattern: str = r"(\d+)", unknown: float = float("inf")) -> float:
    """The number in a file of the kernel's, where there is one."""
    try:
        match = re.search(pattern, path.read_text(encoding="utf-8"))
    except OSError:
        return unknown
    return float(match[1]) if match else unknown


@dataclass
class _Job:
    """A task, and what has become of it so far."""

    task: Task
    kills: int = 0
    images: int = 0


@dataclass
class _Worker:
    """One process, and the job that it is doing."""

    pool: ProcessPoolExecutor
    job: _Job
    messages: worker.Messages


class _Workers:
    """Workers that are at work or idle, and what they say."""

    def __init__(
        self,
        folder: Path,
        on_images: Callable[[str, int], None],
        on_warning: Callable[[str, str], None],
    ) -> None:
        self.folder, self.on_images, self.on_warning = folder, on_images, on_warning
        self.idle: list[ProcessPoolExecutor] = []
        self.busy: dict[Future[None], _Worker] = {}
        self.started = 0

    def start(self, job: _Job) -> None:
        """Give a job to a worker that is idle, or to a new one."""
        pool = self.idle.pop() if self.idle else _new_worker()
        path = self.folder / str(self.started)
        self.started += 1
        with _interrupts_held_back():  # the process is born now, and inherits it
            future = pool.submit(worker.work, job.task, path)
        self.busy[future] = _Worker(pool, job, worker.Messages(path))

    def done(self) -> Iterator[tuple[Future[None], _Worker]]:
        """Wait a little, pass messages on, and give what has come to an end."""
        ended, _ = wait(self.busy, worker.REPORT_EVERY, FIRST_COMPLETED)
        for at_work in self.busy.values():
            self._forward(at_work.job, at_work.messages)
        for future in ended:
            at_work = self.busy.pop(future)
            at_work.messages.path.unlink(missing_ok=True)
            yield future, at_work

    def _forward(self, job: _Job, messages: worker.Messages) -> None:
        for message in messages:
            if isinstance(message, str):
                self.on_warning(job.task.name, message)
            else:
                job.images += message
                self.on_images(job.task.name, message)

    def stop(self) -> None:
        """End our own processes and no others."""
        for pool in (*self.idle, *(at_work.pool for at_work in self.busy.values())):
            pool.shutdown(kill_workers=True)


def check(address: str | None) -> None:
    """Raise :class:`ConfigurationError` for an address: this machine has none."""
    if address is not None:
        raise ConfigurationError(
            f"The engine local takes no --address, and {address!r} was given; choose --engine ray "
            "or --engine slurm."
        )


def run(
    tasks: Sequence[Task],
    jobs: int | None,
    on_images: Callable[[str, int], None],
    on_warning: Callable[[str, str], None],
    address: str | None = None,
    folder: Path | None = None,
) -> Iterator[Task]:
    """Do tasks in worker processes, see :class:`sparsevae.studies.engines.Engine`.

    A task whose worker is killed goes on from its checkpoint in another one, after a few times
    with half as many workers; the other tasks go on meanwhile.

    Raises:
        RunFolderError: a worker is killed again and again even where it is alone.
    """
    waiting = deque(map(_Job, tasks))
    at_once, failures = jobs or cores(), list[BaseException]()
    with private_folder("sparsevae-messages-") as messages:
        workers = _Workers(messages, on_images, on_warning)
        try:
            while waiting or workers.busy:
                while waiting and len(workers.busy) < at_once:
                    workers.start(waiting.popleft())
                for future, at_work in workers.done():
                    error, job = future.exception(), at_work.job
                    if error is None:
                        workers.idle.append(at_work.pool)
                        yield job.task
                    elif isinstance(error, BrokenProcessPool):
                        job.kills += 1
                        if job.kills > ATTEMPTS and at_once == 1:
                            failures.append(_killed_too_often(error, job.task))
                            continue
                        if job.kills > ATTEMPTS:
                            at_once, job.kills = at_once // 2, 0
                        on_images(job.task.name, -job.images)
                        on_warning(job.task.name, _begun_again(error, at_once))
                        waiting.appendleft(_Job(job.task, job.kills))
                    else:
                        workers.idle.append(at_work.pool)
                        on_warning(job.task.name, f"It failed: {error}")
                        failures.append(error)
        finally:
            workers.stop()
    if failures:
        raise failures[0]


def _new_worker() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(
        1,
        context=get_context("loky"),
        initializer=worker.prepare,
        initargs=(os.getpid(),),
        env=worker.ENVIRONMENT,
    )


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Interrupts wait: a process that is born meanwhile never has one, this one gets it later."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _ended_by(error: BaseException) -> str:
    """The signal that ended a worker, or its exit status, as loky's message names it."""
    known = re.search(r"\{(SIG\w+|EXIT)\(-?(\d+)\)", str(error))
    if known is None:
        return "nobody knows what"
    return known[1] if known[1] != "EXIT" else f"exit status {known[2]}"


def _begun_again(error: BaseException, at_once: int) -> str:
    return (
        f"Its worker process was ended by {_ended_by(error)}; it goes on from its last "
        f"checkpoint, with up to {at_once} worker{'s' * (at_once > 1)}."
    )


def _killed_too_often(error: BaseException, task: Task) -> RunFolderError:
    return RunFolderError(
        f"The worker process of {task.name} was ended by {_ended_by(error)} again and again, "
        "perhaps for want of memory; start the same command again on a larger machine and it "
        "goes on from the last checkpoint."
    )
