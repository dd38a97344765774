"""What is said while a model trains: the numbers of an epoch, and a line when it collapses.

Shape legend: J latent dimensions.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sparsevae.metrics import bounds
from sparsevae.metrics.collapse import COLLAPSE_SHARE, DENSE_ALPHA, DENSE_SHARE, EMPTY_CODE
from sparsevae.metrics.sparsity import ALWAYS_ON, DEAD
from sparsevae.models import Model, likelihoods
from sparsevae.models.likelihoods import Named
from sparsevae.training import step
from sparsevae.training.config import RunConfig

Row = Mapping[str, Any]

LOOKED_AT = 500  # training rows, evenly spaced, that say what the mean row scores
FIRST = 2  # the mean over the first epoch says more about where training starts
MEAN_IMAGE_UNTIL = 0.5  # of a run; until then a healthy one, if short, may print the mean image


def mean_image_score(model: Model, mean: npt.NDArray[np.floating]) -> float:
    """Score of the mean of images on those images, nats an image; NaN where it has none.

    Args:
        model: its likelihood decides whether there is such a score.
        mean: of the images, values in [0, 1], shape ``(1, *shape)``.
    """
    return bounds.grey_score(mean, mean) if not model.family.normalised else math.nan


def constant_row_score(model: Model, likelihood: Named, rows: Tensor) -> float:
    """Score of the best decoder that says the same of every row, nats a row.

    Unlike :func:`mean_image_score` it is defined for every likelihood.

    Args:
        model: on any device.
        likelihood: its own, by name.
        rows: scaled, shape ``(N, *shape)``.
    """
    where = next(model.parameters()).device
    with torch.no_grad():
        output = model.decoder(torch.zeros(1, model.latents, device=where))
    return likelihoods.constant_score(likelihood, output, rows.to(where))


def plateau(model: Model, config: RunConfig, history: Sequence[Row], images: step.Rows) -> str:
    """Why a model has learned nothing by the end of its last epoch; empty when it has.

    Args:
        model: what is trained.
        config: of the run.
        history: one row an epoch so far.
        images: N training images, shape ``(N, *shape)``.
    """
    chosen = torch.arange(0, len(images), -(-len(images) // LOOKED_AT), device=images.device)
    rows = step.unit_interval(images.index_select(0, chosen))
    likelihood: Any = config.arguments.get("likelihood", "bernoulli")
    return stuck(history[-1], model, constant_row_score(model, likelihood, rows))


def stuck(row: Row, model: Model, constant: float) -> str:
    """Why a model has learned nothing by the end of an epoch; empty when it has.

    Args:
        row: of the history.
        model: what is trained.
        constant: of :func:`constant_row_score` for the training rows.
    """
    if _prints_constant(row, model, constant):
        return (
            f"no row is told from the mean row (reconstruction {row['reconstruction']:.1f} nats, "
            f"the mean row {constant:.1f})"
        )
    if row.get("shut") == model.latents:
        return f"all {model.latents} gates are shut"
    return ""


def _prints_constant(row: Row, model: Model, constant: float) -> bool:
    """By less than 5 % of a score of grey levels, or half a nat of a density."""
    if model.family.normalised:
        return bool(row["reconstruction"] > constant - EMPTY_CODE)
    return bool(row["reconstruction"] > COLLAPSE_SHARE * constant)


def activity(spikes: Tensor, has_gates: bool) -> dict[str, float]:
    """What an epoch keeps of the spikes: how many are open, and how many gates decide nothing.

    Args:
        spikes: γ̄_j, the mean over the images of an epoch, shape ``(J,)``.
        has_gates: whether the model has spikes.

    Returns:
        ``sum_gamma`` (Σ_j γ̄_j), ``always_on`` (gates with γ̄_j > 0.95) and ``shut`` (gates with
        γ̄_j < 0.001); nothing without spikes.
    """
    if not has_gates:
        return {}
    numbers = (spikes.sum(), (spikes > ALWAYS_ON).sum(), (spikes < DEAD).sum())
    counts = torch.stack(numbers).tolist()
    return dict(zip(("sum_gamma", "always_on", "shut"), counts, strict=True))


def warning(history: Sequence[Row], epochs: int, model: Model, mean_image: float) -> str:
    """What to say after an epoch with signs of collapse that the epoch before did not have.

    Args:
        history: one row an epoch so far.
        epochs: of the whole run.
        model: what is trained.
        mean_image: of :func:`mean_image_score` for the training images.

    Returns:
        One line; empty when there is nothing new to say.
    """
    signs = [_signs(row, epochs, model, mean_image) for row in history[-2:]]
    before = signs[0] if len(signs) > 1 else {}
    new = "; ".join(text for sign, text in signs[-1].items() if sign not in before)
    return f"epoch {len(history)} of {epochs}: {new}." if new else ""


def _alpha(model: Model) -> float:
    return 1.0 if model.target_share is None else model.target_share


def _signs(row: Row, epochs: int, model: Model, mean_image: float) -> dict[str, str]:
    """Signs of collapse in one epoch, each with its words."""
    signs: dict[str, str] = {}
    if row["epoch"] < FIRST:
        return signs
    late = row["epoch"] > MEAN_IMAGE_UNTIL * epochs
    if late and row["reconstruction"] > COLLAPSE_SHARE * mean_image:
        signs["mean image"] = (
            f"the decoder still prints the mean image (reconstruction {row['reconstruction']:.1f} "
            f"nats, the mean image {mean_image:.1f})"
        )
    if "sum_gamma" not in row:
        return signs
    if row["shut"] == model.latents:
        signs["shut"] = f"all {model.latents} gates are shut for every image"
    elif row["always_on"] > DENSE_SHARE * row["sum_gamma"] and _alpha(model) < DENSE_ALPHA:
        signs["dense"] = (
            f"the same {row['always_on']:.0f} gates are open for every image, of "
            f"{row['sum_gamma']:.1f} on average: they select nothing"
        )
    return signs
