"""The paper that figures are drawn on, and how it gets into a file."""

import io
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from sparsevae import plots
from sparsevae.errors import OutputError
from sparsevae.runs import make_folder, replacing

DOTS = 160  # an inch
BARE = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
SALT = {"svg.hashsalt": "sparsevae"}  # names inside an SVG are random without one


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
    return _written(figure, "png")


def save(figure: Figure, path: Path) -> Path:
    """Write a figure as PNG or, where the name ends in ``.svg``, as SVG.

    Args:
        figure: of this package, or any other.
        path: its folder is made where it is missing.

    Returns:
        The path.

    Raises:
        OutputError: the name ends otherwise, or the place cannot be written to.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in BARE:
        raise OutputError(f"{path} is no name for a figure: let it end in .png or .svg.")
    make_folder(path.parent)
    with replacing(path) as temporary:
        temporary.write_bytes(_written(figure, kind))
    return path


def _written(figure: Figure, kind: str) -> bytes:
    content = io.BytesIO()
    with matplotlib.rc_context(SALT):
        figure.savefig(content, format=kind, dpi=DOTS, metadata=BARE[kind], facecolor="white")
    return content.getvalue()
