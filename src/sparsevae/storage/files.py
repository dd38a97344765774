"""Files that are there whole or not at all: JSON, text and tensors.

Each is written under another name and then renamed, so a crash leaves the old file.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import safetensors
from safetensors.torch import save_file
from torch import Tensor

from sparsevae.errors import OutputError, RunFolderError

LARGEST_JSON = 2**27  # bytes; a run's history of a million epochs is smaller
PICKLES = (b"PK\x03\x04", b"\x80")  # how the files of torch.save and of pickle begin


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to, renamed to ``path`` when the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    except (OSError, safetensors.SafetensorError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"Cannot write {path}: {reason}.") from None
    finally:
        temporary.unlink(missing_ok=True)


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
        RunFolderError: it is absent, damaged, or holds something else.
    """
    if not path.exists():
        raise RunFolderError(f"{path.parent} is not finished: it has no {path.name}.")
    try:
        readable = path.is_file() and path.stat().st_size <= LARGEST_JSON
        found = json.loads(path.read_text(encoding="utf-8")) if readable else None
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, kind):
        raise RunFolderError(f"{path} cannot be read; remove it and start again.")
    return found


def make_folder(path: Path) -> Path:
    """Create a folder and check that it can be written to.

    Raises:
        OutputError: it is a file, or is not writable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        why = "it is a file" if path.is_file() else error.strerror
        raise OutputError(f"Cannot write to the folder {path}: {why}.") from None
    return path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes off a folder meanwhile.

    Raises:
        OutputError: another process works there.
    """
    lock = filelock.FileLock(folder / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise OutputError(f"Another process works on {folder}; wait until it is done.") from None
    try:
        yield
    finally:
        lock.release()


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
    """Write tensors as safetensors in one step, in plain memory order.

    Raises:
        OutputError: the folder is not writable or the disk is full.
    """
    plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        RunFolderError: the file is damaged, or is a pickle.
    """
    _refuse_pickle(path)
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            tensors = {
                name: opened.get_tensor(name)
                for name in opened.keys()  # noqa: SIM118 (not a mapping)
            }
            return tensors, dict(opened.metadata() or {})
    except (OSError, safetensors.SafetensorError):
        raise RunFolderError(f"{path} is damaged; remove it and start again.") from None


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """The shapes of the tensors of a safetensors file, without reading the tensors.

    Raises:
        RunFolderError: the file is damaged, or is a pickle.
    """
    _refuse_pickle(path)
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            names = list(opened.keys())  # not a mapping
            return {name: tuple(opened.get_slice(name).get_shape()) for name in names}
    except (OSError, safetensors.SafetensorError):
        raise RunFolderError(f"{path} is damaged; remove it and start again.") from None


def _refuse_pickle(path: Path) -> None:
    if not path.is_file():
        raise RunFolderError(f"{path} is no file; remove it and start again.")
    with path.open("rb") as file:
        start = file.read(9)  # of safetensors, the length of a header and the brace it opens with
        if start.startswith(PICKLES) and start[8:] != b"{":
            raise RunFolderError(
                f"{path} is a pickle, which can run a program when it is loaded; only "
                "safetensors are loaded."
            )
