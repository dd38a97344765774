"""Downloading one file from the first mirror that delivers it, whole and correct.

`SPARSEVAE_MIRRORS`, base addresses separated by commas or blanks, replaces the public mirrors: a
file is then asked for at BASE/<data set>/<file name>, as a closed network may offer it.
"""

import logging
import os
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

from sparsevae.errors import DatasetError, DownloadError

MIRRORS_VARIABLE = "SPARSEVAE_MIRRORS"
CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
CHUNK = 2**16
REASONS = {
    "ConnectTimeout": "no answer",
    "ReadTimeout": "time-out",
    "ConnectionError": "no connection",
    "ChunkedEncodingError": "connection broken off",
    "InvalidSchema": "no http address",
    "MissingSchema": "no http address",
    "InvalidURL": "no http address",
}


def addresses(dataset: str, file_name: str, public: Iterable[str]) -> tuple[str, ...]:
    """Every address to try for a file: on the user's own mirrors if named, else on `public`."""
    own = os.environ.get(MIRRORS_VARIABLE, "").replace(",", " ").split()
    bases = [f"{base.rstrip('/')}/{dataset}" for base in own] or public
    return tuple(f"{base}/{file_name}" for base in bases)


def download(urls: Iterable[str], most: int, accept: Callable[[bytes], bytearray]) -> bytearray:
    """What `accept` makes of the first download that it does not refuse.

    Args:
        urls: Addresses of the same file, tried in this order.
        most: A longer download, in bytes, is cut off and counts as a failure.
        accept: Called with what was sent; raises DatasetError to refuse it.

    Raises:
        DownloadError: If no address works; it says shortly what was wrong with each.
    """
    failures = []
    for url in urls:
        try:
            return accept(_retrieved(url, most))
        except DatasetError as error:
            failures.append(f"{url}: {str(error).rstrip('.')}")
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {_reason(error)}")
    raise DownloadError("; ".join(failures) or "no mirror is known")


def _retrieved(url: str, most: int) -> bytes:
    """What lies behind an address: packed, so that its own checksum is not known."""
    import pooch

    log = pooch.get_logger()
    level = log.level
    log.setLevel(logging.WARNING)  # it would praise the checksum of the packing to the user
    try:
        with tempfile.TemporaryDirectory() as folder:
            fetch = partial(_fetch, most=most)
            return Path(pooch.retrieve(url, None, "file", folder, downloader=fetch)).read_bytes()
    finally:
        log.setLevel(level)


def _fetch(url: str, path: str, _: Any, *, most: int) -> None:
    """A downloader for pooch that an endless file cannot make fill up the disk."""
    from pooch import HTTPDownloader

    with open(path, "wb") as file:
        fetch = HTTPDownloader(chunk_size=CHUNK, timeout=(CONNECT_SECONDS, READ_SECONDS))
        fetch(url, _Capped(file, most), None)


@dataclass(frozen=True)
class _Capped:
    """A file of at most so many bytes, for whoever writes and flushes."""

    file: IO[bytes]
    most: int

    def write(self, chunk: bytes) -> None:
        if self.file.tell() + len(chunk) > self.most:
            raise DatasetError(f"more than the {self.most} bytes expected")
        self.file.write(chunk)

    def flush(self) -> None:
        self.file.flush()


def _reason(error: Exception) -> str:
    """The few words that matter of an error that comes wrapped several times."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"status {response.status_code}"
    kind = type(error).__name__
    return REASONS.get(kind, kind)
