"""A folder's one writer among processes of several machines.

The system's lock (:func:`sparsevae.storage.files.locked`) decides on one machine. Across machines
a lock may not hold, or may be held for ever by a process that is stopped or cut off. So whoever
writes also keeps a lease, a small file with the owner's name, which it renews while it works and
reads before every write. A process that finds another owner there stops. Gray and Cheriton,
"Leases" (1989).
"""

import json
import os
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from sparsevae.errors import TakenError
from sparsevae.storage.files import (
    TEMPORARY,
    UNFINISHED,
    disk_time,
    locked,
    make_folder,
    sweep,
    write_json,
)

LEASE = ".lease"
RENEW_EVERY = 30.0  # seconds
STALE = 300.0  # seconds without a renewal, after which another machine's process counts as gone
LOOK_EVERY = 1.0  # seconds between two looks at a lease that may be stale


@dataclass
class Lease:
    """What says that a folder is ours to write into.

    Attributes:
        folder: that it is about.
        owner: a name that nobody else has.
        renewed: when it was last renewed, by this process's own clock.
    """

    folder: Path
    owner: str = field(default_factory=lambda: uuid.uuid4().hex)
    renewed: float = field(default_factory=time.monotonic)

    def check(self) -> None:
        """See that nobody has taken the folder over.

        Raises:
            TakenError: somebody has.
        """
        if read_lease(self.folder).get("owner") != self.owner:
            raise TakenError(
                f"Another process has taken over the folder {self.folder}; this one writes "
                "nothing more into it."
            )

    def renew(self) -> None:
        """Say that the owner is at work, where that was not said for a while.

        Raises:
            TakenError: somebody has taken the folder over.
        """
        if time.monotonic() - self.renewed < RENEW_EVERY:
            return
        self.check()
        with suppress(OSError):  # gone since, as the next check finds
            os.utime(self.folder / LEASE)
        self.renewed = time.monotonic()

    def renewing(self, progress: Callable[[int], None]) -> Callable[[int], None]:
        """The same progress, which renews the lease as well."""

        def renew_and_tell(images: int) -> None:
            self.renew()
            progress(images)

        return renew_and_tell


@contextmanager
def leased(
    folder: Path, command: str = "", say: Callable[[str], None] = lambda line: None
) -> Iterator[Lease]:
    """Keep every other process, on any machine, from writing to a folder inside a ``with`` block.

    Args:
        folder: is made where it does not exist.
        command: name of the command on whose behalf this process works. A process takes over at
            once from another one of the same command: its engine begins a task anew only when the
            worker before is dead or cannot be reached.
        say: told that this process waits until a lease is stale.

    Raises:
        TakenError: another process works there.
        OutputError: the folder is not writable.
    """
    make_folder(folder)
    with ExitStack() as held:
        try:
            held.enter_context(locked(folder))
        except TakenError:
            if not _is_of(folder, command):
                raise
        if not _is_of(folder, command):
            _await_stale(folder, say)
        lease = Lease(folder)
        content = {"owner": lease.owner, "command": command, "machine": _machine()}
        write_json(folder / LEASE, {**content, "host": socket.gethostname(), "pid": os.getpid()})
        sweep(folder, 0.0, (TEMPORARY, UNFINISHED))  # whoever wrote here before writes no more
        try:
            yield lease
        finally:
            if read_lease(folder).get("owner") == lease.owner:
                with suppress(OSError):
                    (folder / LEASE).unlink()


def read_lease(folder: Path) -> dict[str, object]:
    """What the lease of a folder says; empty where there is none, or none that can be read."""
    try:
        content = json.loads((folder / LEASE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _is_of(folder: Path, command: str) -> bool:
    return bool(command) and read_lease(folder).get("command") == command


def _await_stale(folder: Path, say: Callable[[str], None]) -> None:
    """Wait until nobody on another machine can be at work in a folder whose lock is ours.

    On this machine the lock says it: the system frees that of a process that has ended.
    """
    kept = read_lease(folder)
    if not kept or kept.get("machine") == _machine():
        return
    stamp, began = _stamp(folder), time.monotonic()
    if stamp is not None and disk_time(folder) - stamp > STALE:
        return
    say(
        f"{folder} was last written on {kept.get('host')}; it is taken over when nothing has come "
        f"from there for {STALE / 60:.0f} minutes."
    )
    while time.monotonic() - began < STALE:
        time.sleep(min(LOOK_EVERY, STALE))
        now = _stamp(folder)
        if now is None:  # its owner is done
            return
        if now != stamp:
            raise TakenError(
                f"A process on {kept.get('host')} works on the folder {folder}; wait until it is "
                "done, or name another folder."
            )


def _stamp(folder: Path) -> float | None:
    try:
        return (folder / LEASE).stat().st_mtime
    except OSError:
        return None


def _machine() -> str:
    """What processes have in common that see each other's locks: the running kernel."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return socket.gethostname()
