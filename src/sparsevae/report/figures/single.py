"""The three pictures of one run.

Shape legend: M example images, S noise levels, K classes, J latent dimensions.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from sparsevae.errors import RunFolderError
from sparsevae.metrics.images import psnr
from sparsevae.metrics.sparsity import used_mask
from sparsevae.report import plots
from sparsevae.report.figures.grouping import model_title
from sparsevae.report.figures.sheet import Sheet
from sparsevae.runs.folder import RunFolder

Array = npt.NDArray[Any]
References = Mapping[str, Any]

WIDTH, LEAST = 7.2, 4.0  # inches
NARROW = 5  # dimensions: up to here panels stand side by side
WRITTEN = 16  # dimensions: up to here the numbers are written into a heat map
SHOWN = 64  # dimensions of a heat map at most
TILE = 0.35  # inches that an image of a reconstruction is wide; 28 pixels double exactly
LEFT, RIGHT, TOP = 1.0, 1.75, 0.5  # inches beside and above the reconstructions
TRIVIAL = "PCA-50"  # what a denoiser has to beat
PANELS = {
    "class_code": "mean code",
    "class_gamma": "spike probability γ",
    "class_mean": "posterior mean γμ",
}


def heading(run: RunFolder) -> str:
    """Model, size, data set and seed of a run."""
    config = run.config
    title = model_title(config.model)
    return f"{title} · {config.latents} latents · {config.dataset} · seed {config.seed}"


def latent_space(
    run: RunFolder, classes: Sequence[str] = (), moved: Mapping[str, Array] | None = None
) -> Sheet:
    """The decoded plane of two dimensions, and the test codes in it coloured by class.

    Where the model has spikes, the row and the column with a spike switched off are framed and
    labelled "off".

    Args:
        run: a finished run.
        classes: names in the order of the labels; their numbers when left out.
        moved: arrays that are drawn in place of those that the run keeps.

    Raises:
        RunFolderError: the run keeps no pictures, or its grid moves a single dimension.
    """
    arrays = {**_kept(run), **(moved or {})}
    dimensions = arrays["grid_dimensions"].tolist()
    if dimensions[0] == dimensions[1]:
        raise RunFolderError(
            f"The grid of {run.path.name} moves dimension {dimensions[0]} alone, and a plane "
            "needs two: train a run with more latents, or move the grid to two dimensions."
        )
    sheet = Sheet(WIDTH, 3.65, heading(run))
    left, right = sheet.subplots(1, 2)
    plots.decoded_plane(left, arrays["grid"], arrays["grid_values"], dimensions)
    plots.headed(left, "decoded grid")
    names = _names(arrays, classes)
    labels = arrays.get("scatter_labels")
    plots.scatter_codes(right, arrays["scatter"], labels, names, dimensions)
    plots.headed(right, f"codes of {len(arrays['scatter']):,} {run.config.split} images")
    return sheet


def activated_dimensions(run: RunFolder, classes: Sequence[str] = ()) -> Sheet:
    """Which dimensions stand for which class: mean code a class and, with spikes, γ and γμ.

    Up to 16 dimensions are in their order with the numbers written in; of more, up to 64 are
    shown, see :func:`shown_dimensions`. Dimensions that the decoder does not use have grey
    numbers.

    Args:
        run: a finished run.
        classes: names in the order of the labels; their numbers when left out.

    Raises:
        RunFolderError: the run keeps no pictures, or its data set has no labels.
    """
    arrays = _kept(run)
    if "class_code" not in arrays:
        raise RunFolderError(
            f"{run.path.name} was measured on images without labels: there is no mean of a class."
        )
    gated = bool(arrays["gated"])
    panels = list(PANELS) if gated else ["class_code"]
    profile = arrays["class_gamma" if gated else "class_code"]
    chosen = shown_dimensions(profile, arrays["rises"])
    narrow = profile.shape[1] <= NARROW
    width = max(2.3 * len(panels) + 0.3, LEAST) if narrow else WIDTH
    sheet = Sheet(width, 3.0 if narrow else 2.3 * len(panels) + 0.5, heading(run))
    shape = (1, len(panels)) if narrow else (len(panels), 1)
    axes = sheet.subplots(*shape, squeeze=False).flat
    for ax, name in zip(axes, panels, strict=True):
        _profile(ax, name, arrays, chosen, _names(arrays, classes))
        plots.tidy(sheet.colorbar(ax.images[-1], ax=ax, pad=0.01, aspect=14).ax)
    return sheet


def shown_dimensions(profile: Array, rises: Array) -> Array:
    """Which dimensions a heat map shows, in which order.

    Up to 16 stay as they are. Of more, the 64 that the decoder needs most are shown: first
    those in use, grouped by the class whose entry is the largest, then the others.

    Args:
        profile: one number a class and dimension, shape ``(K, J)``.
        rises: nats that the reconstruction loses without a dimension, shape ``(J,)``.

    Returns:
        Numbers of dimensions, shape ``(min(J, 64),)``.
    """
    if profile.shape[1] <= WRITTEN:
        return np.arange(profile.shape[1])
    needed = np.argsort(-rises, kind="stable")[:SHOWN]
    size = np.abs(np.nan_to_num(profile[:, needed]))
    order = np.lexsort((-size.max(0), size.argmax(0), ~used_mask(rises[needed])))
    return np.asarray(needed[order])


def reconstructions(run: RunFolder, references: References | None = None) -> Sheet:
    """Test images, clean and noisy, and what the model makes of them, with MSE and PSNR.

    The numbers are of the images shown; the noise is not clipped, only its picture is. The
    noisy rows carry what doing nothing scores.

    Args:
        run: a finished run.
        references: of the study; its "denoising_examples" give the score of PCA-50.

    Raises:
        RunFolderError: the run keeps no pictures.
    """
    strips = _strips(_kept(run), references or {})
    bottoms = -np.cumsum([1.3 if strip.apart else 1.0 for strip in strips])
    count, _, height, width = strips[0].images.shape
    wide, high = TILE * count, -TILE * height / width * float(bottoms[-1])
    sheet = Sheet(wide + LEFT + RIGHT, high + TOP, heading(run))
    sheet.set_layout_engine("none")  # it would not leave the tiles their size
    paper_width, paper_height = sheet.get_size_inches()
    ax = sheet.add_axes(
        (LEFT / paper_width, 0.1 / paper_height, wide / paper_width, high / paper_height)
    )
    for bottom, strip in zip(bottoms, strips, strict=True):
        plots.draw_tiles(ax, strip.images[None], bottom, smooth=False)
        _write_numbers(ax, bottom + 0.5, strip)
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


def _strips(arrays: Mapping[str, Array], references: References) -> list[Strip]:
    trivial = references.get("denoising_examples", {}).get(TRIVIAL, {})
    columns = ("MSE\n×1000", "PSNR\ndB", f"{TRIVIAL}\n×1000" if trivial else "")
    strips = [Strip("original", arrays["examples"], columns)]
    for s, sigma in enumerate(arrays["sigmas"].tolist()):
        if sigma > 0:
            doing_nothing = _scores(arrays["noisy_mse"][s])
            strips.append(Strip(f"noise σ = {sigma}", arrays["noisy"][s], doing_nothing, True))
        bound = trivial.get(f"{sigma}" if sigma > 0 else "clean")
        numbers = _scores(arrays["restored_mse"][s], bound)
        strips.append(Strip("reconstruction", arrays["restored"][s], numbers))
    return strips


def _scores(error: float, trivial: float | None = None) -> tuple[str, ...]:
    scores = (f"{1000 * error:.1f}", f"{psnr(float(error)):.1f}")
    return scores if trivial is None else (*scores, f"{1000 * trivial:.1f}")


def _write_numbers(ax: Axes, middle: float, strip: Strip) -> None:
    """The numbers of a row in columns on its right; the first row carries their names."""
    style: dict[str, Any] = {"va": "center", "ha": "right", "fontsize": plots.SMALL}
    for place, number in enumerate(strip.numbers):
        right = len(strip.images) + 1.5 + 1.6 * place
        ax.text(right, middle, number, color=plots.INK, **style)


def _profile(
    ax: Axes, name: str, arrays: Mapping[str, Array], chosen: Array, classes: Sequence[str]
) -> None:
    """One panel of activated dimensions."""
    probability, total = name == "class_gamma", arrays[name].shape[1]
    digits = (2 if probability else 1) if total <= WRITTEN else None
    columns = [str(j) for j in chosen]
    values = arrays[name][:, chosen]
    plots.heat_map(ax, values, classes, columns, centred=not probability, digits=digits)
    plots.headed(ax, PANELS[name])
    used = used_mask(arrays["rises"])
    ax.set_xlabel("dimension" if len(chosen) == total else f"the {len(chosen)} of {total}")
    for label, j in zip(ax.get_xticklabels(), chosen, strict=True):
        label.set_color(plots.INK if used[j] else plots.COLOURS[3])
    if total > WRITTEN:
        ax.tick_params(axis="x", labelrotation=90, labelsize=plots.SMALL - 2)


def _kept(run: RunFolder) -> dict[str, Array]:
    arrays = run.pictures
    if not arrays:
        raise RunFolderError(
            f"{run.path.name} keeps no pictures, only numbers: train the run again to draw them."
        )
    return arrays


def _names(arrays: Mapping[str, Array], classes: Sequence[str]) -> Sequence[str]:
    count = len(arrays.get("class_code", ()))
    return classes if len(classes) == count else [str(k) for k in range(count)]
