"""What each latent dimension does: to images along its axis, to the columns of a table.

Shape legend: R dimensions shown, G values of each, J latent dimensions, D columns.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from sparsevae.errors import RunFolderError
from sparsevae.metrics.sparsity import used_mask
from sparsevae.report import plots
from sparsevae.report.figures.sheet import Sheet
from sparsevae.report.figures.single import WIDTH, heading
from sparsevae.runs.folder import RunFolder

TILE = 0.42  # inches that an image is wide
LEFT, TOP = 0.9, 0.75  # inches beside and above the images
LINE = 0.19  # inches a column of a table
SHOWN = 60  # columns of a table, and dimensions, at most
WRITTEN = 16  # dimensions: up to here the numbers are written in


def traversal(
    run: RunFolder,
    dimensions: Sequence[int],
    values: npt.NDArray[np.floating],
    images: npt.NDArray[np.uint8],
) -> Sheet:
    """One row of images a dimension: it moves from left to right, the others stay.

    Args:
        run: a finished run.
        dimensions: R numbers of dimensions.
        values: of each, shape ``(R, G)``; NaN is a spike switched off.
        images: decoded, shape ``(R, G, C, H, W)``.
    """
    rows, places, _, height, width = images.shape
    wide, high = TILE * places, TILE * rows * height / width
    sheet = Sheet(wide + LEFT + 0.1, high + TOP, heading(run))
    sheet.set_layout_engine("none")  # it would not leave the tiles their size
    paper_width, paper_height = sheet.get_size_inches()
    ax = sheet.add_axes(
        (LEFT / paper_width, 0.3 / paper_height, wide / paper_width, high / paper_height)
    )
    plots.tidy(plots.draw_tiles(ax, images))
    ax.set_yticks(np.arange(rows) + 0.5, [f"dimension {j}" for j in reversed(dimensions)])
    off = bool(np.isnan(values).any())
    ax.set_xticks([0.5, places - 0.5], ["off" if off else "lowest", "highest"])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return sheet


def column_effects(run: RunFolder, dimensions: Sequence[int] | None = None) -> Sheet:
    """What each dimension does to each column of a table, in standard deviations of the column.

    Dimensions that the decoder does not use have grey numbers. Of more than 60 columns those
    that change most are shown.

    Args:
        run: a finished run on a table.
        dimensions: which; all, or the 60 most used, when None.

    Raises:
        RunFolderError: the run keeps no such numbers.
    """
    arrays = run.pictures
    if "effects" not in arrays:
        raise RunFolderError(f"{run.path} keeps no effects on columns: it is of no table.")
    effects, rises = arrays["effects"], arrays["rises"]
    if dimensions is None:
        dimensions = sorted(np.argsort(-rises, kind="stable")[:SHOWN].tolist())
    chosen = effects[list(dimensions)].T  # (D, R)
    strongest = np.sort(np.argsort(-np.abs(chosen).max(1), kind="stable")[:SHOWN])
    names = run.data.columns or [f"column {place}" for place in range(len(chosen))]
    sheet = Sheet(WIDTH, max(2.0, LINE * len(strongest) + 1.2), heading(run))
    ax = sheet.subplots()
    digits = 1 if len(dimensions) <= WRITTEN else None
    plots.heat_map(
        ax,
        chosen[strongest],
        [names[place] for place in strongest],
        [str(j) for j in dimensions],
        centred=True,
        digits=digits,
    )
    plots.headed(ax, "from one end of a dimension to the other, sd of the column")
    ax.set_xlabel("dimension")
    used = used_mask(rises)
    for label, j in zip(ax.get_xticklabels(), dimensions, strict=True):
        label.set_color(plots.INK if used[j] else plots.COLOURS[3])
    plots.tidy(sheet.colorbar(ax.images[-1], ax=ax, pad=0.01, aspect=24).ax)
    return sheet
