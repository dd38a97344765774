"""The table of likelihoods: a row is a family, by the name that configurations use."""

import inspect
import math
from collections.abc import Mapping
from typing import Any, get_type_hints

from sparsevae.errors import ConfigurationError
from sparsevae.models.likelihoods.base import Likelihood
from sparsevae.models.likelihoods.counts import LibraryPoisson, NegativeBinomial
from sparsevae.models.likelihoods.measured import (
    DiagonalGaussian,
    FixedGaussian,
    LearnedGaussian,
    Poisson,
    SharedGaussian,
)
from sparsevae.models.likelihoods.mixed import Mixed
from sparsevae.models.likelihoods.unit import ContinuousBernoulli, DrawnBernoulli, GreyBernoulli
from sparsevae.models.tables import Table

Named = str | Mapping[str, Any]  # "gaussian", or {"kind": "gaussian", "floor": 0.2}

LIKELIHOODS: Table[type[Likelihood]] = Table(
    "likelihood",
    {
        "bernoulli": GreyBernoulli,
        "continuous-bernoulli": ContinuousBernoulli,
        "drawn-bernoulli": DrawnBernoulli,
        "gaussian": LearnedGaussian,
        "shared-gaussian": SharedGaussian,
        "diagonal-gaussian": DiagonalGaussian,
        "fixed-gaussian": FixedGaussian,
        "poisson": Poisson,
        "mixed": Mixed,
        "library-poisson": LibraryPoisson,
        "negative-binomial": NegativeBinomial,
    },
    "sparsevae.models.likelihoods.register",
)
register = LIKELIHOODS.register


def name_of(likelihood: Named) -> str:
    """The name of a family in the table.

    Example:
        >>> name_of({"kind": "fixed-gaussian", "scale": 0.5})
        'fixed-gaussian'
    """
    return likelihood if isinstance(likelihood, str) else str(likelihood["kind"])


def family(likelihood: Named) -> tuple[type[Likelihood], dict[str, Any]]:
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
    given: dict[str, Any] = {"kind": likelihood}
    if isinstance(likelihood, Mapping):
        given = dict(likelihood)
    kind: Any = given.pop("kind", None)
    if not isinstance(kind, str) or kind not in LIKELIHOODS:
        raise ConfigurationError(f"A likelihood is one of {', '.join(LIKELIHOODS)}, not {kind!r}.")
    chosen = LIKELIHOODS[kind]
    types = get_type_hints(chosen.__init__)
    known = list(inspect.signature(chosen).parameters)[1:]
    settings = {}
    for name, value in given.items():
        setting = _setting(value, types.get(name, float)) if name in known else None
        if setting is None:
            raise ConfigurationError(
                f"The likelihood {kind!r} takes {' and '.join(known) or 'no setting'}, positive "
                f"numbers; got {name} = {value!r}."
            )
        settings[name] = setting
    return chosen, settings


def _setting(value: Any, kind: Any) -> Any:
    """A setting as its class takes it: a positive number, a count or several; None for others."""
    if kind == tuple[int, ...]:
        if not isinstance(value, list | tuple):
            return None
        return tuple(value) if all(_count(part) and part > 0 for part in value) else None
    if kind is int:
        return value if _count(value) else None
    numeric = isinstance(value, float | int) and 0 < value < math.inf
    return float(value) if numeric else None


def _count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
