"""How close images are: per pixel, in structure, in sharpness, and as two sets.

Shape legend: N images of shape (C, H, W), values in [0, 1]; F features.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from sparsevae.storage.arrays import mean_row

Images = npt.NDArray[np.floating]

BLOCK = 100  # images compared at once: they stay in the processor's cache
WINDOW, WINDOW_SIGMA = 11, 1.5  # pixels; the window of structural similarity
LUMINANCE, CONTRAST = 0.01**2, 0.03**2  # its two constants, for a peak of 1


def _blocks(images: Images) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, len(images), BLOCK))


def squared_errors(images: Images, others: Images) -> Images:
    """Mean squared error of each image, per pixel, shape ``(N,)``.

    Args:
        images: shape ``(N, C, H, W)``.
        others: what they are compared with, of the same shape.
    """
    errors, others = np.empty(len(images)), np.broadcast_to(others, images.shape)
    for block in _blocks(images):
        difference = (images[block].astype(np.float64) - others[block]).reshape(-1, images[0].size)
        errors[block] = np.einsum("ni,ni->n", difference, difference) / images[0].size
    return errors


def explained_variance(images: Images, others: Images) -> float:
    """1 − Σ‖x − y‖²/Σ‖x − x̄‖² of images x, their mean x̄ and others y; 1 is the most.

    Where all images are equal it is NaN. Places that are NaN do not count.

    Example:
        >>> explained_variance(np.array([[0.0], [2.0]]), np.array([[0.5], [1.5]]))
        0.75
    """
    spread = mse(images, np.broadcast_to(mean_row(images), images.shape))
    return 1 - mse(images, others) / spread if spread else float("nan")


def mse(images: Images, others: Images) -> float:
    """Mean squared error per pixel over all images; places that are NaN do not count.

    Args:
        images: shape ``(N, C, H, W)``.
        others: of the same shape and in the same units.

    Example:
        >>> mse(np.zeros((2, 1, 2, 2)), np.full((2, 1, 2, 2), 0.5))
        0.25
    """
    if np.isnan(images[:]).any():
        squares = ((images.astype(np.float64) - others) ** 2)[~np.isnan(images)]
        return float(squares.mean()) if squares.size else float("nan")
    return float(squared_errors(images, others).mean())


def psnr(error: float) -> float:
    """Peak signal-to-noise ratio in decibels of an MSE per pixel, peak 1; infinite at 0.

    Example:
        >>> psnr(0.01)
        20.0
    """
    return float("inf") if error == 0 else float(-10 * np.log10(error))


def ssim(images: Images, others: Images) -> float | None:
    """Mean structural similarity, at most 1, which is for equal images; see :class:`Similarity`.

    Args:
        images: in [0, 1], shape ``(N, C, H, W)``.
        others: of the same shape.

    Returns:
        None for images of fewer than 11 rows or columns.
    """
    return Similarity(images).to(others)


class Similarity:
    """Structural similarity to images whose own moments are taken once.

    A Gaussian window of 11x11 pixels and standard deviation 1.5, at every place where it lies
    inside the image; averaged over places, channels and images.

    Source: Wang et al. 2004, "Image quality assessment", equation 13 and section III C.

    Args:
        images: in [0, 1], shape ``(N, C, H, W)``.
    """

    def __init__(self, images: Images) -> None:
        self.images, sides = images, images.shape[-2:]
        self.moments: list[tuple[Images, Images]] = []
        if min(sides) >= WINDOW:
            self.down, self.across = (_window(size) for size in sides)
            for block in _blocks(images):
                x = _rows_first(images[block])
                mean, square = self._blurred(x, x * x)
                self.moments.append((mean, square - mean * mean))

    def to(self, others: Images) -> float | None:
        """The mean over others of the same shape; None for fewer than 11 rows or columns."""
        if not self.moments:
            return None
        each = []
        for block, (mean_x, variance) in zip(_blocks(others), self.moments, strict=True):
            x, y = _rows_first(self.images[block]), _rows_first(others[block])
            mean_y, square, product = self._blurred(y, y * y, x * y)
            means = mean_x * mean_y
            squares = mean_x * mean_x + mean_y * mean_y
            spread = variance + (square - mean_y * mean_y)
            similar = (2 * means + LUMINANCE) / (squares + LUMINANCE)
            similar *= (2 * (product - means) + CONTRAST) / (spread + CONTRAST)
            each.append(similar.mean((0, 2)))
        return float(np.concatenate(each).mean(dtype=np.float64))

    def _blurred(self, *maps: Images) -> Images:
        """The window's mean at every place of k maps ``(H, M, W)``: ``(k, H − 10, M, W − 10)``."""
        height, count, width = maps[0].shape
        stacked = np.concatenate(maps, 1).reshape(height, -1)
        blurred = (self.down @ stacked).reshape(-1, width) @ self.across.T
        shape = len(self.down), len(maps), count, len(self.across)
        return np.asarray(blurred.reshape(shape).swapaxes(0, 1))


