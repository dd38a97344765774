"""Decode another plane of the latent space of a finished run.

It needs the run's weights and the numbers behind its pictures, but not the data.
"""

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.pictures import decoded_grid, most_used
from sparsevae.runs import RunFolder


def move_grid(run: RunFolder, dimensions: tuple[int, int] | None, image: int | None) -> None:
    """Decode the grid of a finished run anew, and keep it in the run folder.

    Args:
        run: with its weights and pictures.
        dimensions: which two move; the two most used when None.
        image: which of the kept examples gives the other dimensions; the mean image when None.

    Raises:
        RunFolderError: the run keeps no weights or no pictures.
        ConfigurationError: there is no such dimension or example.
    """
    model, arrays = run.load(), run.pictures
    if not arrays:
        raise RunFolderError(f"{run.path} keeps no pictures; train the run again.")
    chosen = dimensions or most_used(arrays["rises"])
    if not all(0 <= dimension < model.latents for dimension in chosen):
        raise ConfigurationError(
            f"{run.path} has the dimensions 0 to {model.latents - 1}, not {chosen}."
        )
    bases = arrays["base_codes"]
    if image is not None and not 0 <= image < len(bases) - 1:
        raise ConfigurationError(f"{run.path} keeps the examples 0 to {len(bases) - 2}.")
    base = bases[-1 if image is None else image]
    scattered = {"scatter": arrays["scatter_codes"][:, list(chosen)]}
    arrays.update(decoded_grid(model, arrays["axis_values"], base, chosen) | scattered)
    run.keep_pictures(arrays)
