"""The numbers behind the three pictures of a run, kept with it so that figures redraw alone.

Keys of the arrays (J latent dimensions, K classes, G grid positions an axis, images (C, H, W)):

    grid               (G, G, C, H, W) uint8  decoded grid; axis 0 moves dimension 1
    grid_dimensions    (2,)   which two dimensions move
    grid_values        (2, G) their values; NaN stands for the spike switched off
    axis_values        (J, G) values of a grid's axis in every dimension
    base_codes         (M + 1, J) codes of the examples and, last, of the mean test image
    scatter_codes      (N, J) codes of the first test images
    gates              (N, ceil(J / 8)) uint8  which of their gates are on, by numpy.packbits
    scatter            (N, 2) the same in the two dimensions of the grid;  scatter_labels (N,)
    class_code         (K, J) mean code a class, likewise class_gamma and class_mean (γμ)
    examples           (M, C, H, W) uint8  clean test images;  example_indices (M,)
    noisy, restored    (S, M, C, H, W) uint8  at each of S noise levels, the first is clean
    sigmas             (S,)
    restored_mse       (S,) MSE per pixel to the clean image over the M examples;  noisy_mse (S,)
    ablation_cost      (J,) nats that the reconstruction loses without a dimension
    gamma_mean         (J,) mean spike probability;  gated (1,) whether there are spikes

A run on a table keeps nothing with images, and in their place ``effects``, see :func:`effects`.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from sparsevae.data import corruptions
from sparsevae.data.dataset import Labels
from sparsevae.data.scaling import GREY, Scaling
from sparsevae.evaluation.passes import Measured, batched
from sparsevae.metrics import images, sparsity
from sparsevae.models import Model
from sparsevae.storage.arrays import Array, Floats, mean_row

if TYPE_CHECKING:
    from sparsevae.evaluation.one_pass import Pass

Shade = Callable[[Floats], npt.NDArray[np.uint8]]

SIGMAS = (0.1, 0.2, 0.3, 0.5)
NOISE_SEED = 0
EXAMPLES = 12
GRID = 15
SCATTERED = 2000
GRID_SHARE = 0.02  # of the codes lie beyond each end of an axis of the grid


def grey(values: Floats) -> npt.NDArray[np.uint8]:
    """Values in [0, 1] as uint8 grey levels, those outside clipped."""
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def shades(scaling: Scaling | None, low: float, high: float) -> Shade:
    """How scaled values become grey levels or colours: black is ``low`` and white ``high``.

    Args:
        scaling: of the data; None for grey levels.
        low: the smallest value of the data in their own units.
        high: the largest.
    """
    if scaling is None or scaling == GREY:
        return grey
    if scaling.kind == "none" and 0 <= low <= high <= 1:
        return grey

    def shade(values: Floats) -> npt.NDArray[np.uint8]:
        """Of shape ``(…, C, H, W)``, whatever stands before."""
        rows = scaling.undo(values.reshape(-1, *values.shape[-3:]))
        return grey((rows - low) / ((high - low) or 1.0)).reshape(values.shape)

    return shade


def most_used(cost: Floats) -> tuple[int, int]:
    """The two dimensions that the decoder needs most, in ascending order.

    Example:
        >>> most_used(np.array([0.1, 3.0, 0.0, 2.0]))
        (1, 3)
    """
    order = np.argsort(-cost, kind="stable")
    first, second = sorted((int(order[0]), int(order[-1 if len(order) < 2 else 1])))
    return first, second


def axis_values(measured: Measured) -> Floats:
    """Values that a grid's axis takes in each dimension, shape ``(J, G)``.

    They run between quantiles of the codes that are on. For gated dimensions the first value
    is NaN, which stands for the spike switched off.
    """
    axes = np.full((measured.code.shape[1], GRID), np.nan, dtype=np.float32)
    for axis, loc, gamma in zip(axes, measured.loc.T, measured.gamma.T, strict=True):
        slab = loc[gamma > 0.5] if (gamma > 0.5).any() else loc
        low, high = np.quantile(slab, [GRID_SHARE, 1 - GRID_SHARE])
        axis[int(measured.gated) :] = np.linspace(low, high, GRID - measured.gated)
    return axes


def decoded_grid(
    model: Model,
    axes: Floats,
    base: Floats,
    dimensions: tuple[int, int],
    shade: Shade = grey,
) -> dict[str, Array]:
    """Decode the plane of two dimensions, the others as in ``base``.

    Args:
        model: decodes.
        axes: of :func:`axis_values`, shape ``(J, G)``.
        base: a code, shape ``(J,)``.
        dimensions: which two move.
        shade: decoded values as the numbers that the picture keeps.
    """
    first, second = axes[list(dimensions)]
    codes = np.tile(base, (len(first), len(second), 1)).astype(np.float32)
    codes[:, :, dimensions[0]] = np.nan_to_num(first)[:, None]
    codes[:, :, dimensions[1]] = np.nan_to_num(second)[None, :]
    decoded = batched(model.decode, codes.reshape(-1, len(base)), model)
    return {
        "grid": shade(decoded).reshape(len(first), len(second), *model.shape),
        "grid_dimensions": np.array(dimensions),
        "grid_values": np.stack([first, second]),
    }


def effects(model: Model, axes: Floats, base: Floats, x: Floats) -> Floats:
    """What each dimension does to each column of a table, shape ``(J, D)``.

    The decoded mean row with a dimension at the upper end of its axis, less that with it at the
    lower end, in standard deviations of the column; the other dimensions are as in ``base``.

    Args:
        model: of rows of shape (D,).
        axes: of :func:`axis_values`.
        base: a code, shape ``(J,)``.
        x: scaled rows, shape ``(N, D)``.
    """
    ends = np.stack([np.nanmin(axes, 1), np.nanmax(axes, 1)])  # (2, J)
    codes = np.tile(base, (2, len(base), 1)).astype(np.float32)
    place = np.arange(len(base))
    codes[:, place, place] = ends
    low, high = batched(model.decode, codes.reshape(-1, len(base)), model).reshape(
        2, len(base), -1
    )
    there = ~np.isnan(x).all(0)
    spread = np.ones(x.shape[1])
    spread[there] = np.nanstd(x[:, there], axis=0)
    return np.asarray((high - low) / np.where(spread > 0, spread, 1), np.float32)


def restorations(model: Model, x: Floats, shade: Shade = grey) -> dict[str, Array]:
    """Clean and noisy examples and what the model makes of them, with the MSE of each row."""
    noisy = np.stack([x, *(corruptions.gaussian(x, sigma, NOISE_SEED) for sigma in SIGMAS)])
    restored = np.stack([batched(model.reconstruct, row, model) for row in noisy])
    return {
        "sigmas": np.array([0.0, *SIGMAS]),
        "noisy": shade(noisy),
        "restored": shade(restored),
        "noisy_mse": np.array([images.mse(x, row) for row in noisy]),
        "restored_mse": np.array([images.mse(x, row) for row in restored]),
    }


def class_profiles(measured: Measured, labels: Labels, classes: int) -> dict[str, Array]:
    """Mean code, spike probability and posterior mean of every class, each ``(K, J)``."""
    values = {
        "class_code": measured.code,
        "class_gamma": measured.gamma,
        "class_mean": measured.mean,
    }
    return {
        name: sparsity.class_means(value, labels, classes).astype(np.float32)
        for name, value in values.items()
    }


def example_indices(labels: Labels | None, count: int) -> Array:
    """Fixed rows of ``count``, taken from every class in turn where there are labels."""
    if labels is None:
        return np.arange(min(EXAMPLES, count))
    rank = np.empty(len(labels), dtype=np.int64)  # among the rows of its class
    for k in np.unique(labels):
        rank[labels == k] = np.arange((labels == k).sum())
    return np.lexsort((labels, rank))[:EXAMPLES]


class Frame(NamedTuple):
    """Where a run's pictures are taken.

    Attributes:
        examples: places of M rows, shape ``(M,)``.
        base_codes: codes of the examples and, last, of the mean row, shape ``(M + 1, J)``.
        axes: of :func:`axis_values`, shape ``(J, G)``.
        dimensions: the two that the decoder needs most.
    """

    examples: Array
    base_codes: Floats
    axes: Floats
    dimensions: tuple[int, int]


def frame(one: "Pass") -> Frame:
    """Where the pictures of a model are taken."""
    x, examples = one.x, example_indices(one.labels, len(one.x))
    middle = x.mean(0) if not np.isnan(x).any() else mean_row(x).astype(x.dtype)
    bases = np.concatenate([x[examples], middle[None]])
    codes = batched(one.model.encode, bases, one.model)
    return Frame(examples, codes, axis_values(one.measured), most_used(one.ablation_cost))


def gather(one: "Pass") -> dict[str, Array]:
    """All arrays of a run's pictures, by the names above."""
    model, measured, frame = one.model, one.measured, one.frame
    arrays: dict[str, Array] = {
        "axis_values": frame.axes,
        "base_codes": frame.base_codes,
        "scatter_codes": measured.code[:SCATTERED],
        "gates": np.packbits(measured.gamma[:SCATTERED] > 0.5, axis=1),
        "scatter": measured.code[:SCATTERED, list(frame.dimensions)],
        "example_indices": frame.examples,
        "ablation_cost": one.ablation_cost,
        "gamma_mean": measured.gamma.mean(0),
        "gated": np.array([measured.gated]),
    }
    if len(model.shape) > 1:
        examples = one.x[frame.examples]
        shade = shades(one.scaling, float(one.rows[:].min()), float(one.rows[:].max()))
        base = frame.base_codes[0]
        arrays.update(decoded_grid(model, frame.axes, base, frame.dimensions, shade))
        arrays.update(restorations(model, examples, shade))
        arrays["examples"] = shade(examples)
    else:
        arrays["effects"] = effects(model, frame.axes, frame.base_codes[-1], one.x)
    if one.labels is not None:
        arrays.update(class_profiles(measured, one.labels, one.classes))
        arrays["scatter_labels"] = one.labels[:SCATTERED]
    return arrays
