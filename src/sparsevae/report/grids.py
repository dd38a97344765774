"""Decode another plane, or lines, of the latent space of a finished run: values in, values out.

It needs the run's weights and the numbers behind its pictures, but not the data.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.evaluation.passes import batched
from sparsevae.evaluation.pictures import decoded_grid, most_used, shades
from sparsevae.metrics.sparsity import USED_NATS
from sparsevae.models import Model
from sparsevae.report.study import COST
from sparsevae.storage.arrays import Array
from sparsevae.training.config import DataConfig

LINES = 24  # dimensions of lines unless some are named
MOST = 64  # dimensions of lines: more are neither readable nor small


def moved(
    arrays: Mapping[str, Array],
    model: Model,
    data: DataConfig,
    dimensions: Sequence[int] | None = None,
    image: int | None = None,
) -> dict[str, Array]:
    """The arrays behind a run's pictures with the plane of other dimensions.

    Args:
        arrays: of the run, which stay as they are.
        model: its model.
        data: what the run keeps of its data.
        dimensions: which two move; the two most used when None.
        image: which of the kept examples gives the other dimensions; the mean image when None.

    Raises:
        RunFolderError: there are no pictures, or none of images.
        ConfigurationError: there is no such dimension or example.
    """
    _check_images(arrays)
    first, second = dimensions or most_used(arrays[COST])
    check_dimensions(model.latents, (first, second))
    bases = arrays["base_codes"]
    if image is not None and not 0 <= image < len(bases) - 1:
        raise ConfigurationError(
            f"The run keeps the examples 0 to {len(bases) - 2}, not example {image}."
        )
    base = bases[-1 if image is None else image]
    shade = shades(data.scaling, data.low, data.high)
    grid = decoded_grid(model, arrays["axis_values"], base, (first, second), shade)
    return {**arrays, **grid, "scatter": arrays["scatter_codes"][:, [first, second]]}


def check_dimensions(latents: int, dimensions: Sequence[int]) -> None:
    """Raise :class:`ConfigurationError` unless there are all these dimensions."""
    if not all(0 <= dimension < latents for dimension in dimensions):
        raise ConfigurationError(
            f"The run has the dimensions 0 to {latents - 1}, not {tuple(dimensions)}."
        )


def decoded_lines(
    arrays: Mapping[str, Array],
    model: Model,
    data: DataConfig,
    dimensions: Sequence[int] | None = None,
) -> dict[str, Array]:
    """Images along the axis of one dimension after the other, the rest as in the mean image.

    Args:
        arrays: behind the run's pictures.
        model: its model.
        data: what the run keeps of its data.
        dimensions: R of them; those that the decoder uses, at most :data:`LINES`, when None.

    Returns:
        ``dimensions`` ``(R,)``, ``values`` ``(R, G)`` with NaN for a spike switched off, and
        ``images`` ``(R, G, C, H, W)`` uint8.

    Raises:
        RunFolderError: there are no pictures of images.
        ConfigurationError: there is no such dimension, or more than 64 are named.
    """
    _check_images(arrays)
    check_dimensions(model.latents, dimensions or ())
    if len(dimensions or ()) > MOST:
        raise ConfigurationError(
            f"A picture has room for {MOST} dimensions, not {len(dimensions or ())}: name fewer."
        )
    ranked = np.argsort(-arrays[COST], kind="stable")
    needed = max(1, int((arrays[COST] >= USED_NATS).sum()))
    chosen = np.array(dimensions or ranked[: min(needed, LINES)])
    values = arrays["axis_values"][chosen]  # (R, G)
    codes = np.tile(arrays["base_codes"][-1], (*values.shape, 1)).astype(np.float32)
    for line, (dimension, places) in enumerate(zip(chosen, values, strict=True)):
        codes[line, :, dimension] = np.nan_to_num(places)
    decoded = batched(model.decode, codes.reshape(-1, model.latents), model)
    pixels = shades(data.scaling, data.low, data.high)(decoded)
    return {
        "dimensions": chosen,
        "values": values,
        "images": pixels.reshape(*values.shape, *model.shape),
    }


def _check_images(arrays: Mapping[str, Array]) -> None:
    if not arrays:
        raise RunFolderError("The run keeps no pictures; train it again.")
    if "grid" not in arrays:
        raise RunFolderError("The run is of a table: there are no images to decode.")
