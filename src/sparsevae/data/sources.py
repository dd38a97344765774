"""Finding the files of a data set: the user's folders, the cache, the mirrors, in this order.

A file counts only if the SHA-256 of its decompressed content is the published one. In the user's
folders a wrong file is an error, never passed over; in the cache it is replaced.
"""

import hashlib
import threading
from concurrent import futures
from contextlib import suppress
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
    content = find(source, file)
    return _downloaded(source, file) if content is None else content


def find(source: Source, file: DataFile) -> bytearray | None:
    """The verified, decompressed content of `file` from this machine, None if it is not here.

    Raises:
        DatasetError: If a copy in the user's folders has another content.
    """
    for path in _copies(source, file):
        content, checksum = _unpacked(_read(path, file), file, str(path))
        if checksum == file.sha256:
            return content
        if path.parent not in cache.data_folders() or checksum not in source.namesakes:
            raise DatasetError(
                f"{path} is not the published file: its content has SHA-256 {checksum}, expected "
                f"is {file.sha256}; replace it, or take it away to have it downloaded."
            )
    for path in cache.copies([cache.folder() / source.name], file.name):
        with suppress(DatasetError):  # what is damaged in the cache is downloaded again
            content, checksum = _unpacked(_read(path, file), file, str(path))
            if checksum == file.sha256:
                return content
    return None


def at_hand(source: Source) -> bool:
    """Whether every file has a copy on this machine, whose content was not looked at."""
    kept = [cache.folder() / source.name]
    return all(_copies(source, f) or cache.copies(kept, f.name) for f in source.files)


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


def _copies(source: Source, file: DataFile) -> list[Path]:
    """The user's copies: in the subfolders of the data set first, then in the folders."""
    folders = cache.data_folders()
    inside = [folder / name for folder in folders for name in source.subfolders]
    return cache.copies([*inside, *folders], file.name)


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
        raise _absent(source, file, silence) from None


def _downloaded(source: Source, file: DataFile) -> bytearray:
    def accept(raw: bytes) -> bytearray:
        content, checksum = _unpacked(raw, file, "the download")
        if checksum != file.sha256:
            raise DatasetError(f"another content, SHA-256 {checksum}")
        return content

    urls = mirrors.addresses(source.name, f"{file.name}.gz", source.public)
    try:
        content = mirrors.download(urls, file.size + GZIP_OVERHEAD, accept)
    except DownloadError as error:
        raise _absent(source, file, str(error)) from error
    cache.store(f"{source.name}/{file.name}", content)
    return content


def _absent(source: Source, file: DataFile, failures: str) -> DownloadError:
    kept = cache.copies([cache.folder() / source.name], file.name)
    state = f"is damaged in the cache ({kept[0]})" if kept else "is not on this machine"
    return DownloadError(
        f"{file.name} of {source.name} {state} and cannot be downloaded ({failures}); put the "
        f"files in FOLDER/{source.subfolders[0]} and set {cache.DATA_VARIABLE}=FOLDER, or name "
        f"a mirror in {mirrors.MIRRORS_VARIABLE}."
    )


def _read(path: Path, file: DataFile) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(file.size + GZIP_OVERHEAD)
    except OSError as error:
        raise DatasetError(f"cannot read {path}: {error.strerror}.") from error


def _unpacked(raw: bytes, file: DataFile, where: str) -> tuple[bytearray, str]:
    """The decompressed content and its SHA-256."""
    content = idx.unpack(raw, file.size, where)
    if len(content) > file.size:
        raise DatasetError(f"{where} holds more than the expected {file.size} bytes; replace it.")
    return content, hashlib.sha256(content).hexdigest()
