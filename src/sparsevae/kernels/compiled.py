"""Compile the C++ kernels once with the machine's own compiler, and load them.

The library lies in the user's cache under a name made of everything that could change its
machine code, so a new compiler, processor or version of the source never meets an old file.
"""

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import NamedTuple

import torch

_SOURCES = ("strided.cpp", "matrices.hpp")
_FLAGS = ("-O3", "-std=c++17", "-shared", "-fPIC", "-pthread", "-ffp-contract=fast")
_X86_VARIANTS = {
    "AVX512": ("avx512", ("-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl", "-mfma")),
    "AVX2": ("avx2", ("-mavx2", "-mfma")),
}
_SECONDS = 120.0  # a compiler that hangs must not hang the training


class Native(NamedTuple):
    """The loaded library and the name of its instruction set."""

    name: str
    library: ctypes.CDLL


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
        return Native(f"native-{name}", _built(compiler, (*_FLAGS, *flags)))
    except subprocess.SubprocessError as error:
        return Failure(f"the C++ compiler failed: {_last_line(error)}")
    except OSError as error:
        return Failure(f"the C++ kernels could not be built or loaded: {error}")


def _compiler() -> str | None:
    """``CXX`` decides alone when it is set."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    return next((path for path in map(shutil.which, names) if path), None)


def _variant() -> tuple[str, tuple[str, ...]]:
    if platform.machine().lower() in ("x86_64", "amd64"):
        capability = torch.backends.cpu.get_cpu_capability()
        return _X86_VARIANTS.get(capability, ("generic", ()))
    return ("neon" if platform.machine() in ("arm64", "aarch64") else "generic"), ()


def _last_line(error: subprocess.SubprocessError) -> str:
    lines = str(getattr(error, "stderr", None) or error).strip().splitlines()
    return lines[-1]


def _built(compiler: str, flags: tuple[str, ...]) -> ctypes.CDLL:
    path = _cache_folder() / f"kernels-{_key(compiler, flags)}.so"
    if path.exists():
        return ctypes.CDLL(str(path))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=path.parent)
    except OSError:  # a read-only home: built for this process alone
        with tempfile.TemporaryDirectory() as private:
            return ctypes.CDLL(str(_compile(compiler, flags, Path(private))))
    with folder:
        # The rename is atomic: another process sees the whole library or none.
        _compile(compiler, flags, Path(folder.name)).replace(path)
    return ctypes.CDLL(str(path))


def _cache_folder() -> Path:
    if os.environ.get("SPARSEVAE_CACHE"):
        return Path(os.environ["SPARSEVAE_CACHE"]) / "kernels"
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "sparsevae" / "kernels"


def _key(compiler: str, flags: tuple[str, ...]) -> str:
    binary = Path(compiler).resolve()
    status = binary.stat()  # stands for the version, without starting the compiler
    parts = [str(binary), str(status.st_size), str(status.st_mtime_ns), *flags]
    parts += [platform.machine(), platform.system()]
    parts += [(Path(__file__).parent / source).read_text() for source in _SOURCES]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]


def _compile(compiler: str, flags: tuple[str, ...], folder: Path) -> Path:
    source, result = Path(__file__).parent / _SOURCES[0], folder / "kernels.so"
    command = [compiler, *flags, str(source), "-o", str(result)]
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=_SECONDS)
    return result
