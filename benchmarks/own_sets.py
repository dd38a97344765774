"""Data sets of seven kinds that a stranger might bring, from installed packages or made by code.

Every function gives raw rows, as a file would hold them; :data:`SETS` names them all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter1d
from sklearn.datasets import load_breast_cancer, load_digits, load_sample_images, load_wine

from sparsevae import data

Array = npt.NDArray[Any]
PHOTOGRAPHS = ("astronaut", "coffee", "chelsea", "rocket")  # that scikit-image installs
SIDE = 16  # pixels of a patch
FEW = 3000  # of the images of a large data set


@dataclass(frozen=True)
class Own:
    """A data set: its kind, and what gives its rows."""

    kind: str
    load: Callable[[], Array]


@dataclass(frozen=True)
class Split:
    """Rows in the type they come in: 70 % to train on, 15 % to choose by, 15 % to report."""

    train: Array
    validation: Array
    test: Array


def split(rows: Array) -> Split:
    """The one split of a data set."""
    order = np.random.default_rng(0).permutation(len(rows))
    first, second = round(0.7 * len(rows)), round(0.85 * len(rows))
    train, validation, test = np.split(order, [first, second])
    return Split(rows[train], rows[validation], rows[test])


def mnist() -> Array:
    """3,000 handwritten digits of 28x28 grey levels, most of them black or white."""
    found = data.load("mnist-5k")
    return np.asarray(found.train.images[:FEW])


def clothes() -> Array:
    """3,000 pieces of clothing of 28x28 grey levels."""
    return np.asarray(data.load("fashion-mnist").train.images[:FEW])


def digits() -> Array:
    """1,797 digits of 8x8 levels from 0 to 16."""
    return np.asarray(load_digits().images)


def faces() -> Array:
    """100 faces and 100 other cuts of photographs, 25x25, grey from 0 to 1."""
    from skimage.data import lfw_subset

    return np.asarray(lfw_subset(), np.float32)


def heads() -> Array:
    """2,000 drawn grey heads of 28x20: turned, lit from a side, eyes and mouth open or shut."""
    rng = np.random.default_rng(1)
    y, x = np.mgrid[0:28, 0:20][:, None].astype(float)  # (1, 28, 20)
    turn, nod, light, size, mouth, smile, blink, level = rng.normal(size=(8, 2000, 1, 1))
    u, v = (x - 9.5 - 1.5 * turn) / (7 + 0.5 * size), (y - 13.5 - nod) / (11 + 0.7 * size)
    skin = 1 / (1 + np.exp(14 * (u**2 + v**2 - 1)))
    image = 0.25 + skin * (0.4 + 0.04 * level + 0.1 * light * u - 0.1 * v**2)

    def spot(cx: Array | float, cy: float, width: Array | float, height: Array | float) -> Array:
        return np.exp(-(((u - cx) / width) ** 2) - (((v - cy) / height) ** 2))

    for side in (-1, 1):
        image -= 0.3 * skin * spot(side * 0.4 + 0.1 * turn, -0.2, 0.17, 0.03 + 0.05 * _on(blink))
        image += 0.1 * skin * spot(side * 0.45 + 0.1 * turn, 0.25, 0.25, 0.15) * smile
    image -= 0.3 * skin * spot(0.1 * turn, 0.5, 0.25 + 0.06 * smile, 0.05 + 0.08 * _on(mouth))
    noise = rng.normal(0, 0.02, image.shape)
    return np.asarray((255 * (image + noise)).clip(0, 255).round(), np.uint8)


def photographs() -> Array:
    """Some 5,600 colour patches, 3x16x16, without overlap, from six photographs."""
    from skimage import data as pictures

    cut = [_patches(np.asarray(getattr(pictures, name)())) for name in PHOTOGRAPHS]
    patches = np.concatenate([*cut, *map(_patches, load_sample_images().images)])
    return np.ascontiguousarray(patches.transpose(0, 3, 1, 2))


def grey_photographs() -> Array:
    """The same in grey levels."""
    luma = photographs().mean(1)
    return np.asarray(luma.round(), np.uint8)


def _patches(image: Array) -> Array:
    """Patches of SIDE x SIDE side by side, shape ``(N, SIDE, SIDE, C)``."""
    rows, columns = (length // SIDE for length in image.shape[:2])
    cut = image[: rows * SIDE, : columns * SIDE].reshape(rows, SIDE, columns, SIDE, -1)
    return cut.swapaxes(1, 2).reshape(-1, SIDE, SIDE, image.shape[2])


def _on(values: Array) -> Array:
    """Soft steps from 0 to 1."""
    return 1 / (1 + np.exp(-4 * values))


def wine() -> Array:
    """178 wines, 13 measurements."""
    return np.asarray(load_wine().data)


def tumours() -> Array:
    """569 tumours, 30 measurements."""
    return np.asarray(load_breast_cancer().data)


def terrain() -> Array:
    """8,000 places with 20 measurements of seven kinds of ground, as covertype has them."""
    rng = np.random.default_rng(2)
    ground, count = rng.integers(7, size=8000), 20
    height = rng.normal(2000, 300, 7)[ground] + rng.normal(0, 120, 8000)
    factors = rng.normal(size=(8000, 5)) * rng.gamma(2.0, 0.5, (7, 5))[ground]
    loadings = rng.normal(size=(7, 5, count - 1))[ground]
    rest = np.einsum("nk,nkd->nd", factors, loadings) + rng.normal(0, 2, (7, count - 1))[ground]
    rest[:, :4] = np.exp(0.4 * rest[:, :4])  # distances have a long tail
    rest += rng.normal(0, 0.3, rest.shape)
    return np.column_stack([height, rest])


def spectra() -> Array:
    """3,000 mixtures of 3 of 14 substances: 200 channels, peaks, a baseline and noise."""
    rng = np.random.default_rng(3)
    channels = np.arange(200)
    peaks = rng.uniform(0, 200, (14, 4, 1)), rng.uniform(2, 8, (14, 4, 1))
    shapes = np.exp(-0.5 * ((channels - peaks[0]) / peaks[1]) ** 2)
    pure = (rng.gamma(2.0, 0.5, (14, 4, 1)) * shapes).sum(1)
    chosen = rng.random((3000, 14)).argsort(1) < 3
    amounts = chosen * rng.gamma(3.0, 0.4, (3000, 14))
    baseline = rng.normal(0.5, 0.2, (3000, 1)) + rng.normal(0, 0.002, (3000, 1)) * channels
    return np.asarray(amounts @ pure + baseline + rng.normal(0, 0.05, (3000, 200)))


def windows() -> Array:
    """4,000 windows of 64 moments: pulses, ramps and waves of any phase, and noise."""
    rng = np.random.default_rng(4)
    moment = np.arange(64) / 64
    phase, rate, place, size = rng.random((4, 4000, 1))
    wave = np.sin(2 * np.pi * (moment * (1 + 2 * rate) + phase))
    pulse = np.exp(-0.5 * ((moment - place) / 0.05) ** 2)
    step = 1 / (1 + np.exp(-40 * (moment - place)))
    on = rng.random((3, 4000, 1)) < 0.5
    clean = on[0] * wave * (0.5 + size) + on[1] * 2 * pulse + on[2] * step
    return np.asarray(clean + gaussian_filter1d(rng.normal(0, 0.15, clean.shape), 1))


def counts() -> Array:
    """4,000 rows of 120 counts from 4 of 20 programmes at work in a row."""
    rng = np.random.default_rng(5)
    programmes = rng.dirichlet(np.full(120, 0.08), 20)
    chosen = rng.random((4000, 20)).argsort(1) < 4
    amounts = chosen * rng.gamma(2.0, 40.0, (4000, 20))
    return rng.poisson(amounts @ programmes + 0.05)


def activations() -> Array:
    """20,000 rows of 128 numbers: 6 of 24 directions at work in a row, and noise."""
    rng = np.random.default_rng(6)
    atoms = rng.normal(size=(24, 128))
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    chosen = rng.random((20_000, 24)).argsort(1) < 6
    amounts = chosen * rng.gamma(3.0, 0.5, (20_000, 24))
    return np.asarray(amounts @ atoms + rng.normal(0, 0.05, (20_000, 128)), np.float32)


SETS: dict[str, Own] = {
    "drawn digits": Own("binary-like images", mnist),
    "clothes": Own("grey images", clothes),
    "digits": Own("grey images", digits),
    "faces": Own("grey images", faces),
    "heads": Own("grey images", heads),
    "grey patches": Own("grey images", grey_photographs),
    "colour patches": Own("colour images", photographs),
    "wine": Own("table", wine),
    "tumours": Own("table", tumours),
    "terrain": Own("table", terrain),
    "spectra": Own("signals", spectra),
    "windows": Own("signals", windows),
    "counts": Own("counts", counts),
    "activations": Own("activations", activations),
}
