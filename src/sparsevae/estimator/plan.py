"""What an estimator settles before it trains: from its parameters and the training rows.

Shape legend: N rows of shape (D,) or (C, H, W).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import JsonValue

from sparsevae import likelihoods, scaling, training
from sparsevae.config import Checked, Count, Positive, Widths
from sparsevae.errors import ConfigurationError
from sparsevae.estimator.reading import Array
from sparsevae.fitting import EXAMPLES
from sparsevae.likelihoods import Named
from sparsevae.models import Model, build
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
    if "likelihood" in (parameters["model_arguments"] or {}):
        raise ConfigurationError("The likelihood is a parameter of its own: likelihood=….")
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


def new_model(
    name: str, latents: int, arguments: Mapping[str, Any], plan: Plan, rows: Array, seed: int
) -> Model:
    """An untrained model of the plan, in evaluation mode, weights drawn from a seed.

    Args:
        name: a row of the table of models.
        latents: J.
        arguments: of the model's class, without the likelihood.
        plan: of the estimator.
        rows: training rows, shape ``(N, *shape)``; some are where pseudo-inputs start.
        seed: of the weights and of the choice of rows.

    Raises:
        ConfigurationError: an argument is unknown or out of its range.
    """
    with torch.random.fork_rng():
        training.seed_epoch(seed, -1)
        chosen = torch.randperm(len(rows))[:EXAMPLES].numpy()
        model = build(
            name,
            rows.shape[1:],
            latents,
            channels=plan.channels,
            arguments={**arguments, "likelihood": plan.likelihood},
            examples=torch.from_numpy(plan.scaling.apply(rows[chosen])),
        )
    return model.eval()


def _epochs(rows: int, batch_size: int) -> int:
    """About :data:`STEPS` steps; more on large data, where an epoch alone takes many."""
    steps_an_epoch = -(-rows // batch_size)
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, -(-STEPS // steps_an_epoch)))
