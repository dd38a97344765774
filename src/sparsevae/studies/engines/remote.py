"""What engines for many machines share: a task on its way, and what comes back.

A task travels as bytes, with the versions that its sender has. A machine with others refuses it,
since its numbers might differ. A user's mistake comes back as a value: it is not tried again.
"""

import hashlib
import os
import pickle
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cloudpickle  # type: ignore[import-untyped] # it brings no annotations

import sparsevae
from sparsevae.errors import ConfigurationError, RunFolderError, SparseVAEError
from sparsevae.studies.engines import Task

ATTEMPTS = 3  # times that a task is begun again whose worker was lost
AT_ONCE = 1000  # tasks that a cluster is given at a time, so that a large grid takes no memory
SOURCES = (".py", ".cpp", ".hpp", ".toml")
LOST = "Its worker was lost; it goes on from its last checkpoint in another one."
Message = int | str


@lru_cache(maxsize=1)
def known() -> dict[str, str]:
    """What must be the same on every machine of a study: versions, and the package's sources."""
    from sparsevae.runs.folder import versions

    root, checksum = Path(sparsevae.__file__).parent, hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in SOURCES):
        checksum.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    python = versions()["python"].rpartition(".")[0]
    return {**versions(), "python": python, "sources": checksum.hexdigest()[:12]}


@dataclass(frozen=True)
class Parcel:
    """A task on its way to another machine.

    Attributes:
        name: of the task.
        content: the task as bytes.
        known: to its sender, see :func:`known`.
    """

    name: str
    content: bytes
    known: dict[str, str]

    @classmethod
    def of(cls, task: Task) -> "Parcel":
        """The task, packed."""
        return cls(task.name, cloudpickle.dumps(task), known())

    def do(self, send: Callable[[Message], None]) -> SparseVAEError | None:
        """Do the task in this process, which does nothing else.

        Args:
            send: see :func:`sparsevae.studies.engines.worker.do`.

        Returns:
            The user's mistake that ended it, if one did.
        """
        from sparsevae.studies.engines import worker
        from sparsevae.training import loop

        os.environ.update(dict.fromkeys(worker.THREADS, "1"))
        loop.prepare_process()
        try:
            self._compare()
            worker.do(pickle.loads(self.content), send)
        except SparseVAEError as error:
            return error
        return None

    def _compare(self) -> None:
        here = known()
        different = [
            f"{name} {here[name]}, not {self.known[name]}"
            for name in here
            if here[name] != self.known[name]
        ]
        if different:
            raise ConfigurationError(
                f"The machine {socket.gethostname()} has {'; '.join(different)}: install the same "
                "versions on every machine of a study, for numbers may depend on them."
            )


@dataclass
class Tally:
    """What tasks have said so far, passed on; one that begins anew gives its images back.

    Attributes:
        on_images: of the engine's caller.
        on_warning: of the engine's caller.
    """

    on_images: Callable[[str, int], None]
    on_warning: Callable[[str, str], None]
    _attempts: dict[str, str] = field(default_factory=dict)
    _former: set[str] = field(default_factory=set)
    _images: dict[str, int] = field(default_factory=dict)

    def take(self, name: str, attempt: str, message: Message) -> None:
        """Pass a message on, but none of a worker that was given up.

        Args:
            name: of the task.
            attempt: a name of the attempt that nothing else has.
            message: a number of images, or a line.
        """
        if attempt in self._former:
            return
        before = self._attempts.setdefault(name, attempt)
        if before != attempt:
            self._former.add(before)
            self._attempts[name] = attempt
            self.on_images(name, -self._images.pop(name, 0))
            self.on_warning(name, LOST)
        if isinstance(message, str):
            self.on_warning(name, message)
        else:
            self._images[name] = self._images.get(name, 0) + message
            self.on_images(name, message)

    def forget(self, name: str) -> None:
        """The task is done: nothing of it is kept."""
        self._former.discard(self._attempts.pop(name, ""))
        self._images.pop(name, None)


def attempt_name() -> str:
    """A name that no other attempt has, on any machine."""
    return uuid.uuid4().hex


def lost_too_often(task: Task, times: int, why: str) -> RunFolderError:
    """What is raised when a task's worker is lost again and again."""
    return RunFolderError(
        f"The worker of {task.name} was lost {times} times ({why}), perhaps for want of "
        "memory; start the same command again on larger machines and it goes on from the last "
        "checkpoint."
    )


def missing(package: str, name: str) -> ConfigurationError:
    """What is raised where an engine's package is not installed."""
    return ConfigurationError(
        f"The engine {name} needs the package {package}; install it with "
        f"pip install 'sparsevae[{name}]', on every machine of the cluster."
    )
