"""Files from folders, the cache and mirrors: the right content or one clear sentence."""

import contextlib
import gzip
import hashlib
import os
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from sparsevae.data import mirrors, sources
from sparsevae.data.sources import DataFile, Source
from sparsevae.errors import DatasetError, DownloadError
from sparsevae.storage import cache

CONTENT = bytes([0, 0, 8, 1]) + struct.pack(">I", 3000) + bytes(range(250)) * 12
SQUEEZED = gzip.compress(CONTENT, mtime=0)
SMALL = b"a smaller file"
TWIN = bytes(len(CONTENT))


def described(name, content):
    return DataFile(name, len(content), hashlib.sha256(content).hexdigest())


FILE = described("images", CONTENT)
SOURCE = Source(
    "things",
    ("Things/raw", "things"),
    ("http://127.0.0.1:9/public",),
    (FILE, described("labels", SMALL)),
    namesakes=frozenset([described("images", TWIN).sha256]),
)


class Mirror(BaseHTTPRequestHandler):
    """What a mirror does is told by the first part of the path."""

    def do_GET(self):
        behaviour, _, name = self.path.lstrip("/").partition("/things/")
        self.server.asked.append(self.path)
        content = {"images.gz": SQUEEZED, "labels.gz": gzip.compress(SMALL)}[name]
        with contextlib.suppress(ConnectionError):
            getattr(self, f"do_{behaviour}")(content)

    def send(self, content, length=None, **headers):
        self.send_response(200)
        self.send_header("Content-Length", str(length or len(content)))
        for key, value in headers.items():
            self.send_header(key.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(content)

    def do_good(self, content):
        self.send(content)

    def do_plain(self, content):
        self.send(gzip.decompress(content))

    def do_encoded(self, content):
        self.send(content, Content_Encoding="gzip")

    def do_missing(self, content):
        self.send_error(404)

    def do_hanging(self, content):
        self.server.released.wait(20)

    def do_truncated(self, content):
        self.send(content[:-20])

    def do_broken(self, content):
        self.send(content[:-20], length=len(content))

    def do_wrong(self, content):
        self.send(gzip.compress(TWIN))

    def do_bomb(self, content):
        self.send(gzip.compress(bytes(5_000_000)))

    def do_endless(self, content):
        self.send(b"", length=2**40)
        for _ in range(10_000):
            self.wfile.write(bytes(2**16))

    def log_message(self, *args):
        """Keeps the output of the tests clean."""


@pytest.fixture
def server():
    http = ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    http.asked, http.released = [], threading.Event()
    thread = threading.Thread(target=http.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield http
    http.released.set()
    http.shutdown()
    http.server_close()
    thread.join()


@pytest.fixture
def offer(server, monkeypatch):
    """Names mirrors of the given behaviours, in this order."""
    monkeypatch.setattr(mirrors, "READ_SECONDS", 0.3)

    def name(*behaviours):
        bases = [f"http://127.0.0.1:{server.server_port}/{b}" for b in behaviours]
        monkeypatch.setenv(mirrors.MIRRORS_VARIABLE, ", ".join(bases))

    return name


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No folders, an empty cache, and a mirror that refuses every connection."""
    monkeypatch.delenv(cache.DATA_VARIABLE, raising=False)
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(mirrors.MIRRORS_VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def folder(monkeypatch, tmp_path):
    monkeypatch.setenv(cache.DATA_VARIABLE, f"{tmp_path / 'absent'}{os.pathsep}{tmp_path}")
    return tmp_path


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("place", ["Things/raw", "things", "."])
@pytest.mark.parametrize(
    ("name", "content"), [("images", CONTENT), ("images.gz", SQUEEZED)], ids=["plain", "gzip"]
)
def test_files_are_found_in_the_users_folders(folder, place, name, content):
    write(folder / place / name, content)
    assert sources.obtain(SOURCE, FILE) == CONTENT
    assert not (folder / "cache").exists()


@pytest.mark.parametrize("place", ["Things/raw", "things", "."])
@pytest.mark.parametrize(
    ("content", "part"),
    [
        (CONTENT[:-1], "has SHA-256 [0-9a-f]{64}, expected is " + FILE.sha256),
        (CONTENT + b"x", "more than the expected 3008 bytes"),
        (SQUEEZED[:-30], "truncated gzip"),
        (b"", "SHA-256"),
    ],
    ids=["shorter", "longer", "truncated", "empty"],
)
def test_a_damaged_copy_is_an_error_even_where_a_mirror_works(folder, offer, place, content, part):
    offer("good")
    path = write(folder / place / "images", content)
    with pytest.raises(DatasetError, match=part) as caught:
        sources.obtain(SOURCE, FILE)
    assert not isinstance(caught.value, DownloadError)
    assert str(path) in str(caught.value)
    with pytest.raises(DatasetError, match=part):
        sources.prepare(SOURCE, patience=5)


def test_a_plain_file_of_another_data_set_is_passed_over(folder, offer):
    offer("good")
    write(folder / "images", TWIN)
    assert sources.find(SOURCE, FILE) is None
    assert sources.obtain(SOURCE, FILE) == CONTENT
    write(folder / "things" / "images", TWIN)
    with pytest.raises(DatasetError, match="not the published file"):
        sources.obtain(SOURCE, FILE)


@pytest.mark.parametrize("behaviour", ["good", "plain", "encoded"])
def test_a_download_is_verified_and_kept(server, offer, behaviour):
    offer(behaviour)
    assert sources.obtain(SOURCE, FILE) == CONTENT
    assert sources.obtain(SOURCE, FILE) == CONTENT
    assert server.asked == [f"/{behaviour}/things/images.gz"]
    assert [p.name for p in (cache.folder() / "things").iterdir()] == ["images"]


BAD = {
    "missing": "status 404",
    "hanging": "time-out",
    "truncated": "truncated gzip",
    "broken": "connection broken off",
    "wrong": "another content",
    "bomb": "more than the expected 3008 bytes",
    "endless": "bytes expected",
}


@pytest.mark.parametrize("behaviour", BAD)
def test_the_next_mirror_stands_in(server, offer, behaviour):
    offer(behaviour, "good")
    assert sources.obtain(SOURCE, FILE) == CONTENT
    assert len(server.asked) == 2


def test_when_all_fail_each_is_named_with_its_reason(offer):
    offer(*BAD)
    with pytest.raises(DownloadError) as caught:
        sources.obtain(SOURCE, FILE)
    sentence = str(caught.value)
    for behaviour, reason in BAD.items():
        assert reason in sentence.split(f"/{behaviour}/things/images.gz: ")[1].split("http")[0]
    assert "set SPARSEVAE_DATA=FOLDER" in sentence
    assert "images of things is not on this machine" in sentence
    assert not cache.folder().exists()


@pytest.mark.parametrize(
    ("base", "reason"),
    [
        ("http://127.0.0.1:9", "no connection"),
        ("ftp://127.0.0.1", "no http address"),
        ("somewhere", "no http address"),
        ("http://", "no http address"),
    ],
)
def test_an_address_that_cannot_work_says_so(monkeypatch, base, reason):
    monkeypatch.setenv(mirrors.MIRRORS_VARIABLE, base)
    with pytest.raises(DownloadError, match=f"things/images.gz: {reason}"):
        sources.obtain(SOURCE, FILE)


def test_without_own_mirrors_the_public_ones_are_asked(monkeypatch):
    monkeypatch.delenv(mirrors.MIRRORS_VARIABLE)
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1:9/public/images\.gz: no connection"):
        sources.obtain(SOURCE, FILE)


def test_a_source_without_mirrors_says_so(monkeypatch):
    monkeypatch.delenv(mirrors.MIRRORS_VARIABLE)
    with pytest.raises(DownloadError, match="no mirror is known"):
        sources.obtain(Source("things", ("Things",), (), (FILE,)), FILE)


def test_a_damaged_cache_is_made_again_or_named(offer):
    kept = write(cache.folder() / "things" / "images", b"rubbish")
    with pytest.raises(DownloadError, match=f"is damaged in the cache .{kept}"):
        sources.obtain(SOURCE, FILE)
    offer("good")
    assert sources.obtain(SOURCE, FILE) == CONTENT
    assert kept.read_bytes() == CONTENT


def test_a_cache_that_cannot_be_written_only_means_no_caching(offer, monkeypatch, tmp_path):
    offer("good")
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(write(tmp_path / "file", b"") / "below"))
    assert sources.obtain(SOURCE, FILE) == CONTENT
    assert cache.store("name", b"content") is False


def test_a_write_that_breaks_off_leaves_nothing_behind(monkeypatch):
    assert cache.store("name", b"before")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    assert cache.store("name", b"after") is False
    assert [path.name for path in cache.folder().iterdir()] == ["name"]
    assert (cache.folder() / "name").read_bytes() == b"before"


def test_prepare_fetches_what_is_absent_once(server, offer):
    offer("good")
    sources.prepare(SOURCE, patience=5)
    sources.prepare(SOURCE, patience=5)
    assert server.asked == ["/good/things/labels.gz", "/good/things/images.gz"]


def test_prepare_waits_no_longer_than_its_patience(offer, monkeypatch):
    offer("hanging")
    monkeypatch.setattr(mirrors, "READ_SECONDS", 2.0)
    begin = time.monotonic()
    with pytest.raises(DownloadError, match=r"no mirror delivered it within 0\.2 seconds"):
        sources.prepare(SOURCE, patience=0.2)
    assert time.monotonic() - begin < 1.5


def test_the_platform_has_a_place_for_caches(monkeypatch):
    monkeypatch.delenv(cache.CACHE_VARIABLE)
    assert cache.folder().name == "sparsevae"
