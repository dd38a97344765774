"""Where data files are looked for, and the folder where downloaded and parsed ones are kept.

`SPARSEVAE_DATA` names folders of the user's own copies; they are read and never written.
`SPARSEVAE_CACHE` moves the cache from the platform's place. The cache is ours: whatever in it is
damaged is made again.
"""

import os
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

DATA_VARIABLE = "SPARSEVAE_DATA"
CACHE_VARIABLE = "SPARSEVAE_CACHE"


def data_folders() -> tuple[Path, ...]:
    """The folders in `SPARSEVAE_DATA`, joined there by the platform's path separator."""
    named = os.environ.get(DATA_VARIABLE, "").split(os.pathsep)
    return tuple(Path(name).expanduser() for name in named if name.strip())


def folder() -> Path:
    """The cache: `SPARSEVAE_CACHE`, or `sparsevae` in the platform's folder for caches."""
    named = os.environ.get(CACHE_VARIABLE, "").strip()
    if named:
        return Path(named).expanduser()
    import pooch

    return Path(pooch.os_cache("sparsevae"))


def copies(folders: Iterable[Path], name: str) -> list[Path]:
    """The files in `folders` that are called `name` or `name`.gz, in the order of the folders."""
    paths = [folder / called for folder in folders for called in (name, f"{name}.gz")]
    return [path for path in paths if os.path.isfile(path)]  # false also where it may not look


def store(name: str, content: bytes | bytearray) -> bool:
    """Keeps `content` in the cache as `name` (may contain folders); false where it cannot.

    It is written under a temporary name and renamed, so a reader sees all of it or none.
    """
    target = folder() / name
    temporary: Path | None = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
        temporary.replace(target)
    except OSError:
        if temporary is not None:
            with suppress(OSError):
                temporary.unlink()
        return False
    return True
