"""The bow tie of Smiley: a template resized to any width and height and put on the canvas.

Shapes: n ties; the template has 11 rows and 17 columns.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

ENDS = (0, 3, 5, 7, 17, 17, 17, 7, 5, 3, 0)
"""How many pixels are set at either end of each row of the template."""
REACH = 2.0
"""The bicubic kernel is zero from this distance on."""


def _template() -> Floats:
    from_edge = np.minimum(np.arange(17), np.arange(17)[::-1])
    return (from_edge[None, :] < np.array(ENDS)[:, None]).astype(np.float64)


TEMPLATE = _template()


def nearest(x: Floats) -> Floats:
    """The nearest whole number, halves upwards (np.rint would take them to the even one)."""
    return np.floor(x + 0.5)


def paint(factors: Floats, side: int) -> Mask:
    """Bow ties on empty canvases.

    Args:
        factors: (4, n) shift right, shift down, width, height, in standard units of Smiley.
        side: Rows and columns of the canvas; what lies outside is cut off.

    Returns:
        (n, side, side) true where a tie is.
    """
    a0, a1, a2, a3 = factors
    width, height = 12 + 3 * a2, 5 + 2 * a3
    ties = resized(np.ceil(height), np.ceil(width))  # (n, most rows, most columns)
    top = nearest(29 + a1 - height / 2)
    left = nearest(16.5 + 0.5 * a0 - width / 2)
    line = np.arange(1, side + 1)
    rows = (line - top[:, None]).astype(np.int64)  # (n, side) row of the tie at each canvas row
    columns = (line - left[:, None]).astype(np.int64)
    inside_rows = (rows >= 0) & (rows < ties.shape[1])
    inside_columns = (columns >= 0) & (columns < ties.shape[2])
    rows, columns = np.where(inside_rows, rows, 0), np.where(inside_columns, columns, 0)
    tie = np.arange(len(ties))[:, None, None]
    inside: Mask = inside_rows[:, :, None] & inside_columns[:, None, :]
    return inside & ties[tie, rows[:, :, None], columns[:, None, :]]


def resized(rows: Floats, columns: Floats) -> Mask:
    """The template at n sizes: bicubic, stretched to 0 .. 1, rounded.

    Args:
        rows: (n,) whole numbers of rows; a tie of less than one row is empty.
        columns: (n,) whole numbers of columns.

    Returns:
        (n, most rows, most columns), false outside each tie's own size.
    """
    sizes, which = np.unique(np.stack([rows, columns]), axis=1, return_inverse=True)
    down, inside_rows = _weights(sizes[0], TEMPLATE.shape[0])
    across, inside_columns = _weights(sizes[1], TEMPLATE.shape[1])
    grey = down @ TEMPLATE @ across.swapaxes(1, 2)
    inside = inside_rows[:, :, None] & inside_columns[:, None, :]  # one for each distinct size
    low = np.min(grey, axis=(1, 2), where=inside, initial=np.inf, keepdims=True)
    high = np.max(grey, axis=(1, 2), where=inside, initial=-np.inf, keepdims=True)
    black: Mask = inside & (grey - low >= 0.5 * (high - low))
    return black[which.reshape(-1)]


def _weights(sizes: Floats, source: int) -> tuple[Floats, Mask]:
    """(n, most, source) how much of each template pixel goes into each new one, and which exist.

    Pixel i of the new image lies at u = (i + 1/2) / scale - 1/2 of the old one; the kernel is as
    wide as one new pixel where that is more than an old one. Beyond its borders the template is
    mirrored, twice on either side, which suffices down to a size of one pixel.
    """
    most = max(1, int(sizes.max(initial=1)))
    scale = np.maximum(sizes, 1.0)[:, None, None] / source
    place = (np.arange(most)[None, :, None] + 0.5) / scale - 0.5
    virtual = np.arange(-2 * source, 3 * source)
    kernel = _bicubic((place - virtual) * np.minimum(scale, 1.0))  # (n, most, 5 source)
    mirrored = virtual % (2 * source)
    mirrored = np.minimum(mirrored, 2 * source - 1 - mirrored)
    folded = kernel @ (mirrored[:, None] == np.arange(source)).astype(np.float64)
    exists = np.arange(most) < sizes[:, None]
    return folded / np.maximum(folded.sum(axis=2, keepdims=True), 1e-300), exists


def _bicubic(x: Floats) -> Floats:
    """Keys' cubic convolution kernel with a = -1/2."""
    x = np.abs(x)
    near = (1.5 * x - 2.5) * x * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x <= 1, near, np.where(x < REACH, far, 0.0))
