"""Decode another plane, or lines, of the latent space of a finished run.

It needs the run's weights and the numbers behind its pictures, but not the data.
"""

from collections.abc import Sequence

import numpy as np

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.evaluation.passes import batched
from sparsevae.evaluation.pictures import Array, decoded_grid, most_used, shades
from sparsevae.metrics.sparsity import USED_NATS
from sparsevae.runs.folder import RunFolder

LINES = 24  # dimensions that are shown unless some are named


def moved_grid(
    run: RunFolder, dimensions: tuple[int, int] | None, image: int | None
) -> dict[str, Array]:
    """Decode the grid of a finished run anew; the run folder stays as it is.

    Args:
        run: with its weights and pictures.
        dimensions: which two move; the two most used when None.
        image: which of the kept examples gives the other dimensions; the mean image when None.

    Returns:
        The arrays of :func:`sparsevae.evaluation.pictures.decoded_grid`, and ``scatter``, the
        codes in this plane, shape ``(N, 2)``.

    Raises:
        RunFolderError: the run keeps no weights or no pictures.
        ConfigurationError: there is no such dimension or example.
    """
    model, arrays = run.load(), run.pictures
    if not arrays:
        raise RunFolderError(f"{run.path} keeps no pictures; train the run again.")
    if "effects" in arrays:
        raise RunFolderError(f"{run.path} is of a table: there is no grid of images to move.")
    chosen = dimensions or most_used(arrays["rises"])
    check_dimensions(run, chosen)
    bases = arrays["base_codes"]
    if image is not None and not 0 <= image < len(bases) - 1:
        raise ConfigurationError(f"{run.path} keeps the examples 0 to {len(bases) - 2}.")
    base = bases[-1 if image is None else image]
    data = run.data
    shade = shades(data.scaling, data.low, data.high)
    return {
        **decoded_grid(model, arrays["axis_values"], base, chosen, shade),
        "scatter": arrays["scatter_codes"][:, list(chosen)],
    }


def check_dimensions(run: RunFolder, dimensions: Sequence[int]) -> None:
    """Raise :class:`ConfigurationError` unless the run has all these dimensions."""
    latents = run.config.latents
    if not all(0 <= dimension < latents for dimension in dimensions):
        raise ConfigurationError(
            f"{run.path} has the dimensions 0 to {latents - 1}, not {tuple(dimensions)}."
        )


def decoded_lines(run: RunFolder, dimensions: Sequence[int] | None = None) -> dict[str, Array]:
    """Images along the axis of one dimension after the other, the rest as in the mean image.

    Args:
        run: with its weights and pictures.
        dimensions: R of them; those that the decoder uses, at most :data:`LINES`, when None.

    Returns:
        ``dimensions`` ``(R,)``, ``values`` ``(R, G)`` with NaN for a spike switched off, and
        ``images`` ``(R, G, C, H, W)`` uint8.

    Raises:
        RunFolderError: the run keeps no weights, or no pictures of images.
        ConfigurationError: there is no such dimension.
    """
    check_dimensions(run, dimensions or ())
    model, arrays, data = run.load(), run.pictures, run.data
    if "grid" not in arrays:
        raise RunFolderError(f"{run.path} keeps no pictures of images.")
    ranked = np.argsort(-arrays["rises"], kind="stable")
    needed = max(1, int((arrays["rises"] >= USED_NATS).sum()))
    chosen = np.array(dimensions or ranked[: min(needed, LINES)])
    values = arrays["axis_values"][chosen]  # (R, G)
    codes = np.tile(arrays["base_codes"][-1], (*values.shape, 1)).astype(np.float32)
    for line, (dimension, places) in enumerate(zip(chosen, values, strict=True)):
        codes[line, :, dimension] = np.nan_to_num(places)
    decoded = batched(model.decode, codes.reshape(-1, model.latents), model)
    pixels = shades(data.scaling, data.low, data.high)(decoded)
    images = pixels.reshape(*values.shape, *model.shape)
    return {"dimensions": chosen, "values": values, "images": images}
