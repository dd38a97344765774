"""The paper that figures are drawn on, and how it gets into a file."""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from sparsevae.errors import OutputError
from sparsevae.report import plots
from sparsevae.storage.files import make_folder, replacing

DOTS = 160  # an inch
COLOURS = 256  # of a PNG: a third of the bytes, and no difference to the eye
MANY = 2**14  # distinct colours: from here on the best choice of 256 takes too long
HEADING = 0.35  # inches over everything, where there is a heading


class Sheet(Figure):
    """A figure outside of pyplot that a notebook shows as a picture.

    Args:
        width: in inches.
        height: in inches, without the heading.
        heading: over everything; none when empty.
        constrained: False where axes are put in their place by :meth:`place`.
    """

    def __init__(
        self, width: float, height: float, heading: str = "", *, constrained: bool = True
    ) -> None:
        tall = height + (HEADING if heading else 0)
        super().__init__(figsize=(width, tall), dpi=DOTS, facecolor="white")
        self.set_layout_engine("constrained" if constrained else "none")
        self.page = FigureCanvasAgg(self)
        if heading:
            y = 0.98 if constrained else 1 - 0.1 / tall
            text = self.suptitle(heading, x=0.01, y=y, ha="left", va="top")
            text.set(fontsize=plots.TITLE + 1, fontweight="bold", color=plots.INK)

    def place(self, left: float, bottom: float, width: float, height: float) -> Axes:
        """New axes, their box in inches from the lower left corner."""
        wide, high = self.get_size_inches()
        return self.add_axes((left / wide, bottom / high, width / wide, height / high))

    def _repr_png_(self) -> bytes:
        return png(self)


def png(sheet: Sheet) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    with _any_letters():
        sheet.page.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(sheet.page.buffer_rgba())[..., :3]  # type: ignore[no-untyped-call]
    content = io.BytesIO()
    _few_colours(np.ascontiguousarray(pixels)).save(
        content, format="png", optimize=True, dpi=(DOTS, DOTS)
    )
    return content.getvalue()


def _few_colours(pixels: npt.NDArray[np.uint8]) -> Image.Image:
    """A picture of 256 colours, each the mean of those it stands for, so white stays white."""
    picture = Image.fromarray(pixels)
    few = picture.getcolors(MANY) is not None
    method = Image.Quantize.MAXCOVERAGE if few else Image.Quantize.MEDIANCUT
    picture = picture.quantize(COLOURS, method, dither=Image.Dither.NONE)
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
    with matplotlib.rc_context(settings), _any_letters():
        sheet.savefig(content, format="svg", metadata={"Date": None, "Creator": None})
    return content.getvalue()


@contextmanager
def _any_letters() -> Iterator[None]:
    """Users' names may have letters that the font lacks: boxes are drawn without a word."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing", UserWarning)
        yield


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
    form = FORMATS.get(path.suffix.lower())
    if form is None:
        raise OutputError(f"{path} is no name for a figure: let it end in .png or .svg.")
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(form(sheet))
    return path
