"""Loading by name: sizes, checksums, limits, and what happens when something is not there."""

import functools
import subprocess
import sys
import threading
import time
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from sparsevae import data as datasets
from sparsevae.data import Dataset, Split, corruptions, mirrors, mnist
from sparsevae.errors import ConfigurationError, DatasetError, DownloadError
from sparsevae.storage import cache

FOLDERS = cache.data_folders()
DIGESTS = {
    "mnist": "1e35582d42a90940c55b956deb61875c020b567ed20e3c5b174f52bf7809ed9b",
    "fashion-mnist": "ece172613115fb18b120bec8f6c02271af90b8b8f0a5af5c51cbd5ceed68e619",
    "mnist-5k": "00dec659b18e40e58c4d179c214746aa921f44c23e0d31264e0e0f960eb4d96b",
    "digits": "e458aa2f9eed4236647b0dfa631e2f173ee8c2aa0bb2d66cf43ed65f132c9ea2",
}


def folder_with(subfolder):
    """The folder of SPARSEVAE_DATA that has MNIST or Fashion-MNIST; skips the test without."""
    for folder in FOLDERS:
        if cache.copies([folder / subfolder], "train-images-idx3-ubyte"):
            return folder
    return pytest.skip(f"SPARSEVAE_DATA names no folder with the files of {subfolder}")


