"""What is said while a model trains: the numbers of an epoch, and a line when it collapses.

Shape legend: J latent dimensions.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from sparsevae.evaluation import COLLAPSE_SHARE
from sparsevae.metrics.sparsity import ALWAYS_ON, DEAD

Row = Mapping[str, Any]

PATIENCE = 1 / 3  # of a run: until then a healthy one, too, may print the mean image
DENSE_SHARE = 0.5  # of all open gates are the same ones for every image: selection is lost


def activity(spikes: Tensor) -> dict[str, float]:
    """What an epoch keeps of the spikes: how many are open, and how many gates decide nothing.

    Args:
        spikes: γ̄_j, the mean over the images of an epoch, shape ``(J,)``; all 0 for a model
            without spikes, since no γ is.

    Returns:
        ``sum_gamma`` (Σ_j γ̄_j), ``always_on`` (gates with γ̄_j > 0.95) and ``shut`` (gates with
        γ̄_j < 0.001); nothing without spikes.
    """
    numbers = (spikes.sum(), (spikes > ALWAYS_ON).sum(), (spikes < DEAD).sum())
    found = torch.stack(numbers).tolist()
    return dict(zip(("sum_gamma", "always_on", "shut"), found, strict=True)) if found[0] else {}


def warning(history: Sequence[Row], epochs: int, latents: int, mean_image: float) -> str:
    """What to say after an epoch that shows signs of collapse which the one before did not show.

    Args:
        history: one row an epoch so far.
        epochs: of the whole run; in its first epoch and its first third nothing is said.
        latents: J.
        mean_image: score of the mean training image on the training images, nats an image; NaN
            where the likelihood has no such score.

    Returns:
        One line; empty when there is nothing new to say.
    """
    first = max(2, math.ceil(PATIENCE * epochs))
    if len(history) < first:
        return ""
    before = _signs(history[-2], latents, mean_image) if len(history) > first else {}
    now = _signs(history[-1], latents, mean_image)
    said = "; ".join(text for sign, text in now.items() if sign not in before)
    return f"epoch {len(history)} of {epochs}: {said}." if said else ""


def _signs(row: Row, latents: int, mean_image: float) -> dict[str, str]:
    found = {}
    if row["reconstruction"] > COLLAPSE_SHARE * mean_image:
        found["mean image"] = (
            f"the decoder still prints the mean image (reconstruction {row['reconstruction']:.1f} "
            f"nats, the mean image {mean_image:.1f})"
        )
    if "sum_gamma" not in row:
        return found
    if row["shut"] == latents:
        found["shut"] = f"all {latents} gates are shut for every image"
    elif row["always_on"] > DENSE_SHARE * row["sum_gamma"] and row["sum_gamma"] < latents / 2:
        found["dense"] = (
            f"{row['always_on']:.0f} gates are open for every image and make up most of the "
            f"{row['sum_gamma']:.1f} that are open on average: the gates select little"
        )
    return found
