"""Tasks on a Ray cluster: each is one Ray task with one core, and a lost one is begun again.

A task writes into its folder, which every node sees under the same path. What it says on the way
goes through one small actor beside the caller. Moritz et al., "Ray" (OSDI 2018).
"""

import importlib
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsevae.errors import ConfigurationError, DeviceError, SparseVAEError
from sparsevae.studies.engines import Task
from sparsevae.studies.engines.local import cores
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
from sparsevae.studies.engines.worker import REPORT_EVERY, THREADS

GPU_SHARE = 0.25  # of a GPU that a run is given: small models leave most of one idle
STORE = 80_000_000  # bytes of a local cluster's object store; results are in folders
FLUSH = 5.0  # seconds that a worker waits for the caller to hear its last words
# Milliseconds until a connection without traffic is asked whether anybody is there, and until the
# answer must be there. Ray itself waits seven minutes for a machine that is stopped or cut off.
# Its servers end a connection that asks more than once a minute (src/ray/rpc/grpc_server.cc).
ALIVE = {
    "RAY_grpc_client_keepalive_time_ms": "70000",
    "RAY_grpc_client_keepalive_timeout_ms": "30000",
}


def check(address: str | None) -> None:
    """See that Ray is installed, and that the address is one of a cluster that we can join.

    Raises:
        ConfigurationError: it is not.
    """
    _ray()
    if address is not None and "://" in address:
        raise ConfigurationError(
            f"The engine ray takes --address auto or HOST:PORT on a machine of the cluster, not "
            f"{address!r}; submit the command with 'ray job submit' from elsewhere."
        )


def run(
    tasks: Sequence[Task],
    jobs: int | None,
    on_images: Callable[[str, int], None],
    on_warning: Callable[[str, str], None],
    address: str | None = None,
    folder: Path | None = None,
) -> Iterator[Task]:
    """Do tasks on a cluster, see :class:`sparsevae.studies.engines.Engine`.

    Args:
        tasks: started in this order.
        jobs: how many at a time; as many as the cluster has cores for when None.
        on_images: called with a task's name and a number of images.
        on_warning: called with a task's name and a line of text.
        address: "auto" or HOST:PORT of a cluster; None starts one of this machine alone.
        folder: is not needed: tasks name their own.

    Raises:
        DeviceError: tasks need a GPU and the cluster has none.
        RunFolderError: the worker of a task was lost again and again.
    """
    ray, failures = _ray(), list[BaseException]()
    with _joined(ray, address, jobs):
        if any(task.on_gpu for task in tasks) and not ray.cluster_resources().get("GPU"):
            raise DeviceError("The Ray cluster has no GPU; use --device cpu.")
        cluster = _Cluster.of(ray, Tally(on_images, on_warning))
        waiting, at_work = deque(tasks), dict[Any, Task]()
        try:
            while waiting or at_work:
                while waiting and len(at_work) < (jobs or AT_ONCE):
                    task = waiting.popleft()
                    at_work[cluster.start(task)] = task
                ended, _ = ray.wait([*at_work], num_returns=1, timeout=REPORT_EVERY)
                cluster.listen()
                for reference in ended:
                    task = at_work.pop(reference)
                    cluster.tally.forget(task.name)
                    error = _outcome(ray, reference, task)
                    if error is None:
                        yield task
                    else:
                        on_warning(task.name, f"It failed: {error}")
                        failures.append(error)
        finally:
            cluster.stop(at_work)
    if failures:
        raise failures[0]


class Mailbox:
    """What workers say, until the caller takes it."""

    def __init__(self) -> None:
        self.images: dict[tuple[str, str], int] = {}
        self.lines: list[tuple[str, str, str]] = []

    def tell(self, name: str, attempt: str, message: Message) -> None:
        """Keep a message of an attempt at a task."""
        if isinstance(message, str):
            self.lines.append((name, attempt, message))
        else:
            self.images[name, attempt] = self.images.get((name, attempt), 0) + message

    def take(self) -> list[tuple[str, str, Message]]:
        """Everything that has come since the last call."""
        counts: list[tuple[str, str, Message]] = [(*key, n) for key, n in self.images.items()]
        taken = [*counts, *self.lines]
        self.images, self.lines = {}, []
        return taken


