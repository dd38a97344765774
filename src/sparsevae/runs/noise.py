"""What a trained model needs to take noise out of raw rows, and how it is done in their units.

Shape legend: N raw rows of shape (D,) or (C, H, W).
"""

from collections.abc import Sequence
from contextlib import suppress
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from sparsevae.data.readers.columns import is_frame
from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.evaluation import repair
from sparsevae.evaluation.denoising import Denoiser, can_denoise, rows_needed
from sparsevae.evaluation.imputation import Imputer
from sparsevae.models.likelihoods import name_of
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.given import as_frame
from sparsevae.storage.arrays import Array, Floats, blocks, placed_blocks

if TYPE_CHECKING:
    from sparsevae.runs.trained import TrainedModel


def has_denoiser(trained: "TrainedModel") -> bool:
    """Whether residuals of noisy rows are known, or clean rows are there to learn them from."""
    if not can_denoise(trained.model):
        return False
    return trained.clean is not None or _kept(trained) is not None


def _kept(trained: "TrainedModel") -> Denoiser | None:
    """What a pickled copy or the run folder keeps of the residuals of noisy rows."""
    own = next((each for each in trained.learned if isinstance(each, Denoiser)), None)
    return own if own or trained.path is None else RunFolder(trained.path).denoiser


def denoiser_of(trained: "TrainedModel") -> Denoiser:
    """What is known of the residuals of noisy rows, from clean rows or from the run folder.

    Raises:
        ConfigurationError: neither is there, or the rows are no measurements.
    """
    if not can_denoise(trained.model):
        raise ConfigurationError(
            f"Noise can be taken out of measurements and grey levels, and {trained.name} is of "
            f"counts or categories (likelihood {name_of(trained.likelihood)!r})."
        )
    if trained.clean is not None:
        return Denoiser.learned(trained.model, trained.scaled(trained.clean))
    if (kept := _kept(trained)) is None:
        raise ConfigurationError(
            f"{trained.name} keeps no residuals of noisy rows to denoise with; give clean rows "
            "of its data: with_clean(rows), or --clean on the command line."
        )
    return kept


def residuals(trained: "TrainedModel") -> list[Denoiser | Imputer]:
    """All that is learned, or can be, of what a model's codes leave over."""
    found = (trained.denoiser if has_denoiser(trained) else None, trained.imputer)
    return [each for each in found if each is not None]


def denoised(trained: "TrainedModel", rows: Any, sigma: float | Sequence[float] | None) -> Floats:
    """Noisy raw rows without their noise, as the model takes rows, shape ``(N, *shape)``.

    Args:
        trained: the model.
        rows: see :meth:`sparsevae.TrainedModel.denoise`.
        sigma: of the noise in the data's units; None estimates it.

    Raises:
        ConfigurationError: the model cannot denoise, or ``sigma`` is no standard deviation.
    """
    denoiser, values = trained.denoiser, trained.values(rows)
    unit = trained.model.family.domain == "unit"
    clipped = unit and all(_inside(trained, block) for block in blocks(values))
    scaled: Floats | float = 0.0
    if sigma is not None:
        scaled = _scaled_sigma(trained, sigma, rows)
    elif len(values):
        some = trained.scaled(values[: rows_needed(trained.model)], clip=False)
        scaled = denoiser.sigma(trained.model, some, clipped=clipped)
    parts = [np.empty((0, *trained.model.shape), np.float32)]
    for first, block in placed_blocks(values):
        y = trained.scaled(block, first, clip=False)
        parts.append(denoiser.restored(trained.model, y, scaled, clipped=clipped))
    return np.concatenate(parts)


def repaired(
    trained: "TrainedModel",
    rows: Any,
    sigma: None = None,
    *,
    salt_and_pepper: float = 0.0,
    hidden: Any = None,
) -> Floats:
    """Damaged raw rows as the model takes rows, whole again, shape ``(N, *shape)``.

    Args:
        trained: the model.
        rows: see :meth:`sparsevae.TrainedModel.denoise`.
        sigma: None, for there is no normal noise.
        salt_and_pepper: the share of elements that are the least or the largest value instead.
        hidden: whether an element is unknown, of the rows' shape; None where all are seen.

    Raises:
        ConfigurationError: another kind of noise too, a share or a shape that cannot be, or black
            and white of a model whose rows have no ends.
    """
    values, family, share = trained.values(rows), trained.model.family, salt_and_pepper
    if sigma is not None:
        raise ConfigurationError(
            "Normal noise and damaged elements are taken out one at a time; leave sigma out."
        )
    if not isinstance(share, Real) or not 0 <= share < 1:
        raise ConfigurationError(f"salt_and_pepper is a share from 0 to below 1, not {share!r}.")
    if family.reading != "plain" or (share and family.domain != "unit"):
        raise ConfigurationError(
            f"{trained.name} (likelihood {name_of(trained.likelihood)!r}) has no least and "
            "largest value that an element could be damaged to; give hidden measurements alone."
        )
    unknown = _unknown(trained, rows, hidden, values.shape)
    parts = [np.empty((0, *trained.model.shape), np.float32)]
    for first, block in placed_blocks(values):
        covered = unknown[first : first + len(block)].astype(np.float32)
        x = trained.scaled(block, first, clip=family.domain == "unit")
        parts.append(repair.repaired(trained.model, x, share, covered))
    return np.concatenate(parts)


def _unknown(trained: "TrainedModel", rows: Any, hidden: Any, shape: tuple[int, ...]) -> Any:
    """Whether an element is hidden, as the model takes rows, of that shape; none where None.

    What is given follows the rows: columns of a data frame by name, channels where theirs are.
    """
    if hidden is None:
        return np.broadcast_to(np.zeros(1, bool), shape)
    given, own = np.asarray(hidden, bool), rows.shape if is_frame(rows) else shape
    named = next((each for each in (hidden, rows) if is_frame(each)), None)
    with suppress(DatasetError, ValueError):  # another shape
        framed = given if named is None else as_frame(given, tuple(named.columns))
        unknown = trained.values(framed)
        if unknown.shape == shape:
            return unknown
    raise ConfigurationError(
        f"hidden says of every element whether it is unknown, so it has the rows' shape "
        f"{own}; got {given.shape}."
    )


def _inside(trained: "TrainedModel", block: Array) -> bool:
    """Whether every element lies where scaled rows are in [0, 1]."""
    scaled = trained.data.scaling.apply(block, clip=False)
    return bool(scaled.min() >= 0 and scaled.max() <= 1)


def _scaled_sigma(trained: "TrainedModel", sigma: float | Sequence[float], rows: Any) -> Floats:
    """Standard deviations of scaled elements, shape ``(1, *shape)``; of a frame in its order."""
    shape = trained.model.shape
    try:
        given = np.asarray(sigma, np.float64)
    except (TypeError, ValueError):
        given = np.full(1, np.nan)
    if is_frame(rows) and given.shape == rows.shape[1:]:
        given = trained.values(as_frame(given[None], tuple(rows.columns)))[0]
    good = given.shape in ((), (1,), (shape[0],), shape) and bool((given >= 0).all())
    if not good or not np.isfinite(given).all():
        raise ConfigurationError(
            f"sigma is the noise's standard deviation, one finite number from 0 on or one for "
            f"each of {shape[0]} columns or channels; got {sigma!r}."
        )
    _, scale = trained.data.scaling.columns(1 + len(shape))
    if given.shape != shape:
        given = given.reshape(-1, *[1] * (len(shape) - 1))
    return np.broadcast_to(given / scale, (1, *shape)).astype(np.float32)
