"""What each latent dimension does to images along its axis."""

from collections.abc import Sequence

import numpy as np

from sparsevae.report import plots
from sparsevae.report.figures.sheet import Sheet
from sparsevae.report.study import Run
from sparsevae.storage.arrays import Array

TILE = 0.42  # inches that an image is wide
LEFT = 0.95  # inches beside the images


def traversal(run: Run, dimensions: Sequence[int], values: Array, images: Array) -> Sheet:
    """One row of images a dimension: it moves from left to right, the others stay.

    Args:
        run: names the picture.
        dimensions: R numbers of dimensions.
        values: of each, shape ``(R, G)``; NaN is a spike switched off.
        images: decoded, shape ``(R, G, C, H, W)``, see
            :func:`sparsevae.report.grids.decoded_lines`.
    """
    rows, places, _, height, width = images.shape
    wide, high = TILE * places, TILE * rows * height / width
    sheet = Sheet(wide + LEFT + 0.1, high + 0.4, run.heading, constrained=False)
    ax = sheet.place(LEFT, 0.3, wide, high)
    plots.tidy(plots.draw_tiles(ax, images))
    ax.set_yticks(np.arange(rows) + 0.5, [f"dimension {j}" for j in reversed(dimensions)])
    off = bool(np.isnan(values).any())
    ax.set_xticks([0.5, places - 0.5], ["off" if off else "lowest", "highest"])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return sheet
