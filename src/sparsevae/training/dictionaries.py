"""When wide real vectors get a linear trunk, and how long a dictionary of them is trained.

A hidden layer of an MLP for tables is narrower than the code where the code has hundreds of
numbers; all that such a network could say of a row would pass through it. Activations of other
networks, embeddings and spectra are sums of a few directions besides, which a dictionary gives
back one by one.

Shape legend: N training rows of D columns, J latent dimensions.
"""

import math
from collections.abc import Collection, Mapping
from typing import Any

from sparsevae.data.scaling import Domain
from sparsevae.models import priors
from sparsevae.networks import Trunk
from sparsevae.storage.arrays import Rows

WIDE = 128  # columns from which on real vectors may be activations
LATENTS_A_COLUMN = 0.5  # J/D from which on a code is a dictionary and no bottleneck
LARGEST_BATCH, SMALLEST_BATCH, STEPS_AN_EPOCH = 1024, 64, 78
STEPS = 1000  # of training, whole epochs
LIKELIHOOD = "shared-gaussian"
RECIPE = "dictionary"
TURN, TURN_OF_SMALL = 0.1, 0.16  # length that a step of Adam may move an atom: its rate times √D
FALL = 50  # how many times smaller the last rate is than the first
SMALL = 2  # J/D
TARGET_ACTIVE = priors.TARGET_ACTIVE
CANDIDATES_OF_SMALL = 1.5  # gates that a row may open, for every one that should be
EVEN_USE = {"kind": "ramp", "start": 0.6, "end": 1.0, "first": 20.0, "last": 1.0}


def trunk_for(rows: Rows, latents: int, domain: Domain) -> Trunk:
    """The trunk where none was named.

    Args:
        rows: training rows, shape ``(N, *shape)``.
        latents: J.
        domain: where the likelihood takes them.

    Returns:
        "linear" for vectors of D ≥ 128 real columns and J ≥ D/2, else "convolution", which for
        vectors is an MLP.

    Example:
        >>> import numpy as np
        >>> trunk_for(np.zeros((9, 768)), 1024, "real"), trunk_for(np.zeros((9, 13)), 16, "real")
        ('linear', 'convolution')
    """
    vectors, columns = rows.ndim == len(("row", "column")), rows.shape[1]
    wide = columns >= WIDE and latents >= LATENTS_A_COLUMN * columns
    return "linear" if vectors and wide and domain == "real" else "convolution"


def is_small(columns: int, latents: int) -> bool:
    """Whether a dictionary is taken to be smaller than what there is to hold: J ≤ 2D.

    Some of its dimensions then come to stand for several features, and are on more often than
    others.
    """
    return latents <= SMALL * columns


def arguments_for(
    accepted: Collection[str], columns: int, latents: int, given: Mapping[str, Any]
) -> dict[str, Any]:
    """Arguments of a model that are left open, by the size of its dictionary.

    A penalty on uneven use and fewer gates to choose from keep the features of a small one
    apart. In a larger one the penalty would open gates that stand for nothing.

    Args:
        accepted: names of the arguments that the model takes.
        columns: D.
        latents: J.
        given: arguments that are not left open.
    """
    asked = given.get("target_active", TARGET_ACTIVE)
    takes = {"penalty_weight", "candidates"} <= set(accepted)
    if not (is_small(columns, latents) and takes) or asked == "auto":
        return dict(given)
    target = min(asked, latents / 2)
    most = math.ceil(CANDIDATES_OF_SMALL * target)
    return {"penalty_weight": EVEN_USE, "candidates": most, **given}


def learning_rate(columns: int, latents: int) -> dict[str, Any]:
    """A schedule as JSON: constant, then falling in the second half.

    Adam moves every number by about its rate, so an atom of D of them by √D times that. A small
    dictionary needs larger steps to tell features apart.

    Args:
        columns: D.
        latents: J.
    """
    turn = TURN_OF_SMALL if is_small(columns, latents) else TURN
    first = round(turn / math.sqrt(columns), 5)
    return {"kind": "ramp", "start": 0.5, "end": 1.0, "first": first, "last": first / FALL}


def batch_size(rows: int) -> int:
    """Rows a step: 1,024, or fewer so that an epoch has 78 steps, at least 64.

    Example:
        >>> batch_size(200_000), batch_size(20_000), batch_size(1_000)
        (1024, 256, 64)
    """
    return min(LARGEST_BATCH, max(SMALLEST_BATCH, rows // STEPS_AN_EPOCH))
