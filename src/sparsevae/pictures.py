"""The numbers behind the three pictures of a run, kept with it so that figures redraw alone.

Keys of the arrays (J latent dimensions, K classes, G grid positions an axis, images (C, H, W)):

    grid               (G, G, C, H, W) uint8  decoded grid; axis 0 moves dimension 1
    grid_dimensions    (2,)   which two dimensions move
    grid_values        (2, G) their values; NaN stands for the spike switched off
    scatter            (N, 2) test codes in those two dimensions;  scatter_labels (N,)
    class_code         (K, J) mean code a class, likewise class_gamma and class_mean (γμ)
    examples           (M, C, H, W) uint8  clean test images;  example_indices (M,)
    noisy, restored    (S, M, C, H, W) uint8  at each of S noise levels, the first is clean
    sigmas             (S,)
    restored_mse       (S,) MSE per pixel to the clean image over the M examples;  noisy_mse (S,)
    rises              (J,) nats that the reconstruction loses without a dimension
    kl_dimensions      (J,) where a closed form a dimension exists;  gamma_mean (J,)
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.datasets import Dataset, noise
from sparsevae.measuring import Floats, Measured, batched
from sparsevae.metrics import images, sparsity
from sparsevae.models import Model

Array = npt.NDArray[Any]

SIGMAS = (0.1, 0.2, 0.3, 0.5)
NOISE_SEED = 0
EXAMPLES = 12
GRID = 15
SCATTERED = 2000
GRID_SHARE = 0.02  # of the codes lie beyond each end of an axis of the grid


def grey(values: Floats) -> npt.NDArray[np.uint8]:
    """Values in [0, 1] as uint8 grey levels, those outside clipped."""
    return np.round(np.clip(values, 0, 1) * 255).astype(np.uint8)


def most_used(rises: Floats) -> tuple[int, int]:
    """The two dimensions that the decoder needs most, in ascending order.

    Example:
        >>> most_used(np.array([0.1, 3.0, 0.0, 2.0]))
        (1, 3)
    """
    order = np.argsort(-rises, kind="stable")
    first, second = sorted((int(order[0]), int(order[-1 if len(order) < 2 else 1])))
    return first, second


def grid_values(found: Measured, dimension: int) -> Floats:
    """Values one axis of the grid takes: between quantiles of the codes that are on.

    For a gated dimension the first value is NaN, which stands for its spike switched off.
    """
    on = found.gamma[:, dimension] > 0.5
    slab = found.loc[on, dimension] if on.any() else found.loc[:, dimension]
    low, high = np.quantile(slab, [GRID_SHARE, 1 - GRID_SHARE])
    steps = np.linspace(low, high, GRID - found.gated)
    return np.concatenate([[np.nan] * found.gated, steps]).astype(np.float32)


def decoded_grid(
    model: Model, found: Measured, base: Floats, dimensions: tuple[int, int]
) -> dict[str, Array]:
    """Decode the plane of two dimensions, the others as in ``base``.

    Args:
        model: the model that ``found`` was measured with.
        found: gives the range of the two axes.
        base: a code, shape ``(J,)``.
        dimensions: which two move.
    """
    axes = np.stack([grid_values(found, dimension) for dimension in dimensions])
    size = axes.shape[1]
    codes = np.tile(base, (size, size, 1)).astype(np.float32)
    codes[:, :, dimensions[0]] = np.nan_to_num(axes[0])[:, None]
    codes[:, :, dimensions[1]] = np.nan_to_num(axes[1])[None, :]
    decoded = batched(model.decode, codes.reshape(size * size, -1), model)
    return {
        "grid": grey(decoded).reshape(size, size, *model.shape),
        "grid_dimensions": np.array(dimensions),
        "grid_values": axes,
    }


def restorations(model: Model, x: Floats) -> dict[str, Array]:
    """Clean and noisy examples and what the model makes of them, with the MSE of each row."""
    noisy = np.stack([x, *(noise.gaussian(x, sigma, NOISE_SEED) for sigma in SIGMAS)])
    restored = np.stack([batched(model.reconstruct, row, model) for row in noisy])
    return {
        "sigmas": np.array([0.0, *SIGMAS]),
        "noisy": grey(noisy),
        "restored": grey(restored),
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
        rises: of :func:`sparsevae.measuring.ablation_rises`.
    """
    labels, chosen = dataset.test.labels, example_indices(dataset)
    dimensions = most_used(rises)
    arrays: dict[str, Array] = {
        **decoded_grid(model, found, found.code[chosen[0]], dimensions),
        **restorations(model, x[chosen]),
        "scatter": found.code[:SCATTERED, dimensions],
        "examples": grey(x[chosen]),
        "example_indices": chosen,
        "rises": rises,
        "gamma_mean": found.gamma.mean(0),
        "gated": np.array(found.gated),
    }
    if labels is not None:
        arrays.update(class_profiles(found, labels, len(dataset.classes)))
        arrays["scatter_labels"] = labels[:SCATTERED]
    return arrays
