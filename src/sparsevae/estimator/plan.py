"""What an estimator settles before it trains: from its parameters and the training rows.

Shape legend: N rows of shape (D,) or (C, H, W).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import JsonValue

from sparsevae import likelihoods, scaling
from sparsevae.config import Checked, Count, Positive, Widths
from sparsevae.estimator.reading import Array
from sparsevae.likelihoods import Named
from sparsevae.networks import CHANNELS
from sparsevae.scaling import Scaling

STEPS = 1000  # of training, as far as LEAST_EPOCHS and MOST_EPOCHS allow
LEAST_EPOCHS, MOST_EPOCHS = 25, 500
HIDDEN = (64,)  # widths of the trunk for vectors


class Settings(Checked):
    """The parameters that are plain values; the last two are those of the sparse coder alone."""

    n_components: Count
    scaling: Literal["auto", "none", "grey", "minmax", "standard"]
    channels: Widths | None
    max_iter: Count | None
    batch_size: Count
    learning_rate: Positive | dict[str, JsonValue] | None
    device: str
    sparse_output: bool
    verbose: bool
    target_active: Positive = 1.0
    warm_up: bool = False


@dataclass(frozen=True)
class Plan:
    """What was given or chosen.

    Attributes:
        likelihood: the family of p(x|z), with settings if it has some.
        reason: why that one, a sentence.
        scaling: of the rows, with statistics of the training rows.
        trunk: "mlp" for vectors, "convolution" for images.
        channels: widths of the trunk.
        epochs: passes over the rows.
    """

    likelihood: Named
    reason: str
    scaling: Scaling
    trunk: Literal["mlp", "convolution"]
    channels: tuple[int, ...]
    epochs: int


def make_plan(parameters: Mapping[str, Any], rows: Array) -> Plan:
    """Check an estimator's parameters and fill in what they leave open.

    Args:
        parameters: of the estimator, by name.
        rows: training rows, shape ``(N, *shape)``.

    Raises:
        ConfigurationError: a parameter is unknown or out of its range.
    """
    names = [name for name in Settings.model_fields if name in parameters]
    given = Settings.checked({name: parameters[name] for name in names})
    likelihood, reason = parameters["likelihood"], "It was named."
    if likelihood == "auto":
        likelihood, reason = likelihoods.choose(rows)
    family, _ = likelihoods.family(likelihood)
    kind = given.scaling
    if kind == "auto":
        kind = scaling.choose(family.domain, scaling.values_of(rows))
    images = rows.ndim > 2
    return Plan(
        likelihood=likelihood,
        reason=reason,
        scaling=scaling.fit_scaling(kind, rows),
        trunk="convolution" if images else "mlp",
        channels=given.channels or (CHANNELS if images else HIDDEN),
        epochs=given.max_iter or _epochs(len(rows), given.batch_size),
    )


def _epochs(rows: int, batch_size: int) -> int:
    """About :data:`STEPS` steps; more on large data, where an epoch alone takes many."""
    steps_an_epoch = -(-rows // batch_size)
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, -(-STEPS // steps_an_epoch)))
