"""Finished runs taken over from other folders, and kept in one small file for that.

``runs.jsonl.xz`` holds what is written of runs as JSON, one run a line:

    path     of the run folder, from where the file is
    files    content of config.json, history.json, diagnostics.json and metrics.json, by name

A run that is taken over from it is finished and has all its numbers, but neither weights nor
pictures.
"""

import json
import lzma
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.runs.folder import KEPT, RunFolder
from sparsevae.storage.files import make_folder, read_json, replacing, write_json
from sparsevae.training.config import RunConfig

ARCHIVE = "runs.jsonl.xz"
LAST = "metrics.json"  # marks a finished run
Reused = Path | str | Iterable[Path | str]


@dataclass(frozen=True)
class Kept:
    """A finished run that may be taken over.

    Attributes:
        path: where it was.
        config: of the run, as JSON.
        data_sha256: checksum of its data.
        files: of an archive, by name; None for a run folder.
    """

    path: Path
    config: Mapping[str, Any]
    data_sha256: str
    files: Mapping[str, Any] | None = None

    def key(self) -> str | None:
        """See :func:`run_key`; None for settings of an earlier version."""
        try:
            return run_key(RunConfig.checked(self.config), self.data_sha256)
        except ConfigurationError:
            return None

    def copy(self, target: Path) -> None:
        """Write the run's files into another folder, each whole, its metrics last.

        Raises:
            OutputError: the folder cannot be written to.
        """
        if self.files is None:
            RunFolder(self.path).copy_to(target)
            return
        make_folder(target)
        for name in KEPT:
            if name in self.files:
                write_json(target / name, self.files[name])


def run_key(config: RunConfig, data_sha256: str) -> str:
    """What two runs with the same settings and data have in common, in whatever order."""
    return json.dumps(config.model_dump(mode="json"), sort_keys=True) + data_sha256


def folders_of(reuse: Reused) -> list[Path]:
    """The folders to take runs over from.

    Args:
        reuse: one folder or several.

    Raises:
        RunFolderError: one is no folder.
    """
    several = [reuse] if isinstance(reuse, str | Path) else reuse
    folders = [Path(folder) for folder in several]
    for folder in folders:
        if not folder.is_dir():
            raise RunFolderError(f"{folder} is no folder; name one with finished runs.")
    return folders


def take_over(
    runs: Mapping[Path, RunConfig],
    data_sha256: str,
    folders: Iterable[Path],
    say: Callable[[str], None],
) -> None:
    """Copy finished runs of the same configuration and data from other folders.

    Args:
        runs: what is wanted, by the folder it goes to.
        data_sha256: checksum of the data of them all.
        folders: are searched for run folders and archives.
        say: told what was taken from where, and of a folder that holds nothing that fits.

    Raises:
        RunFolderError: an archive is damaged.
        OutputError: a run cannot be written.
    """
    wanted = {run_key(config, data_sha256): path for path, config in runs.items()}
    for folder in folders:
        before = len(wanted)
        for kept in search(folder) if wanted else ():
            target = wanted.get(key := kept.key() or "")
            if target is not None and target.resolve() != kept.path.resolve():
                kept.copy(target)
                say(f"{target.name} is taken from {kept.path}.")
                del wanted[key]
        if wanted and len(wanted) == before:
            say(f"{folder} holds no finished run with the settings and data of one to be done.")


def search(folder: Path) -> Iterator[Kept]:
    """The finished runs below a folder, in run folders and in archives.

    Raises:
        RunFolderError: an archive is damaged.
    """
    for path in sorted(folder.rglob(LAST)):
        content = _config_of(path.parent)
        if content is not None:
            yield Kept(path.parent, content["config"], content["data_sha256"])
    for path in sorted(folder.rglob(ARCHIVE)):
        yield from read_archive(path)


def _config_of(folder: Path) -> dict[str, Any] | None:
    """What config.json holds of a run; None where it cannot be read."""
    try:
        content = dict(read_json(folder / "config.json"))
    except RunFolderError:
        return None
    fit = isinstance(content.get("config"), dict) and isinstance(content.get("data_sha256"), str)
    return content if fit else None


def write_archive(folder: Path) -> Path:
    """Keep the numbers of the finished runs below a folder in one file there.

    Returns:
        Its path.
    """
    path = folder / ARCHIVE
    with replacing(path) as temporary, lzma.open(temporary, "wt", encoding="utf-8") as file:
        for metrics in sorted(folder.rglob(LAST)):
            run = RunFolder(metrics.parent)
            names = [name for name in KEPT if name.endswith(".json")]
            files = {
                name: read_json(run.path / name, object)
                for name in names
                if (run.path / name).is_file()
            }
            line = {"path": str(run.path.relative_to(folder)), "files": files}
            file.write(json.dumps(line, separators=(",", ":")) + "\n")
    return path


def read_archive(path: Path) -> Iterator[Kept]:
    """The runs of an archive.

    Raises:
        RunFolderError: the file is damaged.
    """
    try:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            for line in file:
                run = json.loads(line)
                files, where = run["files"], path.parent / run["path"]
                content = files["config.json"]
                yield Kept(where, content["config"], content["data_sha256"], files)
    except (OSError, EOFError, lzma.LZMAError, ValueError, LookupError, TypeError):
        raise RunFolderError(f"{path} is damaged; remove it to do without.") from None
