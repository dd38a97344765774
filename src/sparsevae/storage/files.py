"""Files that are there whole or not at all: JSON, text and tensors; folders with one writer.

Each file is written under another name, brought to the disk, and renamed, so a crash leaves the
old one. What a killed process left under such a name is swept when its folder is opened again.
"""

import functools
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import safetensors
from filelock import FileLock, Timeout

from sparsevae.errors import OutputError, RunFolderError, TakenError

if TYPE_CHECKING:
    from torch import Tensor

LARGEST_JSON = 2**27  # bytes; a run's history of a million epochs is smaller
PICKLES = (b"PK\x03\x04", b"\x80")  # how the files of torch.save and of pickle begin
TEMPORARY = re.compile(
    r"\..+\.(?P<boot>[0-9a-f]{8})(?P<process>[0-9a-f]{8})[0-9a-f]{16}\.part", re.DOTALL
)
UNFINISHED = re.compile(
    r"\.tmp[0-9A-Za-z]{6}"
)  # a name that safetensors itself writes under first
LOCK = ".lock"
DAY = 86_400.0  # seconds
MINUTE = 60.0


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write a file to, renamed to ``path`` when the block ends well.

    No other process, on this machine or another one, is ever given the same name.

    Raises:
        OutputError: the folder is not writable or the disk is full.
    """
    temporary = _hidden(path)
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # else a power cut may keep the new name and lose the content
        os.replace(temporary, path)
    except (OSError, safetensors.SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"Cannot write {path}: {reason}.") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keeps every other process from writing to a folder inside a ``with`` block.

    The system frees the lock of a process that ends, however it ends. A file system without
    locks is written to without one. The lock is not reentrant.

    Raises:
        TakenError: another process holds the folder.
        OutputError: it is not writable.
    """
    make_folder(folder)
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(folder / LOCK, timeout=0))
        except Timeout:
            raise TakenError(
                f"Another process works on the folder {folder}; wait until it is done, or name "
                "another folder."
            ) from None
        except NotImplementedError:  # a file system without locks
            pass
        except OSError as error:
            raise OutputError(f"Cannot lock the folder {folder}: {error.strerror}.") from None
        sweep(folder, MINUTE)  # whoever wrote here before is gone
        yield


def sweep(folder: Path, age: float = DAY, names: Sequence[re.Pattern[str]] = (TEMPORARY,)) -> None:
    """Removes the temporary files that killed processes left in a folder.

    Args:
        folder: a folder that can be written to.
        age: seconds for which nobody has touched them, by the clock of the disk they lie on, so
            that machines whose clocks differ leave each other's files alone. Those of a process
            that is known to have ended go at once.
        names: of such files; in a folder that is ours alone :data:`UNFINISHED` ones as well.
    """
    entries = os.scandir(folder)
    left = [entry for entry in entries if any(name.fullmatch(entry.name) for name in names)]
    if not left:
        return
    with suppress(OSError):
        now = disk_time(folder)
        for entry in left:
            with suppress(OSError):  # another process swept it
                # A time to come is of a clock that has been set back since.
                idle = abs(now - entry.stat(follow_symlinks=False).st_mtime)
                if idle > age or _writer_has_ended(entry.name):
                    os.unlink(entry)


def _hidden(path: Path) -> Path:
    """A name beside a path that says which process of which machine writes there."""
    writer = f"{_this_boot() or secrets.token_hex(4)}{os.getpid():08x}"
    return path.with_name(f".{path.name}.{writer}{secrets.token_hex(8)}.part")


def _writer_has_ended(name: str) -> bool:
    """Whether the process that wrote a temporary file ran on this machine and runs no more."""
    writer = TEMPORARY.fullmatch(name)
    if not writer or writer["boot"] != _this_boot():
        return False
    try:
        os.kill(int(writer["process"], 16), 0)  # no signal, only the question
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        pass  # somebody else's
    return False


