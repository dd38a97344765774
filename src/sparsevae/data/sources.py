"""Finding the files of a data set: the user's folders, the cache, the mirrors, in this order.

A file counts only if the SHA-256 of its decompressed content is the published one. In the user's
folders a wrong file is an error, never passed over; in the cache it is replaced.
"""

import hashlib
import threading
from concurrent import futures
from dataclasses import dataclass
from pathlib import Path

from sparsevae.data import idx, mirrors
from sparsevae.errors import DatasetError, DownloadError
from sparsevae.storage import cache

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
        subfolders: Where in a folder of `SPARSEVAE_DATA` its files may lie, besides that folder.
        public: Base addresses of the public mirrors, the best first.
        files: The files.
        namesakes: Checksums of files of other data sets that bear the same names.
    """

    name: str
    subfolders: tuple[str, ...]
    public: tuple[str, ...]
    files: tuple[DataFile, ...]
    namesakes: frozenset[str] = frozenset()


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
    for path in cache.copies([f / sub for f in folders for sub in source.subfolders], file.name):
        return _verified(path, file)
    for path in cache.copies(folders, file.name):
        content, found = _read(path, file)
        if found not in source.namesakes:
            _check(path, file, found)
            return content
    for path in cache.copies([cache.folder() / source.name], file.name):
        try:
            return _verified(path, file)
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
    outcome: futures.Future[bytearray] = futures.Future()

    def attempt() -> None:
        try:
            outcome.set_result(_downloaded(source, file))
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=attempt, daemon=True).start()
    try:
        outcome.result(patience)
    except futures.TimeoutError:
        silence = f"no mirror delivered it within {patience:g} seconds"
        raise _not_found(source, file, silence) from None


def _downloaded(source: Source, file: DataFile) -> bytearray:
    def accept(raw: bytes) -> bytearray:
        content, found = _unpacked(raw, file, "the download")
        if found != file.sha256:
            raise DatasetError(f"another content, SHA-256 {found}")
        return content

    urls = mirrors.addresses(source.name, f"{file.name}.gz", source.public)
    try:
        content = mirrors.download(urls, file.size + GZIP_OVERHEAD, accept)
    except DownloadError as error:
        raise _not_found(source, file, str(error)) from error
    cache.store(f"{source.name}/{file.name}", content)
    return content


def _not_found(source: Source, file: DataFile, failures: str) -> DownloadError:
    kept = cache.copies([cache.folder() / source.name], file.name)
    state = f"is damaged in the cache ({kept[0]})" if kept else "is not on this machine"
    return DownloadError(
        f"{file.name} of {source.name} {state} and cannot be downloaded ({failures}); put the "
        f"files in FOLDER/{source.subfolders[0]} and set {cache.DATA_VARIABLE}=FOLDER, or name "
        f"a mirror in {mirrors.MIRRORS_VARIABLE}."
    )


def _verified(path: Path, file: DataFile) -> bytearray:
    content, found = _read(path, file)
    _check(path, file, found)
    return content


def _read(path: Path, file: DataFile) -> tuple[bytearray, str]:
    try:
        with path.open("rb") as stream:
            raw = stream.read(file.size + GZIP_OVERHEAD)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}.") from error
    return _unpacked(raw, file, str(path))


def _unpacked(raw: bytes, file: DataFile, where: str) -> tuple[bytearray, str]:
    """The decompressed content and its SHA-256."""
    content = idx.unpack(raw, file.size, where)
    if len(content) > file.size:
        raise DatasetError(f"{where} holds more than the expected {file.size} bytes; replace it.")
    return content, hashlib.sha256(content).hexdigest()


def _check(path: Path, file: DataFile, found: str) -> None:
    if found != file.sha256:
        raise DatasetError(
            f"{path} is not the published file: its content has SHA-256 {found}, expected is "
            f"{file.sha256}; replace it, or take it away to have it downloaded."
        )
