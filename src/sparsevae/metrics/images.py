"""How close images are, per pixel.

Shape legend: N images of shape (C, H, W), values in [0, 1].
"""

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[np.floating]


def squared_errors(images: Images, others: Images) -> Images:
    """Mean squared error of each image, per pixel, shape ``(N,)``."""
    difference = images.astype(np.float64) - others
    return np.asarray((difference**2).reshape(len(images), -1).mean(1))


def mse(images: Images, others: Images) -> float:
    """Mean squared error per pixel over all images.

    Example:
        >>> mse(np.zeros((2, 1, 2, 2)), np.full((2, 1, 2, 2), 0.5))
        0.25
    """
    return float(squared_errors(images, others).mean())


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio in decibels of an MSE per pixel, peak 1; infinite at 0.

    Example:
        >>> psnr(0.01)
        20.0
    """
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def pixel_variance(images: Images) -> float:
    """Variance over images of each pixel, averaged over pixels."""
    return float(images.astype(np.float64).var(0).mean())


def variance_share(restored: Images, images: Images) -> float:
    """Pixel variance of restored images as a share of the originals'; 1 where those are all alike.

    Example:
        >>> ramp = np.linspace(0, 1, 5).reshape(5, 1, 1, 1)
        >>> variance_share(ramp / 2, ramp)
        0.25
    """
    own = pixel_variance(images)
    return pixel_variance(restored) / own if own > 0 else 1.0