def _rows_first(images: Images) -> Images:
    """Images as one matrix product blurs them all, ``(H, N·C, W)`` of ``(N, C, H, W)``."""
    maps = images.reshape(-1, *images.shape[-2:]).astype(np.float32, copy=False)
    return np.ascontiguousarray(maps.swapaxes(0, 1))


def _window(size: int) -> Images:
    """The Gaussian window at each place along an axis, a banded matrix ``(size − 10, size)``."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (offsets / WINDOW_SIGMA) ** 2)
    band = np.zeros((size - WINDOW + 1, size), dtype=np.float32)
    for place, row in enumerate(band):
        row[place : place + WINDOW] = weights / weights.sum()
    return band


def laplacian_variance(images: Images) -> float:
    """Variance over places of the discrete Laplacian of an image, averaged over images.

    Source: Pech-Pacheco et al. 2000, "Diatom autofocusing in brightfield microscopy".
    """
    each = []
    for x in (images[block].astype(np.float64) for block in _blocks(images)):
        rows, columns = x[..., :, 1:-1], x[..., 1:-1, :]
        sums = rows[..., 2:, :] + rows[..., :-2, :] + columns[..., 2:] + columns[..., :-2]
        laplacian = sums - 4 * x[..., 1:-1, 1:-1]
        each.append(laplacian.reshape(len(x), -1).var(1))
    return float(np.concatenate(each).mean())


def sharpness(restored: Images, images: Images) -> float | None:
    """Laplacian variance of restored images as a share of the originals'; below 1 is blurred.

    Returns:
        None where the originals are flat, or have fewer than 3 rows or columns.
    """
    if min(images.shape[-2:]) < 3:
        return None
    own = laplacian_variance(images)
    return laplacian_variance(restored) / own if own > 0 else None


def frechet_distance(features: Images, others: Images) -> float | None:
    """Squared Fréchet distance of two sets of features, each taken as a Gaussian.

        ‖m₁ − m₂‖² + tr(C₁ + C₂ − 2 (C₁ C₂)^½)

    It depends on the number of images; compare values of equally many.

    Source: Dowson and Landau 1982; for images Heusel et al. 2017, equation 6.

    Args:
        features: shape ``(N, F)``.
        others: shape ``(M, F)``.

    Returns:
        None where one of the sets has fewer than two images.

    Example:
        >>> two = np.array([[0.0], [1.0]])
        >>> frechet_distance(two, two + 3)
        9.0
    """
    if min(len(features), len(others)) < 2:
        return None
    apart = features.mean(0, dtype=np.float64) - others.mean(0, dtype=np.float64)
    first, second = (np.atleast_2d(np.cov(x.astype(np.float64).T)) for x in (features, others))
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ second @ root).clip(0)).sum()
    return float(apart @ apart + np.trace(first) + np.trace(second) - 2 * shared)


def pixel_variance(images: Images) -> float:
    """Variance over images of each pixel, averaged over pixels; NaN do not count."""
    if any(np.isnan(images[block]).any() for block in _blocks(images)):
        each = variances(images)
        return float(each.mean()) if each.size else 0.0
    mean = sum(images[block].sum(0, dtype=np.float64) for block in _blocks(images)) / len(images)
    squares = (((images[block] - mean) ** 2).sum() for block in _blocks(images))
    return float(sum(squares) / images.size)


def variances(images: Images) -> Images:
    """Variance over images of each pixel that is not always NaN, as it is without the others."""
    each = images.astype(np.float64)
    there = ~np.isnan(each)
    counts = there.sum(0)
    each = np.where(there, each, 0.0)
    mean = each.sum(0) / np.maximum(counts, 1)
    squares = np.where(there, (each - mean) ** 2, 0.0)
    return np.asarray((squares.sum(0) / np.maximum(counts, 1))[counts > 0])


def variance_share(restored: Images, images: Images) -> float:
    """Pixel variance of restored images as a share of the originals'; 1 where those are all alike.

    Example:
        >>> ramp = np.linspace(0, 1, 5).reshape(5, 1, 1, 1)
        >>> variance_share(ramp / 2, ramp)
        0.25
    """
    gaps = np.isnan(images)
    if gaps.any():
        restored = np.where(gaps, np.nan, restored)
    own = pixel_variance(images)
    return pixel_variance(restored) / own if own > 0 else 1.0
