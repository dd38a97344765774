"""Tasks as array jobs of Slurm, submitted by submitit; a lost one is submitted again.

A task writes into its folder, and what it says on the way into a file beside submitit's own, all
of them in one folder that every machine sees. sbatch reads what a site needs besides from its own
environment, such as SBATCH_ACCOUNT and SBATCH_TIMELIMIT.
"""

import importlib
import json
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsevae.errors import ConfigurationError, SparseVAEError
from sparsevae.studies.engines import Task
from sparsevae.studies.engines.remote import (
    AT_ONCE,
    ATTEMPTS,
    Message,
    Parcel,
    Tally,
    attempt_name,
    lost_too_often,
    missing,
)

HERE = ("local", "debug")  # addresses that are no partitions: processes of this machine
MINUTES = 24 * 60  # that a job may take before it is submitted again from its checkpoint
WARNED = 120  # seconds before that, in which a job hands itself in again
MEMORY = 3  # GB a job
LOOK_EVERY = 1.0  # seconds; submitit asks Slurm less often
FOLDER = ".slurm"


def check(address: str | None) -> None:
    """See that submitit is installed, and Slurm where it is needed.

    Raises:
        ConfigurationError: it is not.
    """
    _submitit()
    if address not in HERE and shutil.which("sbatch") is None:
        raise ConfigurationError(
            "There is no sbatch on this machine; start the command on a login node of the Slurm "
            "cluster, or try it here with --address local."
        )


def run(
    tasks: Sequence[Task],
    jobs: int | None,
    on_images: Callable[[str, int], None],
    on_warning: Callable[[str, str], None],
    address: str | None = None,
    folder: Path | None = None,
) -> Iterator[Task]:
    """Do tasks as jobs, see :class:`sparsevae.studies.engines.Engine`.

    Args:
        tasks: submitted in this order.
        jobs: how many at a time; as many as Slurm allows when None.
        on_images: called with a task's name and a number of images.
        on_warning: called with a task's name and a line of text.
        address: a partition; the cluster's usual one when None; "local" for processes of this
            machine and "debug" for this very process, without Slurm.
        folder: that every machine sees.

    Raises:
        ConfigurationError: no folder is given.
        RunFolderError: the job of a task was lost again and again.
    """
    if folder is None:
        raise ConfigurationError("The engine slurm needs a folder that every machine sees.")
    place = folder.absolute() / FOLDER
    place.mkdir(parents=True, exist_ok=True)
    batch = _Batch(_executor(place, address, tasks, jobs), place, Tally(on_images, on_warning))
    waiting, failures = deque((task, 0) for task in tasks), list[SparseVAEError]()
    at_once = jobs or (1 if address in HERE else AT_ONCE)
    try:
        while waiting or batch.at_work:
            free = at_once - len(batch.at_work)
            batch.submit([waiting.popleft() for _ in range(min(free, len(waiting)))])
            for sent in batch.ended():
                error = sent.outcome()
                if error is None:
                    yield sent.task
                elif sent.lost and sent.kills < ATTEMPTS:
                    waiting.appendleft((sent.task, sent.kills + 1))
                else:
                    on_warning(sent.task.name, f"It failed: {error}")
                    failures.append(error)
        shutil.rmtree(place, ignore_errors=True)  # else its logs say what happened
    finally:
        batch.stop()
    if failures:
        raise failures[0]


@dataclass(frozen=True)
class Job:
    """What a job does; Slurm may stop it and start it again.

    Attributes:
        parcel: the task.
        messages: a file for what it says.
    """

    parcel: Parcel
    messages: Path

    def __call__(self) -> SparseVAEError | None:
        """Do the task.

        Returns:
            The user's mistake that ended it, if one did.
        """
        attempt = attempt_name()

        def send(message: Message) -> None:
            with self.messages.open("a", encoding="utf-8") as file:
                file.write(json.dumps([attempt, message]) + "\n")

        send(0)
        return self.parcel.do(send)

    def checkpoint(self) -> Any:
        """What submitit hands in when the job's time is up: the same, from its checkpoint."""
        return importlib.import_module("submitit").helpers.DelayedSubmission(self)


@dataclass
class _Sent:
    """A job that Slurm has, and the messages of its task that are read so far."""

    task: Task
    kills: int
    job: Any
    messages: Path
    place: int = 0
    lost: bool = False

    def outcome(self) -> SparseVAEError | None:
        """What the task has failed of, if it has."""
        with suppress(OSError):
            self.messages.unlink(missing_ok=True)
        try:
            error: SparseVAEError | None = self.job.result()
        except _submitit().core.utils.FailedJobError as raised:  # not a mistake that we know
            return SparseVAEError(f"{self.task.name} failed: {str(raised).strip()}")
        except _submitit().core.utils.UncompletedJobError as lost:
            self.lost = True
            why = str(lost).strip().partition("\n")[0]
            return lost_too_often(self.task, self.kills + 1, why)
        return error

    def read(self) -> Iterator[tuple[str, Message]]:
        """Messages that have come since, whole lines only."""
        if not self.messages.exists():
            return
        with self.messages.open("rb") as file:
            file.seek(self.place)
            whole, end, _ = file.read().rpartition(b"\n")
        self.place += len(whole) + len(end)
        for line in whole.splitlines():
            attempt, message = json.loads(line)
            yield attempt, message


class _Batch:
    """The jobs that are submitted and not ended."""

    def __init__(self, executor: Any, place: Path, tally: Tally) -> None:
        self.executor, self.place, self.tally = executor, place, tally
        self.at_work: list[_Sent] = []

    def submit(self, tasks: list[tuple[Task, int]]) -> None:
        """Submit tasks as one array."""
        if not tasks:
            return
        files = [self.place / f"{attempt_name()}.messages" for _ in tasks]
        with self.executor.batch():
            jobs = [
                self.executor.submit(Job(Parcel.of(task), file))
                for (task, _), file in zip(tasks, files, strict=True)
            ]
        self.at_work += [
            _Sent(task, kills, job, file)
            for (task, kills), job, file in zip(tasks, jobs, files, strict=True)
        ]

    def ended(self) -> list[_Sent]:
        """Wait a little, pass messages on, and give what has come to an end."""
        time.sleep(LOOK_EVERY)
        done = [sent for sent in self.at_work if sent.job.done()]
        for sent in self.at_work:
            for attempt, message in sent.read():
                self.tally.take(sent.task.name, attempt, message)
        self.at_work = [sent for sent in self.at_work if sent not in done]
        return done

    def stop(self) -> None:
        """Cancel what is still submitted: our own jobs and no others."""
        for sent in self.at_work:
            with suppress(OSError, RuntimeError):
                sent.job.cancel(check=False)


def _executor(place: Path, address: str | None, tasks: Sequence[Task], jobs: int | None) -> Any:
    """Slurm's executor, or one of those that need no Slurm, with what a run takes."""
    executor = _submitit().AutoExecutor(place, cluster=address if address in HERE else "slurm")
    executor.update_parameters(
        name="sparsevae",
        timeout_min=MINUTES,
        cpus_per_task=1,
        mem_gb=MEMORY,
        gpus_per_node=int(any(task.on_gpu for task in tasks)),
        slurm_array_parallelism=jobs or AT_ONCE,
        slurm_signal_delay_s=WARNED,
        **({} if address in (None, *HERE) else {"slurm_partition": address}),
    )
    return executor


def _submitit() -> Any:
    try:
        return importlib.import_module("submitit")
    except ImportError:
        raise missing("submitit", "slurm") from None
