"""MNIST and Fashion-MNIST: 60,000 training and 10,000 test images of 28x28 pixels in four files.

Sources: LeCun, Cortes and Burges, http://yann.lecun.com/exdb/mnist/; Xiao, Rasul and Vollgraf,
Fashion-MNIST (2017), https://github.com/zalandoresearch/fashion-mnist (MIT licence).
"""

import numpy as np

from sparsevae.data import idx, sources
from sparsevae.data.dataset import Dataset, Split
from sparsevae.data.sources import DataFile, Source

TRAIN_IMAGES, TRAIN_LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"
TEST_IMAGES, TEST_LABELS = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"


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
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)


def mnist() -> Dataset:
    """Handwritten digits.

    Raises:
        DatasetError: If a local copy is damaged.
        DownloadError: If there is no local copy and no mirror delivers the files.
    """
    return _read(MNIST, DIGITS)


def fashion_mnist() -> Dataset:
    """Photographs of clothes, shoes and bags.

    Raises:
        DatasetError: If a local copy is damaged.
        DownloadError: If there is no local copy and no mirror delivers the files.
    """
    return _read(FASHION_MNIST, CLOTHES)


def _read(source: Source, classes: tuple[str, ...]) -> Dataset:
    arrays = [idx.parse(sources.obtain(source, file), file.name) for file in source.files]
    train_images, train_labels, test_images, test_labels = arrays
    train = Split(train_images[:, None], train_labels.astype(np.int64))
    test = Split(test_images[:, None], test_labels.astype(np.int64))
    return Dataset(source.name, train, test, classes)
