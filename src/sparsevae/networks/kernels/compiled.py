"""Compile the C++ kernels once with the machine's own compiler, and load them.

The library lies in the user's cache under a name made of everything that could change its
machine code, so a new compiler, processor or version of the source never meets an old file.
"""

import contextlib
import functools
import hashlib
import os
import platform
import shlex
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Sequence
from ctypes import CDLL, Array, c_long, c_void_p
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from sparsevae.errors import OutputError
from sparsevae.storage import cache
from sparsevae.storage.files import replacing

_FOLDER = Path(__file__).parent
_SOURCES = ("strided.cpp", "linear.cpp", "score.cpp", "divergence.cpp")
_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-pthread", "-ffp-contract=fast")
_X86_VARIANTS = {
    "AVX512": ("avx512", ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma")),
    "AVX2": ("avx2", ("-mavx2", "-mfma")),
}
_SECONDS = 600.0  # a compiler that hangs must not hang the training


Argument = Tensor | Sequence[Tensor] | bool | None


class Native(NamedTuple):
    """The loaded library and its name, which ends in the instruction set."""

    name: str
    library: CDLL

    def run(self, function: str, sizes: Sequence[int], *arguments: Argument) -> None:
        """Call a function of the library; it uses as many threads as PyTorch may.

        Args:
            function: Its name without the prefix ``sparsevae_``.
            sizes: The fields of its first argument, a structure or an array of ``long``.
            arguments: Dense float32 tensors or lists of them, None for a null pointer, or flags.
        """
        threads = c_long(torch.get_num_threads())
        given = [_passed(argument) for argument in arguments]
        getattr(self.library, f"sparsevae_{function}")(_longs(sizes), threads, *given)


class Failure(NamedTuple):
    """Why there is no library, in words for the end of a sentence."""

    reason: str


@functools.cache
def load() -> Native | Failure:
    """Return the compiled kernels, building them at the first call of the first process."""
    compiler = _compiler()
    if compiler is None:
        return Failure("no C++ compiler (c++, g++ or clang++) was found")
    name, flags = _variant()
    try:
        return Native(f"native-{name}", _built([*compiler, *_FLAGS, *flags]))
    except subprocess.SubprocessError as error:
        return Failure(f"the C++ compiler failed: {_last_line(error)}")
    except OSError as error:
        return Failure(f"the C++ kernels could not be built or loaded: {error}")


def _compiler() -> list[str] | None:
    """The command; ``CXX``, which may hold options too, decides alone when it is set."""
    named = shlex.split(os.environ.get("CXX", ""))
    for name, *options in [named] if named else [["c++"], ["g++"], ["clang++"]]:
        path = shutil.which(name)
        if path:
            return [path, *options]
    return None


def _variant() -> tuple[str, tuple[str, ...]]:
    if platform.machine().lower() in ("x86_64", "amd64"):
        capability = torch.backends.cpu.get_cpu_capability()
        return _X86_VARIANTS.get(capability, ("generic", ()))
    return ("neon" if platform.machine() in ("arm64", "aarch64") else "generic"), ()


def _passed(argument: Argument) -> c_void_p | Array[c_void_p] | bool | None:
    """What ctypes takes for an argument."""
    if argument is None or isinstance(argument, bool):
        return argument
    if isinstance(argument, Tensor):
        return c_void_p(argument.data_ptr())
    return (c_void_p * len(argument))(*(tensor.data_ptr() for tensor in argument))


def _longs(values: Sequence[int]) -> Array[c_long]:
    return (c_long * len(values))(*values)


def _last_line(error: subprocess.SubprocessError) -> str:
    if isinstance(error, subprocess.TimeoutExpired):
        return f"no result within {error.timeout:.0f} seconds"
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[-1]


def _built(command: list[str]) -> CDLL:
    name = f"kernels-{_key(command)}.so"
    for folder in dict.fromkeys([cache.folder(), cache.platform_folder()]):
        try:
            return _kept(command, folder / "kernels" / name)
        except (OSError, OutputError):  # damaged, read-only, or open to others
            continue
    with tempfile.TemporaryDirectory() as private:  # built for this process alone
        library = Path(private) / name
        _compile(command, library)
        return CDLL(str(library))


def _kept(command: list[str], path: Path) -> CDLL:
    """The library at a path, built there unless it is whole; OSError if others may write there."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    if not _is_ours_alone(path.parent):
        raise PermissionError(f"others may write to {path.parent}")
    if path.is_file() and _is_ours_alone(path):
        with contextlib.suppress(OSError):
            return CDLL(str(path))
    with replacing(path) as temporary:
        _compile(command, temporary)
        temporary.chmod(0o755)
    return CDLL(str(path))


def _is_ours_alone(path: Path) -> bool:
    """Whether nobody but this user and the system's own can change what lies at a path.

    A library does whatever it likes in the process that loads it. On the way to the path a
    folder where everybody may create files but remove only their own, as /tmp, will do.
    """
    if not hasattr(os, "getuid"):  # Windows: a cache lies in the user's own profile
        return True
    path = path.resolve()
    for place in (path, *path.parents):
        status = place.stat()
        sticky = place != path and status.st_mode & stat.S_ISVTX
        by_group = status.st_mode & stat.S_IWGRP and not _is_own_group(status.st_gid)
        by_others = by_group or status.st_mode & stat.S_IWOTH
        if status.st_uid not in (os.getuid(), 0) or (by_others and not sticky):
            return False
    return True


def _is_own_group(number: int) -> bool:
    """Whether a group is the one that many systems make for a user alone, of the same name."""
    import grp
    import pwd

    try:
        group, user = grp.getgrgid(number), pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return False
    return group.gr_name == user and {*group.gr_mem} <= {user}


def _key(command: list[str]) -> str:
    binary = Path(command[0]).resolve()
    status = binary.stat()  # stands for the version, without starting the compiler
    parts = [str(binary), str(status.st_size), str(status.st_mtime_ns), *command]
    parts += [platform.machine(), platform.system()]
    parts += [source.read_text() for source in sorted(_FOLDER.glob("*.[ch]pp"))]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _compile(command: list[str], library: Path) -> None:
    sources = [str(_FOLDER / name) for name in _SOURCES]
    command = [*command, *sources, "-o", str(library)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
