"""Data sets: named, checked against checksums, split once and for all.

>>> data = load("digits", limit=100)
>>> data.shape, len(data.train), len(data.test)
((1, 8, 8), 100, 100)
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from sparsevae.data import mnist, smiley, sources
from sparsevae.data.dataset import Dataset, Split
from sparsevae.data.readers import Raw, read
from sparsevae.data.sources import Source
from sparsevae.data.splits import holdout
from sparsevae.errors import ConfigurationError, DatasetError, DownloadError

__all__ = [
    "Dataset",
    "Named",
    "Raw",
    "Split",
    "catalogue",
    "default_name",
    "holdout",
    "load",
    "names",
    "read",
    "register",
]


@dataclass(frozen=True)
class Named:
    """What is known of a named data set without reading it.

    Attributes:
        name: What :func:`load` knows it by.
        title: A few words for people.
        train: Number of training images.
        test: Number of test images.
        shape: (C, H, W) of one image.
        source: Who made it, or where it is from.
        licence: Under which it may be passed on.
        at_hand: Whether it needs no network: its files are on this machine, whole or not.
    """

    name: str
    title: str
    train: int
    test: int
    shape: tuple[int, int, int]
    source: str
    licence: str
    at_hand: bool = True


_KNOWN: tuple[tuple[Callable[[], Dataset], Source | None, Named], ...] = (
    (
        mnist.mnist,
        mnist.MNIST,
        Named(
            *("mnist", "handwritten digits", 60_000, 10_000, (1, 28, 28)),
            *("LeCun, Cortes and Burges, 1998", "CC BY-SA 3.0"),
        ),
    ),
    (
        mnist.fashion_mnist,
        mnist.FASHION_MNIST,
        Named(
            *("fashion-mnist", "clothes, shoes and bags", 60_000, 10_000, (1, 28, 28)),
            *("Xiao, Rasul and Vollgraf, 2017", "MIT"),
        ),
    ),
    (
        mnist.mnist_5k,
        None,
        Named(
            *("mnist-5k", "500 of each digit of MNIST", 4_000, 1_000, (1, 28, 28)),
            *("comes with this package", "CC BY-SA 3.0"),
        ),
    ),
    (
        mnist.digits,
        None,
        Named(
            *("digits", "small handwritten digits", 1_437, 360, (1, 8, 8)),
            *("Alpaydin and Kaynak, 1998, comes with scikit-learn", "CC BY 4.0"),
        ),
    ),
    (
        smiley.smiley,
        None,
        Named(
            *("smiley", "faces drawn from sparse factors", 60_000, 20_000, (1, 32, 32)),
            *("drawn here, after Tonolini et al., 2019", "that of this package"),
        ),
    ),
)
LOADERS = {named.name: load for load, _, named in _KNOWN}
PATIENCE = 8.0
"""Seconds after which a silent network counts as none, when a default is looked for."""


def names() -> tuple[str, ...]:
    """The names of the data sets that come with this package."""
    return tuple(named.name for _, _, named in _KNOWN)


def register(name: str, loader: Callable[[], Dataset]) -> None:
    """Let :func:`load` know a data set from outside, in this process.

    Args:
        name: What it is called from now on.
        loader: Gives both splits when they are needed.
    """
    LOADERS[name] = loader


def catalogue() -> tuple[Named, ...]:
    """What there is to load, without reading or downloading any of it."""
    return tuple(
        replace(named, at_hand=source is None or sources.at_hand(source))
        for _, source, named in _KNOWN
    )


def load(name: str, *, limit: int | None = None) -> Dataset:
    """The data set called `name`.

    Files are looked for in the folders of `SPARSEVAE_DATA`, then in the cache, then downloaded.

    Args:
        name: One of :func:`names`, or one that was registered.
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
        raise DatasetError(f"there is no data set {name!r}; choose one of {', '.join(LOADERS)}.")
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
            "MNIST is not at hand, so the 5,000 of its images that come with the package are used "
            f"in its place: {error}"
        )
    return "mnist", None
