"""Small grey images in ten classes: MNIST, Fashion-MNIST, 5,000 digits of MNIST, and UCI's digits.

The first two are four files each, looked for, downloaded and verified. The others come with
installed packages and need no network.
"""

import lzma
from pathlib import Path

import numpy as np

from sparsevae.data import idx, sources
from sparsevae.data.dataset import Dataset, Images, Labels, Split
from sparsevae.data.sources import DataFile, Source
from sparsevae.data.splits import shuffled, stratified_indices

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
SMALL = Path(__file__).with_name("mnist_5k.xz")
SPLIT_SEED = 0


def _files(*checksums: str) -> tuple[DataFile, ...]:
    """The four files; a header has 4 bytes and 4 for each axis."""
    named = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)
    sizes = (16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000)
    return tuple(map(DataFile, named, sizes, checksums))


MNIST_FILES = _files(
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
)
FASHION_FILES = _files(
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
)
MNIST = Source(
    name="mnist",
    subfolders=("MNIST/raw", "mnist"),
    public=(
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        "https://storage.googleapis.com/cvdf-datasets/mnist",
        "https://raw.githubusercontent.com/fgnt/mnist/master",
    ),
    files=MNIST_FILES,
    namesakes=frozenset(file.sha256 for file in FASHION_FILES),
)
FASHION_MNIST = Source(
    name="fashion-mnist",
    subfolders=("FashionMNIST/raw", "fashion-mnist"),
    public=(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    ),
    files=FASHION_FILES,
    namesakes=frozenset(file.sha256 for file in MNIST_FILES),
)
DIGITS = tuple("0123456789")
CLOTHES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)


def mnist() -> Dataset:
    """60,000 and 10,000 handwritten digits.

    Source: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/.

    Raises:
        DatasetError: If a local copy is damaged.
        DownloadError: If there is no local copy and no mirror delivers the files.
    """
    return _read(MNIST, DIGITS)


def fashion_mnist() -> Dataset:
    """60,000 and 10,000 photographs of clothes, shoes and bags.

    Source: Xiao, Rasul and Vollgraf, Fashion-MNIST (2017),
    https://github.com/zalandoresearch/fashion-mnist.

    Raises:
        DatasetError: If a local copy is damaged.
        DownloadError: If there is no local copy and no mirror delivers the files.
    """
    return _read(FASHION_MNIST, CLOTHES)


def mnist_5k() -> Dataset:
    """5,000 MNIST images that come with the package, as 4,000 training and 1,000 test images.

    They are the first 500 of each digit in MNIST's training file (`mnist_5k.md` beside the file);
    the split is fixed, stratified and shuffled.
    """
    content = bytearray(lzma.decompress(SMALL.read_bytes()))
    images = np.frombuffer(content, np.uint8).reshape(5000, 1, 28, 28)
    return _halved("mnist-5k", images, np.arange(10).repeat(500), test_size=1000)


def digits() -> Dataset:
    """The 8x8 digits inside scikit-learn, as 1,437 training and 360 test images.

    Grey levels 0 to 16 are scaled to 0 to 255; the split is fixed, stratified and shuffled.
    Source: UCI, Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    return _halved("digits", grey[:, None], bunch.target.astype(np.int64), test_size=360)


def _read(source: Source, classes: tuple[str, ...]) -> Dataset:
    arrays = [idx.parse(sources.obtain(source, file), file.name) for file in source.files]
    train_images, train_labels, test_images, test_labels = arrays
    train = Split(train_images[:, None], train_labels.astype(np.int64))
    test = Split(test_images[:, None], test_labels.astype(np.int64))
    return Dataset(source.name, train, test, classes)


def _halved(name: str, images: Images, labels: Labels, test_size: int) -> Dataset:
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[stratified_indices(labels, test_size, SPLIT_SEED)] = True
    order = shuffled(len(labels), SPLIT_SEED + 1)
    everything = Split(images, labels)
    train = everything.take(order[~chosen[order]])
    return Dataset(name, train, everything.take(order[chosen[order]]), DIGITS)
