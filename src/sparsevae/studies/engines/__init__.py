"""Where the tasks of a study are done; an engine is one file with ``check`` and ``run``.

An engine is given tasks, does each of them in a process that
:func:`sparsevae.studies.engines.worker.prepare` has set up, and gives back each task that is
done. A task writes into a folder and goes on from a checkpoint there, so an engine may begin it
anew at any time.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from sparsevae.errors import ConfigurationError

ENGINES = {
    "local": "sparsevae.studies.engines.local",
    "ray": "sparsevae.studies.engines.on_ray",
    "slurm": "sparsevae.studies.engines.on_slurm",
}


@dataclass(frozen=True)
class Task(ABC):
    """Work that a worker process does from this value alone.

    Attributes:
        name: what its messages go under.
        plugins: files or modules that are imported before.
    """

    name: str
    plugins: tuple[str, ...]

    @property
    def on_gpu(self) -> bool:
        """Whether an engine that hands GPUs out must give it a share of one."""
        return False

    @abstractmethod
    def do(self, on_images: Callable[[int], None], on_warning: Callable[[str], None]) -> None:
        """Do the work.

        Args:
            on_images: called with a number of images that have been trained on since.
            on_warning: called with a line of text.
        """


class Engine(Protocol):
    """The contract of an engine."""

    def __call__(
        self,
        tasks: Sequence[Task],
        jobs: int | None,
        on_images: Callable[[str, int], None],
        on_warning: Callable[[str, str], None],
    ) -> Iterator[Task]:
        """Do tasks, several at a time, and stop them all when interrupted.

        Args:
            tasks: started in this order.
            jobs: how many at a time; as many as there is room for when None.
            on_images: called with a task's name and a number of images it has done since; it
                is negative when a task goes back to its checkpoint.
            on_warning: called with a task's name and a line of text.

        Yields:
            Each task when it is done.

        Raises:
            SparseVAEError: what the first task raised that failed; the others are done first.
        """


def engine(name: str, address: str | None = None, folder: Path | None = None) -> Engine:
    """The engine of that name, ready to work.

    Args:
        name: a key of :data:`ENGINES`.
        address: of a cluster, in the engine's own form; None for the engine's usual one.
        folder: that every worker sees under the same path; engines on one machine need none.

    Raises:
        ConfigurationError: there is none, it does not take that address, or a package is missing
            that it needs.
    """
    if name not in ENGINES:
        raise ConfigurationError(f"There is no engine {name!r}; choose from {', '.join(ENGINES)}.")
    module = import_module(ENGINES[name])
    module.check(address)
    return cast(Engine, partial(module.run, address=address, folder=folder))
