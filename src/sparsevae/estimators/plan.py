"""What an estimator settles before it trains: from its parameters and the training rows.

Shape legend: N rows of shape (D,) or (C, H, W).
"""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from pydantic import JsonValue

from sparsevae.errors import ConfigurationError
from sparsevae.models import Model, build
from sparsevae.runs.train import EXAMPLES
from sparsevae.storage.arrays import Array
from sparsevae.training import defaults, loop
from sparsevae.training.config import Checked, Count, Positive, Widths
from sparsevae.training.defaults import Plan


class Settings(Checked):
    """The parameters that are plain values; the last two are those of the sparse coder alone."""

    n_components: Count
    scaling: Literal["auto", "none", "grey", "minmax", "standard"]
    widths: Widths | None
    max_iter: Count | None
    batch_size: Count
    learning_rate: Positive | dict[str, JsonValue] | None
    device: str
    sparse_output: bool
    verbose: bool
    target_active: Positive = 1.0
    warm_up: bool = False


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
    return defaults.make_plan(
        rows,
        batch_size=given.batch_size,
        likelihood=parameters["likelihood"],
        kind=given.scaling,
        widths=given.widths,
        epochs=given.max_iter,
    )


def new_model(
    name: str, latents: int, arguments: Mapping[str, Any], settled: Plan, rows: Array, seed: int
) -> Model:
    """An untrained model of the plan, in evaluation mode, weights drawn from a seed.

    Args:
        name: a row of the table of models.
        latents: J.
        arguments: of the model's class, without the likelihood.
        settled: the estimator's plan.
        rows: training rows, shape ``(N, *shape)``; some are where pseudo-inputs start.
        seed: of the weights and of the choice of rows.

    Raises:
        ConfigurationError: an argument is unknown or out of its range.
    """
    with torch.random.fork_rng():
        loop.seed_epoch(seed, -1)
        chosen = torch.randperm(len(rows))[:EXAMPLES].numpy()
        model = build(
            name,
            rows.shape[1:],
            latents,
            widths=settled.widths,
            arguments={**arguments, "likelihood": settled.likelihood},
            examples=torch.from_numpy(settled.scaling.apply(rows[chosen])),
        )
    return model.eval()