@pytest.fixture
def use(monkeypatch):
    """Finds a folder of real files and makes it the only one."""

    def named(subfolder):
        folder = folder_with(subfolder)
        monkeypatch.setenv(cache.DATA_VARIABLE, str(folder))
        return folder

    return named


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No folders, an empty cache, and a mirror that refuses every connection."""
    monkeypatch.delenv(cache.DATA_VARIABLE, raising=False)
    monkeypatch.setenv(cache.CACHE_VARIABLE, str(tmp_path / "cache"))
    monkeypatch.setenv(mirrors.MIRRORS_VARIABLE, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.mark.parametrize(
    ("name", "shape", "train", "test"),
    [("mnist-5k", (1, 28, 28), 4000, 1000), ("digits", (1, 8, 8), 1437, 360)],
)
def test_embedded_data_need_nothing_and_never_change(name, shape, train, test):
    data = datasets.load(name)
    assert (data.name, data.shape, len(data.train), len(data.test)) == (name, shape, train, test)
    assert data.sha256 == DIGESTS[name] == datasets.load(name).sha256
    assert data.classes == tuple("0123456789")
    assert data.train.images.max() == 255
    for split in (data.train, data.test):
        counts = np.bincount(split.labels, minlength=10)
        assert counts.max() - counts.min() <= 0.06 * len(split) / 5
        assert np.abs(np.diff(split.labels)).astype(bool).mean() > 0.8  # shuffled, not by class


def test_mnist_5k_is_the_first_500_of_each_digit_of_mnist(use):
    use("MNIST/raw")
    data, whole = datasets.load("mnist-5k"), datasets.load("mnist").train
    first = np.concatenate([np.flatnonzero(whole.labels == digit)[:500] for digit in range(10)])
    images = np.concatenate([data.train.images, data.test.images]).reshape(5000, 784)
    ours = np.column_stack([images, np.concatenate([data.train.labels, data.test.labels])])
    expected = np.column_stack([whole.images[first].reshape(5000, 784), whole.labels[first]])
    np.testing.assert_array_equal(ours[np.lexsort(ours.T)], expected[np.lexsort(expected.T)])


def test_the_file_of_mnist_5k_is_small_and_has_its_licence_beside_it():
    assert mnist.SMALL.stat().st_size <= 750_000
    assert "Creative Commons" in mnist.SMALL.with_suffix(".md").read_text(encoding="utf-8")


def test_digits_are_scaled_to_the_full_grey_range():
    from sklearn.datasets import load_digits

    levels = np.rint(255 * np.arange(17) / 16)
    data = datasets.load("digits")
    assert set(np.unique(data.train.images)) == set(levels)
    total = levels[load_digits().images.astype(int)].sum()
    assert total == data.train.images.sum(dtype=int) + data.test.images.sum(dtype=int)


def test_the_catalogue_says_what_loading_gives():
    rows = datasets.catalogue()
    assert tuple(row.name for row in rows) == datasets.names()
    assert all(row.title and row.source and row.licence for row in rows)
    at_hand = {row.name for row in rows if row.at_hand}
    assert at_hand == {"mnist-5k", "digits", "smiley"}, "no folders, an empty cache"
    for row in rows:
        if row.name in ("mnist-5k", "digits"):
            data = datasets.load(row.name)
            assert (len(data.train), len(data.test), data.shape) == (
                row.train,
                row.test,
                row.shape,
            )


def test_the_catalogue_sees_the_users_files(use):
    use("MNIST/raw")
    assert next(row for row in datasets.catalogue() if row.name == "mnist").at_hand


def test_limit_keeps_the_first_images_of_both_splits():
    whole, few = datasets.load("digits"), datasets.load("digits", limit=400)
    assert (len(few.train), len(few.test)) == (400, 360)
    np.testing.assert_array_equal(few.train.images, whole.train.images[:400])
    np.testing.assert_array_equal(few.train.labels, whole.train.labels[:400])
    assert few.sha256 != whole.sha256
    assert datasets.load("digits", limit=10**9).sha256 == whole.sha256


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_that_leaves_nothing_is_refused(limit):
    with pytest.raises(ConfigurationError, match=f"limit is {limit}"):
        datasets.load("digits", limit=limit)


def test_an_unknown_name_is_answered_with_the_known_ones():
    assert datasets.names() == ("mnist", "fashion-mnist", "mnist-5k", "digits", "smiley")
    with pytest.raises(DatasetError, match=r"no data set 'mnits'.*mnist-5k, digits, smiley"):
        datasets.load("mnits")


IMAGES = np.zeros((3, 1, 2, 2), np.uint8)
LABELS = np.array([0, 1, 0])


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda: Split(IMAGES / 255), "images are float64"),
        (lambda: Split(IMAGES[:, 0]), r"shape \(3, 2, 2\)"),
        (lambda: Split(IMAGES, LABELS[:2]), "for 3 images"),
        (lambda: Split(IMAGES, LABELS.astype(np.uint8)), "labels are uint8"),
        (lambda: Dataset("x", Split(IMAGES), Split(IMAGES[..., :1])), "same shape"),
        (lambda: Dataset("x", Split(IMAGES), Split(IMAGES[:0])), "test split is empty"),
        (lambda: Dataset("x", Split(IMAGES, LABELS), Split(IMAGES), ("a",)), "from 0 to 1 but 1"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(make, part):
    with pytest.raises(DatasetError, match=part):
        make()


def test_take_accepts_positions_masks_and_slices():
    split = Split(np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1), np.arange(5))
    for indices in ([3, 1], np.array([3, 1]), slice(3, 0, -2)):
        assert split.take(indices).labels.tolist() == [3, 1]
    assert split.take(np.arange(5) > 2).images.ravel().tolist() == [3, 4]
    assert Split(split.images).take(range(2)).labels is None
    assert len(split.take([])) == 0


def test_the_checksum_sees_every_array_and_nothing_else():
    first = Dataset("a", Split(IMAGES, LABELS), Split(IMAGES, LABELS), ("x", "y"))
    assert Dataset("b", first.train, first.test, ("u", "v")).sha256 == first.sha256
    others = [
        (Split(IMAGES + 1, LABELS), first.test),
        (Split(IMAGES, LABELS[::-1] * 0), first.test),
        (first.train, Split(IMAGES + 1, LABELS)),
        (first.train, Split(IMAGES, 1 - LABELS)),
    ]
    digests = {Dataset("a", train, test, ("x", "y")).sha256 for train, test in others}
    assert len(digests | {first.sha256}) == 5
    backwards = Split(IMAGES[::-1], LABELS[::-1])  # not contiguous
    assert Dataset("a", backwards, first.test, ("x", "y")).sha256 == first.sha256


def test_importing_the_package_brings_no_heavy_library():
    heavy = ["sklearn", "scipy", "matplotlib", "pandas", "pooch", "requests", "torch"]
    code = f"import sys, sparsevae.data; print([m for m in {heavy} if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "subfolder", "mean"),
    [("mnist", "MNIST/raw", 0.1307), ("fashion-mnist", "FashionMNIST/raw", 0.2860)],
)
def test_real_files_are_read(use, name, subfolder, mean):
    use(subfolder)
    data = datasets.load(name)
    assert (len(data.train), len(data.test), data.shape) == (60_000, 10_000, (1, 28, 28))
    assert data.sha256 == DIGESTS[name]
    assert data.train.images.mean() / 255 == pytest.approx(mean, abs=5e-5)
    assert len(data.classes) == 10
    assert data.train.images.flags.writeable


def test_the_holdout_of_mnist_has_the_sizes_of_the_protocol(use):
    use("MNIST/raw")
    data = datasets.load("mnist")
    held = datasets.holdout(data)
    assert (len(held.train), len(held.test)) == (55_000, 5_000)
    exact = np.bincount(data.train.labels) / 12
    assert np.abs(np.bincount(held.test.labels) - exact).max() < 1


def test_noise_on_mnist_has_the_errors_of_the_method(use):
    use("MNIST/raw")
    images = datasets.load("mnist").test.images[:2000] / np.float32(255)
    errors = [
        784 * np.mean((corruptions.gaussian(images, 0.3, seed=0, clip=clip) - images) ** 2)
        for clip in (False, True)
    ]
    assert errors == pytest.approx([70.6, 36.6], rel=0.02)


@pytest.fixture
def served(use, tmp_path, monkeypatch):
    """The real files behind a mirror, not in any folder; the addresses asked for."""
    folder = use("MNIST/raw")
    monkeypatch.delenv(cache.DATA_VARIABLE)
    (tmp_path / "www").mkdir()
    (tmp_path / "www" / "mnist").symlink_to(folder / "MNIST" / "raw")
    asked = []

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, form, *values):
            asked.append(self.path)

    handler = functools.partial(Quiet, directory=tmp_path / "www")
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    bases = f"http://127.0.0.1:9 http://127.0.0.1:{server.server_port}/"
    monkeypatch.setenv(mirrors.MIRRORS_VARIABLE, bases)
    yield asked
    server.shutdown()
    server.server_close()


def test_the_default_is_mnist_where_it_can_be_downloaded_and_only_once(served):
    assert datasets.default_name() == ("mnist", None)
    assert datasets.load("mnist").sha256 == DIGESTS["mnist"]
    assert datasets.default_name() == ("mnist", None)
    assert len(served) == 4


def test_without_files_and_network_the_default_is_embedded_and_says_why():
    begin = time.monotonic()
    name, reason = datasets.default_name()
    assert time.monotonic() - begin < 3
    assert name == "mnist-5k"
    assert "5,000" in reason
    assert "no connection" in reason
    assert "SPARSEVAE_DATA" in reason
    with pytest.raises(DownloadError, match="cannot be downloaded"):
        datasets.load("mnist")


def test_a_damaged_local_copy_is_never_hidden_by_the_default(monkeypatch, tmp_path):
    (tmp_path / "mnist").mkdir()
    (tmp_path / "mnist" / "t10k-labels-idx1-ubyte").write_bytes(b"rubbish")
    monkeypatch.setenv(cache.DATA_VARIABLE, str(tmp_path))
    with pytest.raises(DatasetError, match="not the published file"):
        datasets.default_name()
