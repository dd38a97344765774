"""Numbers and an Axes in, the same Axes out: the drawings that figures are made of.

Nothing here loads data, knows of runs or keeps a state, so a drawing fits any figure.

Shape legend: images (C, H, W) as uint8 grey levels or RGB, R rows and M columns of them;
G positions on an axis of a grid; N codes; K classes; J latent dimensions.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from sparsevae.runs.codes import tiles
from sparsevae.storage.arrays import Array

# Ten colours that stay apart for colour-blind eyes. Source: Petroff 2021, arXiv:2107.02270.
COLOURS = (
    *("#3f90da", "#ffa90e", "#bd1f01", "#94a4a2", "#832db6"),
    *("#a96b59", "#e76300", "#b9ac70", "#717581", "#92dadd"),
)
STRONG = (4, 0, 1, 2, 8, 5, 6)  # of the ten, for lines
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
INK, MUTED, RULE = "#1f2933", "#6b7280", "#cfd4da"
OFF = "#e76300"  # frames where a spike is off; seen on black and on white
SMALL, TEXT, TITLE = 7.5, 8.5, 9.5  # points
TICK_STEP = 3  # tiles from one label to the next
CHARACTER = 0.062  # inches that a small letter takes at most on average
LETTERS = 18  # of a name at most
DARK = 0.62  # of the range of a colour map: stronger cells carry white numbers


def tidy(ax: Axes) -> Axes:
    """Give an Axes the calm look that all figures share."""
    ax.tick_params(labelsize=SMALL, color=RULE, labelcolor=INK, length=2.5, width=0.8)
    for label in (ax.xaxis.label, ax.yaxis.label):
        label.set(fontsize=TEXT, color=INK)
    for spine in ax.spines.values():
        spine.set(color=RULE, linewidth=0.8)
    return ax


def headed(ax: Axes, title: str) -> Axes:
    """Put a title over ``ax``, on its left, and return it."""
    ax.set_title(title, fontsize=TITLE, color=INK, loc="left")
    return ax


def written(value: float, digits: int) -> str:
    """``value`` in ``digits`` decimals for a figure: a true minus sign, and none before a zero.

    Example:
        >>> written(-1.25, 1), written(-0.04, 1)
        ('−1.2', '0.0')
    """
    return f"{round(float(value), digits) + 0.0:.{digits}f}".replace("-", "−")


def draw_tiles(ax: Axes, images: Array, bottom: float = 0.0, *, smooth: bool = True) -> Axes:
    """Draw images as tiles one unit wide and high, the last row standing on ``bottom``.

    Args:
        ax: to draw on.
        images: shape ``(R, M, C, H, W)``.
        bottom: in units of tiles.
        smooth: False keeps pixels square, for images that are drawn well above their size.
    """
    rows, columns, _, height, width = images.shape
    ax.imshow(
        tiles(images),
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=(0, columns, bottom, bottom + rows),
        aspect=height / width,
        interpolation="antialiased" if smooth else "nearest",
    )
    return ax


def decoded_plane(ax: Axes, grid: Array, values: Array, dimensions: Sequence[int]) -> Axes:
    """Draw the plane of two latent dimensions as one mosaic, the first to the right, the other up.

    Args:
        ax: to draw on.
        grid: decoded images, shape ``(G, G, C, H, W)``; axis 0 moves the first dimension.
        values: latent values along the two axes, shape ``(2, G)``; NaN is a spike switched off,
            whose row or column is framed.
        dimensions: numbers of the two.
    """
    size = len(grid)
    draw_tiles(ax, grid.swapaxes(0, 1)[::-1])
    tidy(ax)
    for axis, places, dimension in zip((ax.xaxis, ax.yaxis), values, dimensions, strict=True):
        _label_places(axis, places)
        axis.set_label_text(f"value of dimension {dimension}")
    for place in np.flatnonzero(np.isnan(values[0])):
        _frame(ax, (float(place), 0), 1, size)
    for place in np.flatnonzero(np.isnan(values[1])):
        _frame(ax, (0, float(place)), size, 1)
    return ax


def _frame(ax: Axes, corner: tuple[float, float], width: float, height: float) -> None:
    style: dict[str, Any] = {"fill": False, "edgecolor": OFF, "linewidth": 1.4, "clip_on": False}
    ax.add_patch(Rectangle(corner, width, height, **style))


def _label_places(axis: Axis, values: Array) -> None:
    """Ticks in the middle of some tiles: the value there, or "off" in the frame's colour."""
    off, on = np.flatnonzero(np.isnan(values)), np.flatnonzero(~np.isnan(values))
    labelled = on[2 * len(off) :: TICK_STEP]  # clear of the word "off"
    digits = 1 if np.ptp(values[on]) > 1 else 2
    axis.set_ticks([*(off + 0.5), *(labelled + 0.5)])
    axis.set_ticklabels(
        ["off"] * len(off) + [written(value, digits) for value in values[labelled]]
    )
    for label in axis.get_ticklabels()[: len(off)]:
        label.set(color=OFF, fontweight="bold")


