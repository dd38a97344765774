"""Corrupting images, always the same way for the same seed.

All functions take float images in 0 .. 1 of any shape whose first axis counts the images, return
new float32 ones, and give the first images the same corruption however many there are.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.errors import ConfigurationError
from sparsevae.storage.arrays import Floats

AnyFloats = npt.NDArray[np.floating[Any]]


def gaussian(images: AnyFloats, sigma: float, seed: int, clip: bool = False) -> Floats:
    """Adds sigma * e to each pixel, e ~ N(0, 1) for every one of them.

    Args:
        images: Images in 0 .. 1.
        sigma: Standard deviation of the noise, in units of the full grey range; 0 or more.
        seed: The same seed gives the same noise.
        clip: Cut the result back to 0 .. 1, as a picture file would.

    Returns:
        float32 images; without `clip` they leave 0 .. 1.

    Raises:
        ConfigurationError: If `sigma` is negative or not finite.
    """
    if not 0 <= sigma < np.inf:
        raise ConfigurationError(f"sigma is {sigma}; give a finite number of 0 or more.")
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(images.shape, dtype=np.float32)
    noisy = images.astype(np.float32) + np.float32(sigma) * noise
    return np.clip(noisy, 0.0, 1.0) if clip else noisy


def salt_and_pepper(images: AnyFloats, share: float, seed: int) -> Floats:
    """Sets each pixel to black or white, alike often, with probability `share`.

    Raises:
        ConfigurationError: If `share` is not in 0 .. 1.
    """
    return _salted(images, share, np.random.default_rng(seed).random(images.shape))


def _salted(images: AnyFloats, share: float, draw: npt.NDArray[np.float64]) -> Floats:
    """Black where the draw is below share/2, white where it is as far below 1."""
    if not 0 <= share <= 1:
        raise ConfigurationError(f"share is {share}; give a probability between 0 and 1.")
    salted = np.where(draw >= 1 - share / 2, 1.0, images)
    return np.where(draw < share / 2, 0.0, salted).astype(np.float32)


def occlusion(images: AnyFloats, side: int, seed: int, grey: float = 0.0) -> Floats:
    """Covers one square of each image, at a random place that lies wholly inside.

    Args:
        images: (N, C, H, W) images in 0 .. 1.
        side: Rows and columns of the square, 0 to the shorter side of the image.
        seed: The same seed covers the same places.
        grey: Level of the square, 0 .. 1.

    Returns:
        (N, C, H, W) float32 images.

    Raises:
        ConfigurationError: If `side` or `grey` is out of its range.
    """
    rows, columns = images.shape[-2:]
    if not 0 <= side <= min(rows, columns):
        raise ConfigurationError(
            f"side is {side}; give a number between 0 and {min(rows, columns)} for images of "
            f"{rows}x{columns} pixels."
        )
    if not 0 <= grey <= 1:
        raise ConfigurationError(f"grey is {grey}; give a level between 0 and 1.")
    ends = (rows - side + 1, columns - side + 1)
    corners = np.random.default_rng(seed).integers(0, ends, (len(images), 2))
    down = np.arange(rows) - corners[:, :1]  # (N, H) row inside the square, if 0 .. side-1
    across = np.arange(columns) - corners[:, 1:]
    covered = ((down >= 0) & (down < side))[:, :, None] & ((across >= 0) & (across < side))[
        :, None
    ]
    return np.where(covered[:, None], grey, images).astype(np.float32)


def damages(
    images: AnyFloats, levels: Iterable[float], seed: int
) -> Iterator[tuple[str, float, Floats]]:
    """Both kinds of damage at each level: its name, the level, and the damaged images.

    Args:
        images: shape ``(N, C, H, W)``.
        levels: share of pixels that are black or white, side of a black square as a share of
            the shorter side.
        seed: of what is damaged.
    """
    draw = np.random.default_rng(seed).random(images.shape)  # the same for every level
    for level in levels:
        yield "salt_pepper", level, _salted(images, level, draw)
        side = round(level * min(images.shape[-2:]))
        yield "occlusion", level, occlusion(images, side, seed)
