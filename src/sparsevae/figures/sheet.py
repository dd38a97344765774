"""The paper that figures are drawn on, and how it gets into a file."""

import io
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.figure import Figure
from PIL import Image

from sparsevae import plots
from sparsevae.errors import OutputError
from sparsevae.runs import make_folder, replacing

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
        super().__init__(figsize=(width, height), dpi=DOTS, layout="constrained")
        if title:
            self.suptitle(
                title,
                fontsize=plots.TITLE + 1,
                fontweight="bold",
                color=plots.INK,
                x=0.01,
                ha="left",
            )

    def _repr_png_(self) -> bytes:
        return png(self)


def png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    picture = Image.open(io.BytesIO(_drawn(figure, format="png"))).convert("RGB")
    content = io.BytesIO()
    few = picture.quantize(COLOURS, Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE)
    few.save(content, format="png", optimize=True, dpi=(DOTS, DOTS))
    return content.getvalue()


def svg(figure: Figure) -> bytes:
    """The figure as an SVG file; the same figure gives the same bytes."""
    settings: dict[Any, Any] = {"svg.hashsalt": "sparsevae"}  # names inside are random without
    with matplotlib.rc_context(settings):
        return _drawn(figure, format="svg", metadata={"Date": None, "Creator": None})


FORMATS = {".png": png, ".svg": svg}


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG or SVG, whichever its name ends in.

    Args:
        figure: of this package, or any other.
        path: its folder is made where it is missing.

    Returns:
        The path.

    Raises:
        OutputError: the name ends otherwise, or the place cannot be written to.
    """
    if path.suffix.lower() not in FORMATS:
        raise OutputError(f"{path} is no name for a figure: let it end in .png or .svg.")
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(FORMATS[path.suffix.lower()](figure))
    return path


def _drawn(figure: Figure, **options: Any) -> bytes:
    content = io.BytesIO()
    figure.savefig(content, dpi=DOTS, facecolor="white", **options)
    return content.getvalue()
