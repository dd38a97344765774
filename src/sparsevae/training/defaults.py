"""The one protocol: what is left open before a model is fitted, settled from the training rows.

Shape legend: N training rows of shape (D,) or (C, H, W).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sparsevae.data import scaling as scalings
from sparsevae.data.scaling import Domain, Kind, Scaling
from sparsevae.errors import ConfigurationError
from sparsevae.models import likelihoods, row
from sparsevae.models.likelihoods import Named
from sparsevae.networks import Reading, Trunk
from sparsevae.networks.trunks import WIDTHS
from sparsevae.storage.arrays import Rows
from sparsevae.training import dictionaries, recipes
from sparsevae.training.config import RunConfig, StudyConfig

MOST_EPOCHS = 500  # passes over rows of a table
MOST_OF_FEW = 100  # passes over photographs, which more would learn by heart
BATCH = 64  # rows a step, where there are not so many that larger steps do
RESTARTS = 2  # of a run that has learned nothing after a third of its passes
LEAST_STEPS = 600  # of a run that may begin anew; a third of fewer need not teach anything
FLAT = 4096  # elements of an image up to which a trunk of matrix products does best
FEW = 1000  # rows, below which an affine code generalises better, or a narrow trunk
NARROW, WIDE = (64,), (256,)  # widths of a trunk of matrix products


@dataclass(frozen=True)
class Protocol:
    """How rows of one form are trained on.

    Attributes:
        recipe: of :data:`sparsevae.training.recipes.RECIPES`.
        trunk: layers of an image's trunk.
        widths: of the trunk's layers.
        batch: rows a step.
        steps: of training, as far as the next two allow.
        least: passes over the rows.
        most: passes over the rows.
    """

    recipe: str
    trunk: Trunk
    widths: tuple[int, ...]
    batch: int
    steps: int = 1500
    least: int = 10
    most: int = MOST_EPOCHS

    def epochs(self, rows: int, batch_size: int) -> int:
        """Passes that make about :attr:`steps`; more where one pass alone takes many."""
        steps_an_epoch = -(-rows // batch_size)
        return min(self.most, max(self.least, -(-self.steps // steps_an_epoch)))


def protocol(shape: Sequence[int], domain: Domain, reading: Reading = "plain") -> Protocol:
    """How rows are trained on, from their number and form and where the likelihood is defined.

    What a linear trunk has otherwise stands in :mod:`sparsevae.training.dictionaries`.

    Args:
        shape: ``(N, D)`` or ``(N, C, H, W)`` of the training rows.
        domain: of the likelihood.
        reading: how an encoder reads rows that the likelihood scores.
    """
    own = recipes.batch_size(shape[0])
    images, elements = len(shape) > 2, math.prod(shape[1:])
    if images and domain == "unit":  # as a study does it
        return Protocol("default", "convolution", WIDTHS, own, steps=1000, least=25)
    batch = max(BATCH, own)
    if shape[0] < FEW and domain == "real" and reading == "plain" and elements <= FLAT:
        return Protocol("few-rows", "linear", NARROW, batch, steps=2000)
    if images and elements > FLAT:
        return Protocol("photographs", "convolution", WIDTHS, batch)
    if images:
        return Protocol("photographs", "mlp", WIDE, batch, most=MOST_OF_FEW)
    return Protocol("any-values", "mlp", NARROW if shape[0] < FEW else WIDE, batch, steps=2500)


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
    steps: int | None = None,
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
        widths: of the trunk's layers; None leaves them, and the trunk, to :func:`protocol`, as
            what follows; images take convolutions where widths are named.
        trunk: "convolution", "mlp" or "linear"; None takes "linear" for vectors of 128 real
            columns or more and half as many latents or more, see
            :mod:`sparsevae.training.dictionaries`. With neither widths, likelihood nor recipe
            named, a linear trunk gets a Gaussian with one trained width, and the recipe
            "dictionary".
        epochs: passes over the rows.
        batch_size: rows a step.
        seed: of weights, order and noise.
        recipe: of :data:`sparsevae.training.recipes.RECIPES`.
        learning_rate: overrides the recipe's; a constant, or a schedule as JSON.
        arguments: further arguments of the model's class.
        steps: about how many are taken where ``epochs`` is None; None leaves that open too.

    Raises:
        ConfigurationError: a setting is unknown or out of its range.
    """
    _check_trunk(trunk, rows.shape, name)
    reason, named_none = "It was named.", likelihood == "auto"
    if named_none:
        likelihood, reason = likelihoods.choose(rows)
    likelihood = likelihoods.with_total(likelihood, rows)
    domain = likelihoods.family(likelihood)[0].domain
    reading = likelihoods.family(likelihood)[0].reading
    usual = protocol(rows.shape, domain, reading)
    wide = widths is None and dictionaries.trunk_for(rows, latents, domain) == "linear"
    dictionary = trunk == "linear" or (trunk is None and wide)
    if dictionary:
        trunk, usual = "linear", _of_dictionary(usual, len(rows))
        if named_none and domain == "real":
            likelihood = dictionaries.LIKELIHOOD
    elif trunk is None:
        trunk = usual.trunk if widths is None else "convolution"
    if scaling == "auto":
        scaling = scalings.choose(domain, scalings.values_of(rows))
    if not isinstance(scaling, Scaling):
        scaling = scalings.fit_scaling(scaling, rows)
    if steps is not None:
        usual = replace(usual, steps=steps)
    batch = usual.batch if batch_size is None else batch_size
    passes = usual.epochs(len(rows), max(1, batch)) if epochs is None else epochs
    if dictionary and recipe in (None, usual.recipe):
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
            "batch_size": batch,
            "epochs": passes,
            "recipe": recipe or usual.recipe,
            "widths": usual.widths if widths is None else widths,
            "trunk": trunk,
            "arguments": {model: {**(arguments or {}), "likelihood": likelihood}},
        }
    )
    (config,) = recipes.runs(study, name)
    taken = passes * -(-len(rows) // batch)
    changes: dict[str, Any] = {"restarts": RESTARTS if taken >= LEAST_STEPS else 0}
    if learning_rate is not None:
        changes["learning_rate"] = learning_rate
    config = RunConfig.checked({**config.model_dump(), **changes})
    return Settled(config, likelihood, reason, scaling)


def _check_trunk(trunk: Trunk | None, shape: Sequence[int], name: str) -> None:
    if trunk == "convolution" and len(shape) == 2:
        raise ConfigurationError(
            f"{name} has rows of {shape[1]} columns, and convolutions are for images; take the "
            "trunk 'mlp' or 'linear', or leave it open."
        )


def _of_dictionary(usual: Protocol, rows: int) -> Protocol:
    """What a linear trunk has otherwise."""
    return replace(
        usual,
        recipe=dictionaries.RECIPE,
        batch=dictionaries.batch_size(rows),
        steps=dictionaries.STEPS,
        least=1,
        most=dictionaries.STEPS,
    )
