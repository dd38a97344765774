"""Where data files are looked for, and the one folder where whatever can be made again is kept.

`SPARSEVAE_DATA` names folders of the user's own copies; they are read and never written.
`SPARSEVAE_CACHE` moves the cache from the platform's place. The cache is ours: whatever in it is
damaged is made again.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import platformdirs

from sparsevae.errors import OutputError
from sparsevae.storage.files import replacing

DATA_VARIABLE = "SPARSEVAE_DATA"
CACHE_VARIABLE = "SPARSEVAE_CACHE"


def data_folders() -> tuple[Path, ...]:
    """The folders in `SPARSEVAE_DATA`, joined there by the platform's path separator."""
    named = os.environ.get(DATA_VARIABLE, "").split(os.pathsep)
    return tuple(Path(name).expanduser() for name in named if name.strip())


def folder() -> Path:
    """The cache: `SPARSEVAE_CACHE`, or `sparsevae` in the platform's folder for caches."""
    named = os.environ.get(CACHE_VARIABLE, "").strip()
    return Path(named).expanduser() if named else platform_folder()


def platform_folder() -> Path:
    """`sparsevae` in the folder that the platform has for this user's caches."""
    return platformdirs.user_cache_path("sparsevae")


def copies(folders: Iterable[Path], name: str) -> list[Path]:
    """The files in `folders` that are called `name` or `name`.gz, in the order of the folders."""
    paths = [folder / called for folder in folders for called in (name, f"{name}.gz")]
    return [path for path in paths if os.path.isfile(path)]  # false also where it may not look


def store(name: str, content: bytes | bytearray) -> bool:
    """Keeps `content` in the cache as `name` (may contain folders), whole; false if it cannot."""
    target = folder() / name
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary:
            temporary.write_bytes(content)
    except (OSError, OutputError):
        return False
    return True
