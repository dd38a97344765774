"""Train, measure, see and use sparse latent codes.

The public names are loaded when they are first used, so that ``import sparsevae`` is quick:

* :func:`fit` trains a model in memory, :func:`load` takes one from a run folder;
* :func:`encode` gives its codes, :func:`evaluate` measures it;
* :class:`RunFolder` is a run on disk;
* :class:`VariationalSparseCoder`, :class:`VariationalCoder` and :class:`DeterministicCoder` are
  scikit-learn estimators;
* the modules :mod:`datasets`, :mod:`figures`, :mod:`metrics`, :mod:`models`, :mod:`plots`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsevae import datasets, figures, metrics, models, plots
    from sparsevae.errors import SparseVAEError
    from sparsevae.estimator import (
        DeterministicCoder,
        VariationalCoder,
        VariationalSparseCoder,
    )
    from sparsevae.evaluation import evaluate
    from sparsevae.fitting import fit
    from sparsevae.measuring import encode
    from sparsevae.runs import RunFolder, load

__version__ = "0.1.0"

__all__ = [
    "DeterministicCoder",
    "RunFolder",
    "SparseVAEError",
    "VariationalCoder",
    "VariationalSparseCoder",
    "datasets",
    "encode",
    "evaluate",
    "figures",
    "fit",
    "load",
    "metrics",
    "models",
    "plots",
]

_HOMES = {
    "DeterministicCoder": "estimator",
    "RunFolder": "runs",
    "SparseVAEError": "errors",
    "VariationalCoder": "estimator",
    "VariationalSparseCoder": "estimator",
    "encode": "measuring",
    "evaluate": "evaluation",
    "fit": "fitting",
    "load": "runs",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sparsevae' has no attribute {name!r}")
    if name in _HOMES:
        return getattr(import_module(f"sparsevae.{_HOMES[name]}"), name)
    return import_module(f"sparsevae.{name}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
