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
    rises              (J,) nats that the reconstruction loses without a dimension
    gamma_mean         (J,) mean spike probability;  gated (1,) whether there are spikes

A run on a table keeps nothing with images, and in their place ``effects``, see :func:`effects`.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data import Dataset, corruptions
from sparsevae.data.scaling import GREY, Scaling
from sparsevae.evaluation.passes import Floats, Measured, batched
from sparsevae.metrics import images, sparsity
from sparsevae.models import Model

Array = npt.NDArray[Any]
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
    return lambda values: grey((scaling.undo(values) - low) / ((high - low) or 1.0))


def most_used(rises: Floats) -> tuple[int, int]:
    """The two dimensions that the decoder needs most, in ascending order.

    Example:
        >>> most_used(np.array([0.1, 3.0, 0.0, 2.0]))
        (1, 3)
    """
    order = np.argsort(-rises, kind="stable")
    first, second = sorted((int(order[0]), int(order[-1 if len(order) < 2 else 1])))
    return first, second


def axis_values(found: Measured) -> Floats:
    """Values that a grid's axis takes in each dimension, shape ``(J, G)``.

    They run between quantiles of the codes that are on. For gated dimensions the first value
    is NaN, which stands for the spike switched off.
    """
    axes = np.full((found.code.shape[1], GRID), np.nan, dtype=np.float32)
    for axis, loc, gamma in zip(axes, found.loc.T, found.gamma.T, strict=True):
        slab = loc[gamma > 0.5] if (gamma > 0.5).any() else loc
        low, high = np.quantile(slab, [GRID_SHARE, 1 - GRID_SHARE])
        axis[int(found.gated) :] = np.linspace(low, high, GRID - found.gated)
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
    spread = x.std(0)
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


def class_profiles(found: Measured, labels: Array, classes: int) -> dict[str, Array]:
    """Mean code, spike probability and posterior mean of every class, each ``(K, J)``."""
    values = {"class_code": found.code, "class_gamma": found.gamma, "class_mean": found.mean}
    return {
        name: sparsity.class_means(value, labels, classes).astype(np.float32)
        for name, value in values.items()
    }


def example_indices(dataset: Dataset) -> Array:
    """Fixed test images, taken from every class in turn where there are labels."""
    labels = dataset.test.labels
    if labels is None:
        return np.arange(min(EXAMPLES, len(dataset.test)))
    rank = np.empty(len(labels), dtype=np.int64)  # the how-manieth of its class an image is
    for k in range(len(dataset.classes)):
        rank[labels == k] = np.arange((labels == k).sum())
    return np.lexsort((labels, rank))[:EXAMPLES]


def gather(
    model: Model, dataset: Dataset, x: Floats, found: Measured, rises: Floats
) -> dict[str, Array]:
    """All arrays of a run's pictures.

    Args:
        model: in evaluation mode.
        dataset: its test split is pictured.
        x: the test images, values in [0, 1].
        found: what the model says of ``x``.
        rises: of :func:`sparsevae.evaluation.passes.ablation_rises`.
    """
    labels, chosen = dataset.test.labels, example_indices(dataset)
    dimensions = most_used(rises)
    bases = np.concatenate([x[chosen], x.mean(0, keepdims=True)])
    codes, axes = batched(model.encode, bases, model), axis_values(found)
    arrays: dict[str, Array] = {
        "axis_values": axes,
        "base_codes": codes,
        "scatter_codes": found.code[:SCATTERED],
        "gates": np.packbits(found.gamma[:SCATTERED] > 0.5, axis=1),
        "scatter": found.code[:SCATTERED, list(dimensions)],
        "example_indices": chosen,
        "rises": rises,
        "gamma_mean": found.gamma.mean(0),
        "gated": np.array([found.gated]),
    }
    if len(model.shape) > 1:
        shade = shades(dataset.test.scaling, *_ends(dataset))
        arrays.update(decoded_grid(model, axes, codes[0], dimensions, shade))
        arrays.update(restorations(model, x[chosen], shade))
        arrays["examples"] = shade(x[chosen])
    else:
        arrays["effects"] = effects(model, axes, codes[-1], x)
    if labels is not None:
        arrays.update(class_profiles(found, labels, len(dataset.classes)))
        arrays["scatter_labels"] = labels[:SCATTERED]
    return arrays


def _ends(dataset: Dataset) -> tuple[float, float]:
    images = dataset.test.images[:]
    return float(images.min()), float(images.max())
