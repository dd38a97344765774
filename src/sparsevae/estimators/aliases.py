"""The estimators' former names, for one version: :class:`SparseVAE` with its model fixed."""

import inspect
from collections.abc import Callable
from typing import Any

from sparsevae.estimators.estimator import SparseVAE


def _initialiser(**further: Any) -> Callable[..., None]:
    """An ``__init__`` with the parameters of :class:`SparseVAE` but its model and target.

    Args:
        **further: parameters of the alias alone, with their defaults.
    """
    own = inspect.signature(SparseVAE.__init__).parameters.values()
    kept = [parameter for parameter in own if parameter.name not in ("model", "target_active")]
    named = inspect.Parameter.KEYWORD_ONLY
    added = [inspect.Parameter(name, named, default=value) for name, value in further.items()]
    signature = inspect.Signature([*kept, *added])

    def initialise(self: SparseVAE, *given: Any, **settings: Any) -> None:
        bound = signature.bind(self, *given, **settings)
        bound.apply_defaults()
        for name in list(signature.parameters)[1:]:
            setattr(self, name, bound.arguments[name])

    initialise.__signature__ = signature  # type: ignore[attr-defined] # scikit-learn reads it
    return initialise


class VariationalSparseCoder(SparseVAE):
    """Alias of ``SparseVAE("vsc")``, for one version; ``warm_up=True`` is "vsc-wu".

    Examples:
    --------
    >>> from sklearn.datasets import load_wine
    >>> X = load_wine().data
    >>> coder = VariationalSparseCoder(n_components=4, max_iter=2, random_state=0).fit(X)
    >>> coder.transform(X).shape, coder.likelihood_
    ((178, 4), 'diagonal-gaussian')
    """

    __init__ = _initialiser(target_active=8.0, warm_up=False)
    warm_up: bool

    @property
    def model(self) -> str:  # type: ignore[override] # it follows from a parameter
        """The row of the table of models."""
        return "vsc-wu" if self.warm_up else "vsc"


class VariationalCoder(SparseVAE):
    """Alias of ``SparseVAE("vae")``, for one version."""

    __init__ = _initialiser()
    model, target_active = "vae", None


class DeterministicCoder(SparseVAE):
    """Alias of ``SparseVAE("ae")``, for one version."""

    __init__ = _initialiser()
    model, target_active = "ae", None
