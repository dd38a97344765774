"""Finding the files of a data set: the user's folders, the cache, the mirrors, in this order.

A file counts only if the SHA-256 of its decompressed content is the published one. In the user's
folders a wrong file is an error, never passed over; in the cache it is replaced.
"""

import hashlib
import threading
from dataclasses import dataclass
from pathlib import Path

from sparsevae.datasets import cache, idx, mirrors
from sparsevae.errors import DatasetError, DownloadError

GZIP_OVERHEAD = 2**16
"""A gzip file may be this much longer than what is in it, where nothing could be squeezed."""


@dataclass(frozen=True)
class DataFile:
    """One file: its name without .gz, the bytes in it when decompressed, and their checksum."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Source:
    """The files of one data set.

    Attributes:
        name: Name of the data set.
        subfolders: Where in a folder of `SPARSEVAE_DATA` its files may lie.
        public: Base addresses of the public mirrors, the best first.
        files: The files.
    """

    name: str
    subfolders: tuple[str, ...]
    public: tuple[str, ...]
    files: tuple[DataFile, ...]


def obtain(source: Source, file: DataFile) -> bytearray:
    """The verified, decompressed content of `file`; a download is kept in the cache.

    Raises:
        DatasetError: If a copy in the user's folders has another content.
        DownloadError: If there is no copy and no mirror delivers one.
    """
    found = find(source, file)
    return _downloaded(source, file) if found is None else found


def find(source: Source, file: DataFile) -> bytearray | None:
    """The verified, decompressed content of `file` from this machine, None if it is not here.

    Raises:
        DatasetError: If a copy in the user's folders has another content.
    """
    folders = cache.data_folders()
    for folder in folders:
        for subfolder in source.subfolders:
            for path in _copies(folder / subfolder, file):
                return _verified(path.read_bytes(), file, str(path))
    plain = [path for folder in folders for path in _copies(folder, file)]
    for path in plain + _copies(cache.folder() / source.name, file):
        try:
            return _verified(path.read_bytes(), file, str(path))
        except DatasetError:
            continue
    return None


def prepare(source: Source, patience: float) -> None:
    """Makes sure that every file is on this machine, downloading the absent ones.

    The smallest file goes first, on a thread that is waited for no longer than `patience`
    seconds: without a network a name server may take a minute to say so.

    Raises:
        DatasetError: If a copy in the user's folders has another content.
        DownloadError: If a file is absent and no mirror delivers it, or none answers in time.
    """
    absent = [file for file in source.files if find(source, file) is None]
    absent.sort(key=lambda file: file.size)
    for file in absent[:1]:
        _downloaded_within(source, file, patience)
    for file in absent[1:]:
        _downloaded(source, file)


def _downloaded_within(source: Source, file: DataFile, patience: float) -> None:
    outcome: list[DownloadError | None] = []

    def attempt() -> None:
        try:
            _downloaded(source, file)
            outcome.append(None)
        except DownloadError as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(patience)
    if not outcome:
        raise DownloadError(_advice(source, file, f"no mirror answered in {patience:g} seconds"))
    if outcome[0] is not None:
        raise outcome[0]


def _downloaded(source: Source, file: DataFile) -> bytearray:
    urls = mirrors.addresses(source.name, f"{file.name}.gz", source.public)
    most = file.size + GZIP_OVERHEAD
    try:
        content = mirrors.download(urls, most, lambda raw, url: _verified(raw, file, url))
    except DownloadError as error:
        raise DownloadError(_advice(source, file, str(error))) from error
    cache.store(f"{source.name}/{file.name}", content)
    return content


def _advice(source: Source, file: DataFile, failures: str) -> str:
    return (
        f"{file.name} of {source.name} is not on this machine and cannot be downloaded "
        f"({failures}); put the files in FOLDER/{source.subfolders[0]} and set "
        f"{cache.DATA_VARIABLE}=FOLDER, or name a mirror in {mirrors.MIRRORS_VARIABLE}."
    )


def _copies(folder: Path, file: DataFile) -> list[Path]:
    candidates = [folder / file.name, folder / f"{file.name}.gz"]
    return [path for path in candidates if path.is_file()]


def _verified(content: bytes, file: DataFile, where: str) -> bytearray:
    """The decompressed `content`, if it is that of `file`."""
    plain = idx.unpack(content, file.size, where)
    found = hashlib.sha256(plain).hexdigest()
    if found != file.sha256:
        raise DatasetError(
            f"{where} is not the published file: its content has SHA-256 {found}, expected is "
            f"{file.sha256}; replace it, or remove it to have it downloaded."
        )
    return plain
