"""What any model must beat, from the data alone: trivial scores and simple denoisers.

Shape legend: N images of shape (C, H, W), values in [0, 1].
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter, uniform_filter
from scipy.special import xlogy

from sparsevae.data import corruptions
from sparsevae.metrics import denoisers
from sparsevae.metrics.images import mse

Images = npt.NDArray[np.floating]
COMPONENTS = (16, 50)
WIENER, AFFINE, CLASSES = "Wiener of components", "affine regression", "class Gaussians"
MOST_PIXELS, MOST_IMAGES, MOST_CLASSES = 1024, 20_000, 50  # of what knows second moments
REGRESSION_SEED = 21  # of the noise that the regression learns from
EXACT = 4096  # elements of a row; beyond, principal components are those of a random sketch


def grey_score(images: Images, predicted: Images) -> float:
    """−[x log p + (1−x) log(1−p)] summed over pixels, nats per image, averaged over images.

    Args:
        images: x in [0, 1], shape ``(N, C, H, W)``.
        predicted: p, of that shape or one that broadcasts to it.
    """
    x, p = images.astype(np.float64), predicted.astype(np.float64)
    return float(-(xlogy(x, p) + xlogy(1 - x, 1 - p)).reshape(len(x), -1).sum(1).mean())


def collapse_floor(train: Images, test: Images) -> float:
    """Score of a decoder that prints the mean training image, nats per test image.

    Args:
        train: images in [0, 1] that are averaged, shape ``(M, C, H, W)``.
        test: those that are scored, shape ``(N, C, H, W)``.
    """
    mean = np.clip(train.mean(0, dtype=np.float64), 1e-6, 1 - 1e-6)
    return grey_score(test.mean(0, dtype=np.float64)[None], mean)  # it is linear in the images


def perfect_score(test: Images) -> float:
    """Score of a perfect reconstruction; above 0 where pixels are grey."""
    return grey_score(test, test)


class Corrupted(NamedTuple):
    """Images to restore.

    Attributes:
        images: as a model is given them.
        variance: of what was added to a pixel, which the Wiener filter is given; 0 for nothing.
        clipped: whether restored images are cut to [0, 1] as well.
        normal: whether what was added is normal noise of that variance.
    """

    images: Images
    variance: float
    clipped: bool = False
    normal: bool = False


def gaussian_columns(test: Images, sigmas: tuple[float, ...], seed: int) -> dict[str, Corrupted]:
    """Clean images, and at each level noise as it comes and cut to [0, 1] as picture files are.

    Args:
        test: images in [0, 1], shape ``(N, C, H, W)``.
        sigmas: standard deviations of the noise, in units of the images' range.
        seed: of the noise.

    Returns:
        By column: ``"clean"``, ``"0.3"``, ``"0.3 clipped"``.
    """
    columns = {"clean": Corrupted(test, 0.0)}
    for sigma in sigmas:
        columns[f"{sigma}"] = Corrupted(
            corruptions.gaussian(test, sigma, seed), sigma**2, normal=True
        )
        clipped = corruptions.gaussian(test, sigma, seed, clip=True)
        columns[f"{sigma} clipped"] = Corrupted(clipped, sigma**2, True, True)
    return columns


def damaged_columns(test: Images, levels: tuple[float, ...], seed: int) -> dict[str, Corrupted]:
    """Images with black and white pixels, and with a black square.

    Args:
        test: images in [0, 1], shape ``(N, C, H, W)``.
        levels: share of the pixels that are replaced, in [0, 1].
        seed: of which ones.

    Returns:
        By column: ``"salt and pepper 0.3"``, ``"occlusion 0.3"``.
    """
    columns = {}
    for kind, level, images in corruptions.damages(test, levels, seed):
        column = f"{kind.replace('_', ' and ')} {level}"
        columns[column] = Corrupted(images, mse(test, images))
    return columns


class TrivialDenoisers:
    """Denoisers without a model, fitted once.

    Args:
        train: what the mean image and the principal components are fitted on, images in [0, 1] of
            shape ``(N, C, H, W)``.
        labels: class of every training image, shape ``(N,)``, where there are classes.
    """

    def __init__(self, train: Images, labels: npt.NDArray[np.integer] | None = None) -> None:
        from sklearn.decomposition import PCA

        flat = train.reshape(len(train), -1)
        self.mean = train.mean(0)
        self.fits = {
            f"PCA-{size}": PCA(size, **solver(flat)).fit(flat)
            for size in COMPONENTS
            if size < min(flat.shape)
        }
        self.known = _SecondMoments(flat, labels) if flat.shape[1] <= MOST_PIXELS else None

    def rows(self, test: Images, columns: Mapping[str, Corrupted]) -> dict[str, dict[str, float]]:
        """MSE per pixel to the clean image.

        Args:
            test: clean images, shape ``(M, C, H, W)``.
            columns: the same images to be restored, made with the seed that models are given.

        Returns:
            By row (such as ``"PCA-50"``), then by column.
        """
        table: dict[str, dict[str, float]] = {}
        for column, (noisy, variance, clipped, normal) in columns.items():
            rows = {"doing nothing": noisy, "mean image": np.broadcast_to(self.mean, test.shape)}
            for name, fit in self.fits.items():
                codes = fit.transform(noisy.reshape(len(noisy), -1))
                rows[name] = fit.inverse_transform(codes).reshape(noisy.shape)
            rows["median filter 3x3"] = median_filter(noisy, size=(1, 1, 3, 3))
            rows["Wiener filter 3x3"] = _wiener(noisy, variance)
            if normal and variance > 0 and self.known is not None:
                rows |= self.known.rows(noisy, variance, clipped)
            for name, restored in rows.items():
                cut = np.clip(restored, 0, 1) if clipped else restored
                table.setdefault(name, {})[column] = mse(test, cut)
        return table


class _SecondMoments:
    """Estimates from second moments of clean images and the noise.

    Args:
        train: flat images, shape ``(N, D)``; the first 20,000 are used.
        labels: class of each, where there are classes.
    """

    def __init__(self, train: Images, labels: npt.NDArray[np.integer] | None) -> None:
        self.train = train[:MOST_IMAGES]
        self.all = denoisers.moments(self.train)
        marks = None if labels is None else labels[:MOST_IMAGES]
        names = () if marks is None else np.unique(marks)[:MOST_CLASSES]
        self.classes = [denoisers.moments(self.train[marks == name]) for name in names]

    def rows(self, noisy: Images, variance: float, clipped: bool) -> dict[str, Images]:
        """Restored images by name; all but the first are cut to [0, 1]."""
        y, sigma = noisy.reshape(len(noisy), -1), variance**0.5
        seen = corruptions.gaussian(self.train, sigma, REGRESSION_SEED, clipped)
        restored = {
            WIENER: denoisers.wiener_of_components(self.all, y, variance),
            AFFINE: denoisers.affine_regression(self.train, seen, y).clip(0, 1),
        }
        if self.classes:
            estimate = denoisers.class_gaussians(self.classes, y, variance)
            restored[CLASSES] = estimate.clip(0, 1)
        return {name: images.reshape(noisy.shape) for name, images in restored.items()}


def solver(rows: Images) -> dict[str, Any]:
    """How principal components are computed: exactly, or at random for more than 4,096 elements.

    The time of the exact way grows with the cube of the elements.
    """
    if rows[:1].size <= EXACT:
        return {"svd_solver": "covariance_eigh"}
    return {"svd_solver": "randomized", "random_state": 0}


def _wiener(noisy: Images, noise_variance: float) -> Images:
    """Wiener filter over 3x3 windows, black outside (Lim 1990, section 9.2.1), all images at once.

    Each pixel is its window's mean plus the share of the difference that noise cannot explain.
    """
    if noise_variance == 0.0:
        return noisy
    x, window = noisy.astype(np.float64), (1, 1, 3, 3)
    mean = uniform_filter(x, window, mode="constant")
    variance = uniform_filter(x**2, window, mode="constant") - mean**2
    signal_variance = np.maximum(variance - noise_variance, 0)
    share = signal_variance / np.maximum(variance, noise_variance)
    return np.asarray(mean + share * (x - mean))
