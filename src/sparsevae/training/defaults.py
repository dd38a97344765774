"""What is settled before a model is fitted to data of any kind, from the data themselves.

Shape legend: N rows of shape (D,) or (C, H, W).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sparsevae.data import scaling
from sparsevae.data.scaling import Kind, Scaling
from sparsevae.models import likelihoods
from sparsevae.models.likelihoods import Named
from sparsevae.networks import Trunk
from sparsevae.networks.trunks import WIDTHS
from sparsevae.storage.arrays import Rows
from sparsevae.training import recipes

STEPS = 1000  # of training, as far as LEAST_EPOCHS and MOST_EPOCHS allow
LEAST_EPOCHS, MOST_EPOCHS = 25, 500
HIDDEN = (64,)  # widths of the trunk for vectors
BATCH = 64  # rows of a table a step, where there are not so many that larger steps do


@dataclass(frozen=True)
class Plan:
    """What was given or chosen.

    Attributes:
        likelihood: the family of p(x|z), with settings if it has some.
        reason: why that one, a sentence.
        scaling: of the rows, with statistics of the training rows.
        trunk: "mlp" for vectors, "convolution" for images.
        widths: widths of the trunk.
        recipe: where the model's further arguments come from.
        epochs: passes over the training rows.
    """

    likelihood: Named
    reason: str
    scaling: Scaling
    trunk: Trunk
    widths: tuple[int, ...]
    recipe: str
    epochs: int


def make_plan(
    rows: Rows,
    training: Rows | None = None,
    *,
    batch_size: int,
    likelihood: Named = "auto",
    kind: Kind | Literal["auto"] = "auto",
    widths: Sequence[int] | None = None,
    epochs: int | None = None,
) -> Plan:
    """Fill in what is left open.

    Args:
        rows: all of them, finite numbers, shape ``(N, *shape)``.
        training: those that the scaling takes its statistics from; all when left out.
        batch_size: training rows a step.
        likelihood: "auto" looks at the values.
        kind: of the scaling; "auto" brings the rows to where the likelihood is defined.
        widths: widths of the trunk.
        epochs: passes over the training rows; None takes about :data:`STEPS` steps.

    Raises:
        ConfigurationError: an unknown likelihood or scaling.
    """
    training = rows if training is None else training
    reason = "It was named."
    if likelihood == "auto":
        likelihood, reason = likelihoods.choose(rows)
    domain = likelihoods.family(likelihood)[0].domain
    if kind == "auto":
        kind = scaling.choose(domain, scaling.values_of(rows))
    images = rows.ndim > 2
    return Plan(
        likelihood=likelihood,
        reason=reason,
        scaling=scaling.fit_scaling(kind, training),
        trunk="convolution" if images else "mlp",
        widths=tuple(widths or (WIDTHS if images else HIDDEN)),
        recipe="default" if images and domain == "unit" else "any-values",
        epochs=epochs or enough_epochs(len(training), batch_size),
    )


def batch_size(rows: Rows) -> int:
    """Training rows a step when none is given: for images those of a study, for tables more."""
    own = recipes.batch_size(len(rows))
    return own if rows.ndim > 2 else max(BATCH, own)


def enough_epochs(rows: int, batch_size: int) -> int:
    """About :data:`STEPS` steps; more on large data, where an epoch alone takes many."""
    steps_an_epoch = -(-rows // batch_size)
    return min(MOST_EPOCHS, max(LEAST_EPOCHS, -(-STEPS // steps_an_epoch)))
