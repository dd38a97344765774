"""What any model must beat, from the data alone: trivial scores and simple denoisers.

Shape legend: N images of shape (C, H, W), values in [0, 1].
"""

import numpy as np
import numpy.typing as npt
from scipy.ndimage import median_filter, uniform_filter
from scipy.special import xlogy

from sparsevae.datasets import noise
from sparsevae.metrics.images import mse

Images = npt.NDArray[np.floating]
COMPONENTS = (16, 50)


def grey_score(images: Images, predicted: Images) -> float:
    """−[x log p + (1−x) log(1−p)] summed over pixels, nats per image, averaged over images."""
    x, p = images.astype(np.float64), predicted.astype(np.float64)
    return float(-(xlogy(x, p) + xlogy(1 - x, 1 - p)).reshape(len(x), -1).sum(1).mean())


def collapse_floor(train: Images, test: Images) -> float:
    """Score of a decoder that prints the mean training image, nats per test image."""
    mean = np.clip(train.mean(0, dtype=np.float64), 1e-6, 1 - 1e-6)
    return grey_score(test, np.broadcast_to(mean, test.shape))


def perfect_score(test: Images) -> float:
    """Score of a perfect reconstruction; above 0 where pixels are grey."""
    return grey_score(test, test)


def denoising_rows(
    train: Images, test: Images, sigmas: tuple[float, ...], seed: int
) -> dict[str, dict[str, float]]:
    """MSE per pixel to the clean image of the trivial denoisers, at each noise level.

    Args:
        train: what the mean image and the principal components are fitted on.
        test: clean images.
        sigmas: standard deviations of the Gaussian noise.
        seed: of the noise, the same that models are given.

    Returns:
        By row (such as ``"PCA-50"``), then by column: ``"0.3"`` for noise that is not
        clipped; ``"0.3 clipped"`` where noisy and restored images are both cut to [0, 1], as
        picture files are; ``"clean"`` for no noise.
    """
    from sklearn.decomposition import PCA

    flat = train.reshape(len(train), -1)
    mean = np.broadcast_to(train.mean(0), test.shape)
    fits = {}
    for size in COMPONENTS:
        if size < min(flat.shape):
            fits[f"PCA-{size}"] = PCA(size, svd_solver="covariance_eigh").fit(flat)
    inputs = {"clean": test}
    for sigma in sigmas:
        inputs[f"{sigma}"] = noise.gaussian(test, sigma, seed)
        inputs[f"{sigma} clipped"] = noise.gaussian(test, sigma, seed, clip=True)
    table: dict[str, dict[str, float]] = {}
    for column, noisy in inputs.items():
        rows = {"doing nothing": noisy, "mean image": mean}
        for name, fit in fits.items():
            codes = fit.transform(noisy.reshape(len(noisy), -1))
            rows[name] = fit.inverse_transform(codes).reshape(noisy.shape)
        rows["median filter 3x3"] = median_filter(noisy, size=(1, 1, 3, 3))
        rows["Wiener filter 3x3"] = _wiener(noisy, column)
        for name, restored in rows.items():
            shown = np.clip(restored, 0, 1) if column.endswith("clipped") else restored
            table.setdefault(name, {})[column] = mse(test, shown)
    return table


def _wiener(noisy: Images, column: str) -> Images:
    """Wiener filter over 3x3 windows, black outside (Lim 1990, section 9.2.1), all images at once.

    Each pixel is its window's mean plus the share of the difference that noise cannot explain.
    """
    noise_variance = 0.0 if column == "clean" else float(column.split()[0]) ** 2
    if noise_variance == 0.0:
        return noisy
    x, window = noisy.astype(np.float64), (1, 1, 3, 3)
    mean = uniform_filter(x, window, mode="constant")
    variance = uniform_filter(x**2, window, mode="constant") - mean**2
    signal_variance = np.maximum(variance - noise_variance, 0)
    share = signal_variance / np.maximum(variance, noise_variance)
    return np.asarray(mean + share * (x - mean))
