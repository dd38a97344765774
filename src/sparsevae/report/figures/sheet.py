"""The paper that figures are drawn on, and how it gets into a file."""

import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from sparsevae.errors import OutputError
from sparsevae.report import plots
from sparsevae.storage.files import make_folder, replacing

DOTS = 160  # an inch
COLOURS = 256  # of a PNG: a third of the bytes, and no difference to the eye


class Sheet(Figure):
    """A figure outside of pyplot that a notebook shows as a picture.

    Args:
        width: in inches.
        height: in inches.
        title: over everything; none when empty.
    """

    def __init__(self, width: float, height: float, title: str = "") -> None:
        super().__init__(figsize=(width, height), dpi=DOTS, facecolor="white")
        self.set_layout_engine("constrained")
        self.page = FigureCanvasAgg(self)
        if title:
            text = self.suptitle(title, x=0.01, ha="left", fontsize=plots.TITLE + 1)
            text.set(fontweight="bold", color=plots.INK)

    def _repr_png_(self) -> bytes:
        return png(self)


def png(sheet: Sheet) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    sheet.page.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(sheet.page.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    content = io.BytesIO()
    _few_colours(np.ascontiguousarray(pixels)).save(
        content, format="png", optimize=True, dpi=(DOTS, DOTS)
    )
    return content.getvalue()


def _few_colours(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """A picture of 256 colours, each the mean of those it stands for, so white stays white."""
    picture = Image.fromarray(pixels).quantize(
        COLOURS, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE
    )
    chosen = np.asarray(picture).ravel()
    counts = np.bincount(chosen, minlength=COLOURS).clip(min=1)
    sums = [np.bincount(chosen, channel, COLOURS) for channel in pixels.reshape(-1, 3).T]
    means = np.stack(sums, axis=1) / counts[:, None]
    picture.putpalette(means.round().astype(np.uint8).tobytes())
    return picture


def svg(sheet: Sheet) -> bytes:
    """The figure as an SVG file; the same figure gives the same bytes."""
    content = io.BytesIO()
    settings: dict[Any, Any] = {"svg.hashsalt": "sparsevae"}  # names inside are random without
    with matplotlib.rc_context(settings):
        sheet.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return content.getvalue()


FORMATS = {".png": png, ".svg": svg}


def save(sheet: Sheet, path: Path) -> Path:
    """Write a figure as PNG or SVG, whichever its name ends in.

    Args:
        sheet: what a function of this package returns.
        path: its folder is made where it is missing.

    Returns:
        The path.

    Raises:
        OutputError: the name ends otherwise, or the place cannot be written to.
    """
    written = FORMATS.get(path.suffix.lower())
    if written is None:
        raise OutputError(f"{path} is no name for a figure: let it end in .png or .svg.")
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(written(sheet))
    return path
