"""The table of likelihoods: a row is a family, by the name that configurations use."""

import inspect
import math
from collections.abc import Mapping
from typing import Any

from sparsevae.errors import ConfigurationError
from sparsevae.models.likelihoods.base import Likelihood
from sparsevae.models.likelihoods.measured import (
    DiagonalGaussian,
    FixedGaussian,
    LearnedGaussian,
    Poisson,
    SharedGaussian,
)
from sparsevae.models.likelihoods.unit import ContinuousBernoulli, GreyBernoulli
from sparsevae.models.tables import Table

Named = str | Mapping[str, Any]  # "gaussian", or {"kind": "gaussian", "floor": 0.2}

LIKELIHOODS: Table[type[Likelihood]] = Table(
    "likelihood",
    {
        "bernoulli": GreyBernoulli,
        "continuous-bernoulli": ContinuousBernoulli,
        "gaussian": LearnedGaussian,
        "shared-gaussian": SharedGaussian,
        "diagonal-gaussian": DiagonalGaussian,
        "fixed-gaussian": FixedGaussian,
        "poisson": Poisson,
    },
    "sparsevae.models.likelihoods.register",
)
register = LIKELIHOODS.register


def family(likelihood: Named) -> tuple[type[Likelihood], dict[str, float]]:
    """A family of the table and the settings of its class.

    Args:
        likelihood: a key of :data:`LIKELIHOODS`, or that key as ``kind`` with settings.

    Example:
        >>> kind, settings = family({"kind": "fixed-gaussian", "scale": 0.5})
        >>> kind.__name__, settings
        ('FixedGaussian', {'scale': 0.5})

    Raises:
        ConfigurationError: an unknown family or setting, or a setting that is not positive.
    """
    given = {"kind": likelihood} if isinstance(likelihood, str) else dict(likelihood)
    kind: Any = given.pop("kind", None)
    if kind not in LIKELIHOODS:
        raise ConfigurationError(f"A likelihood is one of {', '.join(LIKELIHOODS)}, not {kind!r}.")
    chosen = LIKELIHOODS[kind]
    known = list(inspect.signature(chosen).parameters)[1:]
    for name, value in given.items():
        if name not in known or not isinstance(value, float | int) or not 0 < value < math.inf:
            raise ConfigurationError(
                f"The likelihood {kind!r} takes {' and '.join(known) or 'no setting'}, positive "
                f"numbers; got {name} = {value!r}."
            )
    return chosen, {name: float(value) for name, value in given.items()}