def work(parcel: Parcel, mailbox: Any) -> SparseVAEError | None:
    """Do a task in a worker of the cluster.

    Returns:
        The user's mistake that ended it, if one did.
    """
    ray, attempt = _ray(), attempt_name()
    mailbox.tell.remote(parcel.name, attempt, 0)
    error = parcel.do(lambda message: mailbox.tell.remote(parcel.name, attempt, message))
    with suppress(ray.exceptions.RayError):  # the caller may be gone
        ray.get(mailbox.tell.remote(parcel.name, attempt, 0), timeout=FLUSH)
    return error


@dataclass
class _Cluster:
    """A cluster that we have joined: what is done there, and what comes back."""

    ray: Any
    tally: Tally
    mailbox: Any
    work: Any

    @classmethod
    def of(cls, ray: Any, tally: Tally) -> "_Cluster":
        # Beside the caller: a node that dies takes no message of another one with it.
        node = ray.get_runtime_context().get_node_id()
        strategies = importlib.import_module("ray.util.scheduling_strategies")
        beside = strategies.NodeAffinitySchedulingStrategy(node, soft=False)
        mailbox = ray.remote(num_cpus=0, scheduling_strategy=beside)(Mailbox).remote()
        options = {
            "num_cpus": 1,
            "max_retries": ATTEMPTS,
            "retry_exceptions": False,
            "scheduling_strategy": "SPREAD",
            "runtime_env": {"env_vars": dict.fromkeys(THREADS, "1")},
        }
        return cls(ray, tally, mailbox, ray.remote(**options)(work))

    def start(self, task: Task) -> Any:
        """A reference to what will have become of a task."""
        share = GPU_SHARE if task.on_gpu else 0
        called = self.work.options(name=task.name, num_gpus=share)
        return called.remote(Parcel.of(task), self.mailbox)

    def listen(self) -> None:
        """Pass on what workers have said."""
        for message in self.ray.get(self.mailbox.take.remote()):
            self.tally.take(*message)

    def stop(self, at_work: dict[Any, Task]) -> None:
        """End what is still at work, our own tasks and no others."""
        with suppress(self.ray.exceptions.RayError):
            for reference in at_work:
                self.ray.cancel(reference, force=True)
            self.ray.kill(self.mailbox)


def _outcome(ray: Any, reference: Any, task: Task) -> BaseException | None:
    """What a task has failed of, if it has."""
    try:
        error: BaseException | None = ray.get(reference)
    except ray.exceptions.RayTaskError as raised:
        cause = getattr(raised, "cause", None)
        if isinstance(cause, ImportError):
            return ConfigurationError(
                f"A machine of the cluster cannot do {task.name}: {cause}; install the same "
                "version of sparsevae, with its plugins, on every machine."
            )
        return cause if isinstance(cause, BaseException) else raised
    except ray.exceptions.RayError as lost:
        return lost_too_often(task, ATTEMPTS + 1, type(lost).__name__)
    return error


@contextmanager
def _joined(ray: Any, address: str | None, jobs: int | None) -> Iterator[None]:
    """Be a driver of a cluster; one that the caller has joined already is left as it is."""
    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "error"}
    if address is None:
        options |= {"num_cpus": jobs or cores(), "object_store_memory": STORE}
        options |= {"include_dashboard": False, "_system_config": {"worker_niceness": 0}}
    try:
        ray.init(address or "local", **options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        reason = str(error).strip().partition("\n")[0].rstrip(".")
        raise ConfigurationError(
            f"Cannot join the Ray cluster at {address or 'local'}: {reason}; start it with 'ray "
            "start --head', and this command on one of its machines."
        ) from None
    try:
        yield
    finally:
        ray.shutdown()


def _ray() -> Any:
    """Ray, imported only where it is used: it takes seconds."""
    for name, value in {"RAY_USAGE_STATS_ENABLED": "0", **ALIVE}.items():
        os.environ.setdefault(name, value)
    try:
        return importlib.import_module("ray")
    except ImportError:
        raise missing("ray", "ray") from None