def scatter_codes(
    ax: Axes,
    codes: Array,
    labels: Array | None,
    classes: Sequence[str],
    dimensions: Sequence[int],
) -> Axes:
    """Draw codes in two dimensions, coloured by class.

    Of more than ten classes the ten most frequent have a colour, all others are grey.

    Args:
        ax: to draw on.
        codes: shape ``(N, 2)``.
        labels: class of every code, shape ``(N,)``; one colour when None.
        classes: names in the order of the labels.
        dimensions: numbers of the two.
    """
    ax.axhline(0, color=RULE, linewidth=0.8, zorder=0)
    ax.axvline(0, color=RULE, linewidth=0.8, zorder=0)
    ax.set(xlabel=f"dimension {dimensions[0]}", ylabel=f"dimension {dimensions[1]}")
    tidy(ax)
    ax.set_box_aspect(1)
    style: dict[str, Any] = {"s": 6, "alpha": 0.75, "linewidths": 0}
    if labels is None:
        ax.scatter(codes[:, 0], codes[:, 1], color=COLOURS[0], **style)
        return ax
    coloured = np.arange(len(classes))
    if len(classes) > len(COLOURS):
        frequency = np.bincount(labels, minlength=len(classes))
        coloured = np.sort(np.argsort(-frequency, kind="stable")[: len(COLOURS)])
    palette = np.array([RULE] * len(classes), dtype=object)
    palette[coloured] = COLOURS[: len(coloured)]
    grey_first = np.argsort(np.isin(labels, coloured), kind="stable")
    points = codes[grey_first] if len(coloured) < len(classes) else codes
    order = labels[grey_first] if len(coloured) < len(classes) else labels
    ax.scatter(points[:, 0], points[:, 1], c=palette[order].tolist(), **style)
    named = [(shortened(classes[k]), palette[k]) for k in coloured.tolist()]
    if len(coloured) < len(classes):
        named.append((f"{len(classes) - len(coloured):,} others", RULE))
    _legend(ax, named)
    return ax


def _legend(ax: Axes, named: Iterable[tuple[str, str]]) -> None:
    handles = [
        Line2D([], [], linestyle="", marker="o", markersize=4, label=name, color=colour)
        for name, colour in named
    ]
    ax.legend(
        handles=handles,
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
        fontsize=SMALL,
        frameon=False,
        handletextpad=0.1,
        borderaxespad=0.2,
    )


def key_width(classes: Sequence[str]) -> float:
    """Inches that the names of the classes take beside codes."""
    some = [*classes, "1,000 others"] if len(classes) > len(COLOURS) else classes
    return 0.3 + CHARACTER * max((len(shortened(name)) for name in some), default=0)


def shortened(name: str) -> str:
    """A user's name with as many letters as a picture has room for.

    Example:
        >>> shortened("shirt"), shortened("mean temperature of the coldest quarter")
        ('shirt', 'mean temperature …')
    """
    name = " ".join(name.split())
    name = name if len(name) <= LETTERS else name[: LETTERS - 1] + "…"
    plain = name.replace("$", r"\$")  # no formula
    return f"\u00a0{plain}" if plain.startswith("_") else plain  # matplotlib hides those


def heat_map(
    ax: Axes,
    values: Array,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    centred: bool,
    digits: int | None = None,
) -> Axes:
    """Draw a table of numbers as colours.

    Args:
        ax: to draw on.
        values: shape ``(K, J)``; NaN stays grey.
        rows: names of the K rows, the first on top.
        columns: names of the J columns.
        centred: True for values of either sign, with 0 in the middle of the colours; False for
            probabilities, whose colours go from 0 to 1.
        digits: write the numbers into the cells, with so many decimals.
    """
    finite = values[np.isfinite(values)]
    bound = (float(np.abs(finite).max(initial=0.0)) or 1.0) if centred else 1.0
    low, name = (-bound, "RdBu_r") if centred else (0.0, "Blues")
    ax.imshow(values, aspect="auto", cmap=name, vmin=low, vmax=bound)
    ax.set_facecolor(RULE)
    ax.set_xticks(range(len(columns)), columns)
    ax.set_yticks(range(len(rows)), rows)
    tidy(ax)
    ax.tick_params(length=0)
    if digits is not None:
        for (k, j), value in np.ndenumerate(values):
            strong = abs(value) > DARK * bound
            text = written(value, digits) if np.isfinite(value) else ""
            colour = "white" if strong else INK
            ax.text(j, k, text, ha="center", va="center", fontsize=SMALL - 0.5, color=colour)
    return ax


def mean_curve(
    ax: Axes, x: Array, means: Array, spreads: Array, *, label: str, index: int
) -> Axes:
    """Draw one line of means with bars that say how far to trust them.

    Args:
        ax: to draw on.
        x: positions, shape ``(N,)``.
        means: shape ``(N,)``.
        spreads: half the length of each bar, shape ``(N,)``; a 0 draws no bar.
        label: in the legend.
        index: which colour and marker.
    """
    colour, turn = model_colour(index), index // len(STRONG)  # a colour again has another marker
    marker = MARKERS[(index + turn) % len(MARKERS)]
    ax.plot(x, means, label=label, color=colour, marker=marker, markersize=4.5, linewidth=1.4)
    some = spreads > 0
    bars: dict[str, Any] = {"fmt": "none", "ecolor": colour, "elinewidth": 1, "capsize": 2.5}
    ax.errorbar(x[some], means[some], yerr=spreads[some], **bars)
    return ax


def model_colour(index: int) -> str:
    """The colour of the model at a place of the legend; the palest of the ten are left out."""
    return COLOURS[STRONG[index % len(STRONG)]]
