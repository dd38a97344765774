"""Downloading one file from the first mirror that delivers it, whole and correct.

`SPARSEVAE_MIRRORS`, base addresses separated by commas or blanks, replaces the public mirrors: a
file is then asked for at BASE/<data set>/<file name>, as a closed network may offer it.
"""

import io
import os
from collections.abc import Callable, Iterable

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
            return accept(_fetch(url, most))
        except DatasetError as error:
            failures.append(f"{url}: {str(error).rstrip('.')}")
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {_reason(error)}")
    raise DownloadError("; ".join(failures) or "no mirror is known")


def _fetch(url: str, most: int) -> bytes:
    from pooch import HTTPDownloader

    buffer = _CappedBuffer(most)
    fetch = HTTPDownloader(chunk_size=CHUNK, timeout=(CONNECT_SECONDS, READ_SECONDS))
    fetch(url, buffer, None)
    return buffer.getvalue()


def _reason(error: Exception) -> str:
    """The few words that matter of an error that comes wrapped several times."""
    response = getattr(error, "response", None)
    if response is not None:
        return f"status {response.status_code}"
    kind = type(error).__name__
    return REASONS.get(kind, kind)


class _CappedBuffer(io.BytesIO):
    """Memory for a download of known size, which an endless one cannot fill up."""

    def __init__(self, most: int) -> None:
        super().__init__()
        self._most = most

    def write(self, chunk: bytes) -> int:  # type: ignore[override]
        if self.tell() + len(chunk) > self._most:
            raise DatasetError(f"more than the {self._most} bytes expected")
        return super().write(chunk)