@functools.cache
def _this_boot() -> str | None:
    """8 hex digits for all processes that count each other by the same numbers; Linux alone."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text()
        return hashlib.sha256((boot + os.readlink("/proc/self/ns/pid")).encode()).hexdigest()[:8]
    except OSError:
        return None


@contextmanager
def private_folder(prefix: str) -> Iterator[Path]:
    """A folder among the system's temporary ones for the length of a ``with`` block.

    One that a killed process left is removed when the next one is made: its lock is free.

    Args:
        prefix: of its name.
    """
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        with suppress(OSError, Timeout):
            if time.time() - left.stat().st_mtime > MINUTE or (left / LOCK).exists():
                with FileLock(left / LOCK, timeout=0):
                    shutil.rmtree(left)
    with (
        tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True) as made,
        FileLock(Path(made) / LOCK),
    ):
        yield Path(made)


def disk_time(folder: Path) -> float:
    """Seconds since 1970 by the clock of the disk that a folder lies on.

    Raises:
        OSError: the folder is not writable.
    """
    clock = _hidden(folder / "clock")
    try:
        clock.touch()
        return clock.stat().st_mtime
    finally:
        clock.unlink(missing_ok=True)


def make_folder(path: Path) -> Path:
    """Create a folder, check that it can be written to, and sweep what was left there.

    Raises:
        OutputError: it is a file, or is not writable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = _hidden(path / "writable")
        probe.touch()
        probe.unlink()
        sweep(path)
    except OSError as error:
        why = "it is a file" if path.is_file() else error.strerror
        raise OutputError(f"Cannot write to the folder {path}: {why}.") from None
    return path


def check_folder(path: Path) -> None:
    """Raise :class:`OutputError` unless a folder can be written to, or made; nothing is made."""
    whole = path.absolute()
    there = next(folder for folder in (whole, *whole.parents) if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        why = "no permission" if there.is_dir() else "it is a file"
        if there != whole and not there.is_dir():
            why = f"{there} is a file"
        raise OutputError(f"Cannot write to the folder {path}: {why}.")


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one step; NaN is refused.

    Raises:
        OutputError: the folder is not writable or the disk is full.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text in one step.

    Raises:
        OutputError: the folder is not writable or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path, kind: type = dict) -> Any:
    """Read a JSON file of a run or a study.

    Args:
        path: the file.
        kind: what it must hold, a mapping or a list.

    Raises:
        RunFolderError: it is absent, damaged, may not be read, or holds something else.
    """
    try:
        if not path.parent.is_dir():
            what = "is a file" if path.parent.exists() else "is not there"
            raise RunFolderError(f"{path.parent} {what}; name the folder that training wrote.")
        if not path.exists():
            raise RunFolderError(f"{path.parent} is not finished: it has no {path.name}.")
        readable = path.is_file() and path.stat().st_size <= LARGEST_JSON
        content = json.loads(path.read_text(encoding="utf-8")) if readable else None
    except OSError as error:
        raise _unreadable(path, error) from None
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, kind):
        raise RunFolderError(f"{path} cannot be read; remove it and start again.")
    return content


def write_tensors(path: Path, tensors: Mapping[str, "Tensor"], metadata: dict[str, str]) -> None:
    """Write tensors as safetensors in one step, in plain memory order.

    Raises:
        OutputError: the folder is not writable or the disk is full.
    """
    from safetensors.torch import save_file

    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    with replacing(path) as temporary:
        temporary.touch()
        mode = stat.S_IMODE(temporary.stat().st_mode)
        save_file(plain, temporary, metadata)  # leaves a file that its owner alone may read
        with suppress(OSError):  # a file system without modes
            temporary.chmod(mode)


def read_tensors(path: Path) -> tuple[dict[str, "Tensor"], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        RunFolderError: the file is damaged, may not be read, or is a pickle.
    """
    with _opened(path) as file:
        tensors = {name: file.get_tensor(name) for name in list(file.keys())}
        return tensors, dict(file.metadata() or {})


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of a safetensors file, without reading the tensors.

    Raises:
        RunFolderError: the file is damaged, may not be read, or is a pickle.
    """
    with _opened(path) as file:
        return {name: tuple(file.get_slice(name).get_shape()) for name in list(file.keys())}


def read_metadata(path: Path) -> dict[str, str]:
    """The metadata of a safetensors file, without reading the tensors.

    Raises:
        RunFolderError: the file is damaged, may not be read, or is a pickle.
    """
    with _opened(path) as file:
        return dict(file.metadata() or {})


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A safetensors file; it is no mapping, although it has keys."""
    try:
        if not path.is_file():
            raise RunFolderError(f"{path} is no file; remove it and start again.")
        with path.open("rb") as start:
            first = start.read(9)  # of safetensors, the length of a header and its first brace
        if first.startswith(PICKLES) and first[8:] != b"{":
            raise RunFolderError(
                f"{path} is a pickle, which can run a program when it is loaded; only "
                "safetensors are loaded."
            )
        with safetensors.safe_open(path, framework="pt") as file:
            yield file
    except OSError as error:
        raise _unreadable(path, error) from None
    except safetensors.SafetensorError:
        raise RunFolderError(f"{path} is damaged; remove it and start again.") from None


def _unreadable(path: Path, error: OSError) -> RunFolderError:
    return RunFolderError(f"Cannot read {path}: {error.strerror or error}.")
