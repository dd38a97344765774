"""The pictures of one run.

Shape legend: M example images, S noise levels, K classes, J latent dimensions, D columns of a
table. What does not fit on the paper is left out, the most used first, and the picture says so.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from sparsevae.errors import RunFolderError
from sparsevae.metrics.images import psnr
from sparsevae.metrics.sparsity import used_mask
from sparsevae.report import plots
from sparsevae.report.figures.sheet import Sheet
from sparsevae.report.study import COST, READABLE, Run
from sparsevae.storage.arrays import Array

PLANE = 2.45  # inches, each side of the latent plane and of the codes in it
MAPS = 5.3  # inches, the width of a heat map that is not narrow
NARROW = 5  # dimensions: up to here panels stand side by side
WRITTEN = 16  # dimensions: up to here the numbers are written into a heat map
CLASSES = 40  # rows of a heat map of classes at most
COLUMNS = 60  # columns of a table at most
TILE = 0.35  # inches that an image of a reconstruction is wide; 28 pixels double exactly
LEFT, RIGHT = 1.0, 1.75  # inches beside the reconstructions
RIVAL = "PCA-50"  # what a denoiser has to beat
PANELS = {
    "class_code": "mean code",
    "class_gamma": "spike probability γ",
    "class_mean": "posterior mean γμ",
}


def latent_space(run: Run, classes: Sequence[str] = (), *, titled: bool = True) -> Sheet:
    """The decoded plane of two dimensions, and the test codes in it coloured by class.

    Where the model has spikes, the row and the column with a spike switched off are framed and
    labelled "off".

    Args:
        run: with its arrays.
        classes: names in the order of the labels; their numbers when left out.
        titled: False leaves out what stands over the picture.

    Raises:
        RunFolderError: the run keeps no pictures, or its grid moves a single dimension.
    """
    arrays = _arrays(run)
    dimensions = arrays["grid_dimensions"].tolist()
    if dimensions[0] == dimensions[1]:
        raise RunFolderError(
            f"The grid of {run.name} moves dimension {dimensions[0]} alone, and a plane "
            "needs two: train a run with more latents, or move the grid to two dimensions."
        )
    labels, names = arrays.get("scatter_labels"), _names(arrays, classes)
    key = plots.key_width(names) if labels is not None else 0.1
    sheet = Sheet(2 * PLANE + 1.4 + key, PLANE + 0.8, _heading(run, titled), constrained=False)
    plane, codes = (sheet.place(left, 0.5, PLANE, PLANE) for left in (0.7, PLANE + 1.4))
    plots.decoded_plane(plane, arrays["grid"], arrays["grid_values"], dimensions)
    plots.headed(plane, "decoded plane")
    plots.scatter_codes(codes, arrays["scatter"], labels, names, dimensions)
    plots.headed(codes, f"codes of {len(arrays['scatter']):,} {run.config.split} images")
    return sheet


def activated_dimensions(run: Run, classes: Sequence[str] = (), *, titled: bool = True) -> Sheet:
    """Which dimensions stand for which class: mean code a class and, with spikes, γ and γμ.

    Up to 16 dimensions are in their order with the numbers written in; of more, up to 64 are
    there, see :func:`visible_dimensions`. Dimensions that the decoder does not use have grey
    numbers. Of more than 40 classes the most frequent are there.

    Args:
        run: with its arrays.
        classes: names in the order of the labels; their numbers when left out.
        titled: False leaves out what stands over the picture.

    Raises:
        RunFolderError: the run keeps no pictures, or its data set has no labels.
    """
    arrays = _arrays(run)
    if "class_code" not in arrays:
        raise RunFolderError(
            f"{run.name} was measured on images without labels: there is no mean of a class."
        )
    gated = bool(np.all(arrays["gated"]))
    panels = list(PANELS) if gated else ["class_code"]
    profile = arrays["class_gamma" if gated else "class_code"]  # (K, J)
    chosen, rows = visible_dimensions(profile, arrays[COST]), _visible_classes(arrays)
    names = _names(arrays, classes)
    labels = [plots.shortened(names[k]) for k in rows]
    left = 0.45 + plots.CHARACTER * max(map(len, labels))
    narrow = profile.shape[1] <= NARROW
    wide = max(1.5, 0.42 * len(chosen)) if narrow else MAPS
    high = np.clip(0.19 * len(rows), 1.1, 7.0)
    across, step_x, step_y = (len(panels), wide + left + 0.7, 0) if narrow else (1, 0, high + 0.8)
    sheet = Sheet(
        across * (wide + left + 0.7) + 0.1,
        (1 if narrow else len(panels)) * (high + 0.8),
        _heading(run, titled),
        constrained=False,
    )
    for place, name in enumerate(panels):
        bottom = 0.5 + step_y * (len(panels) - 1 - place)
        ax = sheet.place(left + step_x * place, bottom, wide, high)
        probability = name == "class_gamma"
        digits = (2 if probability else 1) if profile.shape[1] <= WRITTEN else None
        values, columns = arrays[name][rows][:, chosen], [str(j) for j in chosen]
        plots.heat_map(ax, values, labels, columns, centred=not probability, digits=digits)
        plots.headed(ax, PANELS[name])
        _grey_unused(ax, arrays[COST], chosen)
        if len(rows) < len(profile):
            ax.set_ylabel(f"{len(rows)} most frequent of {len(profile):,} classes")
        bar = sheet.place(left + step_x * place + wide + 0.1, bottom, 0.12, high)
        plots.tidy(sheet.colorbar(ax.images[-1], cax=bar).ax)
    return sheet


def visible_dimensions(profile: Array, cost: Array) -> Array:
    """Which dimensions a heat map has room for, in which order.

    Up to 16 stay as they are. Of more, the 64 that the decoder needs most are there: first
    those in use, grouped by the class whose entry is the largest, then the others.

    Args:
        profile: one number a class and dimension, shape ``(K, J)``.
        cost: nats that the reconstruction loses without a dimension, shape ``(J,)``.

    Returns:
        Numbers of dimensions, shape ``(min(J, 64),)``.
    """
    if profile.shape[1] <= WRITTEN:
        return np.arange(profile.shape[1])
    needed = np.argsort(-cost, kind="stable")[:READABLE]
    size = np.abs(np.nan_to_num(profile[:, needed]))
    order = np.lexsort((-size.max(0), size.argmax(0), ~used_mask(cost[needed])))
    return np.asarray(needed[order])


def _visible_classes(arrays: Mapping[str, Array]) -> Array:
    """All classes, or those of the most codes, in the order of the labels."""
    count = len(arrays["class_code"])
    if count <= CLASSES:
        return np.arange(count)
    labels = arrays.get("scatter_labels", np.arange(count))
    frequency = np.bincount(labels, minlength=count)
    return np.sort(np.argsort(-frequency, kind="stable")[:CLASSES])


def reconstructions(
    run: Run, baselines: Mapping[str, Any] | None = None, *, titled: bool = True
) -> Sheet:
    """Test images, clean and noisy, and what the model makes of them, with MSE and PSNR.

    The numbers are of the images drawn; the noise is not clipped, only its picture is. The
    noisy rows carry what doing nothing scores.

    Args:
        run: with its arrays.
        baselines: of the study; its "denoising_examples" give the score of PCA-50.
        titled: False leaves out what stands over the picture.

    Raises:
        RunFolderError: the run keeps no pictures.
    """
    strips = _strips(_arrays(run), baselines or {})
    bottoms = -np.cumsum([1.3 if strip.apart else 1.0 for strip in strips])
    count, _, height, width = strips[0].images.shape
    wide, high = TILE * count, -TILE * height / width * float(bottoms[-1])
    sheet = Sheet(wide + LEFT + RIGHT, high + 0.2, _heading(run, titled), constrained=False)
    ax = sheet.place(LEFT, 0.1, wide, high)
    for bottom, strip in zip(bottoms, strips, strict=True):
        plots.draw_tiles(ax, strip.images[None], bottom, smooth=False)
        for place, number in enumerate(strip.numbers):  # in columns on the right
            style: dict[str, Any] = {"va": "center", "ha": "right", "fontsize": plots.SMALL}
            ax.text(count + 1.5 + 1.6 * place, bottom + 0.5, number, color=plots.INK, **style)
    plots.tidy(ax)
    ax.set(xlim=(0, count), ylim=(bottoms[-1], 0), xticks=[])
    ax.set_yticks(bottoms + 0.5, [strip.name for strip in strips])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    return sheet


class Strip(NamedTuple):
    """One row of images and what stands beside it."""

    name: str
    images: Array  # (M, C, H, W)
    numbers: tuple[str, ...] = ()
    apart: bool = False  # from the row above


def _strips(arrays: Mapping[str, Array], baselines: Mapping[str, Any]) -> list[Strip]:
    rival = baselines.get("denoising_examples", {}).get(RIVAL, {})
    columns = ("MSE\n×1000", "PSNR\ndB", f"{RIVAL}\n×1000" if rival else "")
    strips = [Strip("original", arrays["examples"], columns)]
    for s, sigma in enumerate(arrays["sigmas"].tolist()):
        if sigma > 0:
            doing_nothing = _scores(arrays["noisy_mse"][s])
            strips.append(Strip(f"noise σ = {sigma}", arrays["noisy"][s], doing_nothing, True))
        bound = rival.get(f"{sigma}" if sigma > 0 else "clean")
        numbers = _scores(arrays["restored_mse"][s], bound)
        strips.append(Strip("reconstruction", arrays["restored"][s], numbers))
    return strips


def _scores(error: float, rival: float | None = None) -> tuple[str, ...]:
    scores = (f"{1000 * error:.1f}", f"{psnr(float(error)):.1f}")
    return scores if rival is None else (*scores, f"{1000 * rival:.1f}")


def column_effects(
    run: Run, dimensions: Sequence[int] | None = None, *, titled: bool = True
) -> Sheet:
    """What each dimension does to each column of a table, in standard deviations of the column.

    Dimensions that the decoder does not use have grey numbers. Of more than 60 columns those
    that change most are there, of more than 64 dimensions those that the decoder needs most.

    Args:
        run: on a table, with its arrays.
        dimensions: which; all when None.
        titled: False leaves out what stands over the picture.

    Raises:
        RunFolderError: the run keeps no such numbers.
    """
    arrays = run.arrays
    if "effects" not in arrays:
        raise RunFolderError(f"{run.name} keeps no effects on columns: it is of no table.")
    cost = arrays[COST]
    chosen = np.arange(len(cost)) if dimensions is None else np.array(dimensions)
    chosen = np.sort(chosen[np.argsort(-cost[chosen], kind="stable")[:READABLE]])
    values = arrays["effects"][chosen].T  # (D, R)
    rows = np.sort(np.argsort(-np.abs(values).max(1), kind="stable")[:COLUMNS])
    names = run.columns or [f"column {place}" for place in range(len(values))]
    labels = [plots.shortened(names[place]) for place in rows]
    left, high = 0.45 + plots.CHARACTER * max(map(len, labels)), max(0.9, 0.19 * len(rows))
    sheet = Sheet(left + MAPS + 0.7, high + 0.85, _heading(run, titled), constrained=False)
    ax = sheet.place(left, 0.5, MAPS, high)
    digits = 1 if len(chosen) <= WRITTEN else None
    plots.heat_map(ax, values[rows], labels, [str(j) for j in chosen], centred=True, digits=digits)
    plots.headed(ax, "from one end of a dimension to the other, sd of the column")
    if len(rows) < len(values):
        ax.set_ylabel(f"the {len(rows)} of {len(values):,} columns that change most")
    _grey_unused(ax, cost, chosen)
    plots.tidy(
        sheet.colorbar(ax.images[-1], cax=sheet.place(left + MAPS + 0.1, 0.5, 0.12, high)).ax
    )
    return sheet


def _grey_unused(ax: Axes, cost: Array, chosen: Array) -> None:
    """Number the dimensions below a heat map; those that the decoder does not use are grey."""
    few = f"the {len(chosen)} of {len(cost):,} dimensions that the decoder needs most"
    ax.set_xlabel("dimension" if len(chosen) == len(cost) else few)
    for label, used in zip(ax.get_xticklabels(), used_mask(cost[chosen]), strict=True):
        label.set_color(plots.INK if used else plots.COLOURS[3])
    if len(chosen) > WRITTEN:
        size = plots.SMALL - (2 if len(chosen) > 2 * WRITTEN else 1)
        ax.tick_params(axis="x", labelrotation=90, labelsize=size)


def _heading(run: Run, titled: bool) -> str:
    return run.heading if titled else ""


def _arrays(run: Run) -> Mapping[str, Array]:
    if not run.arrays:
        raise RunFolderError(
            f"{run.name} keeps no pictures, only numbers: train the run again to draw them."
        )
    return run.arrays


def _names(arrays: Mapping[str, Array], classes: Sequence[str]) -> Sequence[str]:
    count = len(arrays.get("class_code", ()))
    return classes if len(classes) == count else [str(k) for k in range(count)]
