"""The one protocol: what is left open before a model is fitted, settled from the training rows.

Shape legend: N training rows of shape (D,) or (C, H, W).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sparsevae.data import scaling as scalings
from sparsevae.data.scaling import Domain, Kind, Scaling
from sparsevae.models import likelihoods, row
from sparsevae.models.likelihoods import Named
from sparsevae.networks import Trunk
from sparsevae.networks.trunks import WIDTHS
from sparsevae.storage.arrays import Rows
from sparsevae.training import dictionaries, recipes
from sparsevae.training.config import RunConfig, StudyConfig

STEPS = 1000  # of training, as far as LEAST_EPOCHS and MOST_EPOCHS allow
LEAST_EPOCHS, MOST_EPOCHS = 25, 500
HIDDEN = (64,)  # widths of the trunk for vectors
BATCH = 64  # rows of a table a step, where there are not so many that larger steps do


@dataclass(frozen=True)
class Settled:
    """What was given or chosen.

    Attributes:
        config: of the run: network, likelihood, batch, epochs, rate, the model's arguments.
        likelihood: the family of p(x|z), with settings if it has some.
        reason: why that one, a sentence.
        scaling: of the rows, with statistics of the training rows.
    """

    config: RunConfig
    likelihood: Named
    reason: str
    scaling: Scaling


def settle(
    rows: Rows,
    *,
    name: str = "rows",
    model: str = "vsc",
    latents: int = 16,
    likelihood: Named = "auto",
    scaling: Kind | Literal["auto"] | Scaling = "auto",
    widths: Sequence[int] | None = None,
    trunk: Trunk | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    seed: int = 0,
    recipe: str | None = None,
    learning_rate: float | Mapping[str, Any] | None = None,
    arguments: Mapping[str, Any] | None = None,
    steps: int = STEPS,
) -> Settled:
    """Fill in what is left open; rows that are held out have no say.

    Args:
        rows: training rows, finite numbers, shape ``(N, *shape)``.
        name: of the data.
        model: a row of the table of models.
        latents: J.
        likelihood: of the table of likelihoods; "auto" looks at the values.
        scaling: "auto" brings the rows to where the likelihood is defined; one that is fitted
            already is taken as it is.
        widths: of the trunk's layers; None takes (64,) for vectors, (16, 32, 256) for images.
        trunk: "convolution", "mlp" or "linear"; None takes "linear" for vectors of 128 real
            columns or more and half as many latents or more, see
            :mod:`sparsevae.training.dictionaries`. Without widths, with neither chosen likelihood
            nor recipe, a linear trunk gets a Gaussian with one trained width, and the recipe
            "dictionary".
        epochs: passes over the rows; None takes about 1,000 steps, 25 to 500 passes.
        batch_size: rows a step; None takes a study's for images, 64 or more for vectors.
        seed: of weights, order and noise.
        recipe: None takes "default" for images in [0, 1], else "any-values".
        learning_rate: overrides the recipe's; a constant, or a schedule as JSON.
        arguments: further arguments of the model's class.
        steps: about how many are taken where ``epochs`` is None.

    Raises:
        ConfigurationError: a setting is unknown or out of its range.
    """
    reason, chosen = "It was named.", likelihood == "auto"
    if chosen:
        likelihood, reason = likelihoods.choose(rows)
    likelihood = likelihoods.with_total(likelihood, rows)
    domain, images = likelihoods.family(likelihood)[0].domain, rows.ndim > 2
    if trunk is None:
        trunk = "convolution" if widths else dictionaries.trunk_for(rows, latents, domain)
    linear = trunk == "linear"
    if linear and chosen and domain == "real":
        likelihood = dictionaries.LIKELIHOOD
    if scaling == "auto":
        scaling = scalings.choose(domain, scalings.values_of(rows))
    if not isinstance(scaling, Scaling):
        scaling = scalings.fit_scaling(scaling, rows)
    usual = dictionaries.RECIPE if linear else _recipe(images, domain)
    if linear and recipe in (None, usual):
        accepted, columns = row(model).accepts(), math.prod(rows.shape[1:])
        given = arguments or {}
        arguments = dictionaries.arguments_for(accepted, columns, latents, given)
        if learning_rate is None:
            learning_rate = dictionaries.learning_rate(columns, latents)
    study = StudyConfig.checked(
        {
            "models": (model,),
            "latents": (latents,),
            "seeds": (seed,),
            "batch_size": batch_size,
            "epochs": LEAST_EPOCHS if epochs is None else epochs,
            "recipe": recipe or usual,
            "widths": (WIDTHS if images else HIDDEN) if widths is None else widths,
            "trunk": trunk,
            "arguments": {model: {**(arguments or {}), "likelihood": likelihood}},
        }
    )
    (config,) = recipes.runs(study, name)
    batch = study.batch_size or _batch_size(len(rows), images, linear)
    changes: dict[str, Any] = {"batch_size": batch}
    if epochs is None:
        own = enough_epochs(len(rows), batch, steps)
        changes["epochs"] = dictionaries.enough_epochs(len(rows), batch) if linear else own
    if learning_rate is not None:
        changes["learning_rate"] = learning_rate
    config = RunConfig.checked({**config.model_dump(), **changes})
    return Settled(config, likelihood, reason, scaling)


def _recipe(images: bool, domain: Domain) -> str:
    return "default" if images and domain == "unit" else "any-values"


def _batch_size(rows: int, images: bool, linear: bool) -> int:
    if linear:
        return dictionaries.batch_size(rows)
    own = recipes.batch_size(rows)
    return own if images else max(BATCH, own)


def enough_epochs(rows: int, batch_size: int, steps: int = STEPS) -> int:
    """About so many steps; more on large data, where an epoch alone takes many."""
    steps_an_epoch = -(-rows // batch_size)
    most = MOST_EPOCHS * steps // STEPS
    return min(most, max(LEAST_EPOCHS, -(-steps // steps_an_epoch)))
