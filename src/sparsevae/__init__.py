"""Train, measure, see and use sparse latent codes.

The public names are loaded when they are first used, so that ``import sparsevae`` is quick:

* :func:`fit` trains a model in memory, :func:`load` takes one from a run folder;
* :func:`encode` gives its codes, :func:`evaluate` measures it;
* :class:`RunFolder` is a run on disk, :class:`OpenRun` one in use on raw data;
* :func:`export_run` writes ONNX; :func:`push_to_hub`, :func:`from_pretrained` and
  :func:`save_pretrained` are the Hugging Face Hub's;
* :class:`VariationalSparseCoder`, :class:`VariationalCoder` and :class:`DeterministicCoder` are
  scikit-learn estimators;
* the modules :mod:`datasets`, :mod:`figures`, :mod:`files`, :mod:`metrics`, :mod:`models`,
  :mod:`plots`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sparsevae import datasets, figures, files, metrics, models, plots
    from sparsevae.errors import SparseVAEError
    from sparsevae.estimator import (
        DeterministicCoder,
        VariationalCoder,
        VariationalSparseCoder,
    )
    from sparsevae.evaluation import evaluate
    from sparsevae.export import export_run
    from sparsevae.export.hub import from_pretrained, push_to_hub, save_pretrained
    from sparsevae.fitting import fit
    from sparsevae.measuring import encode
    from sparsevae.own_data import OpenRun
    from sparsevae.runs import RunFolder, load

__version__ = "0.1.0"

__all__ = [
    "DeterministicCoder",
    "OpenRun",
    "RunFolder",
    "SparseVAEError",
    "VariationalCoder",
    "VariationalSparseCoder",
    "datasets",
    "encode",
    "evaluate",
    "export_run",
    "figures",
    "files",
    "fit",
    "from_pretrained",
    "load",
    "metrics",
    "models",
    "plots",
    "push_to_hub",
    "save_pretrained",
]

_HOMES = {
    "DeterministicCoder": "estimator",
    "OpenRun": "own_data",
    "RunFolder": "runs",
    "SparseVAEError": "errors",
    "VariationalCoder": "estimator",
    "VariationalSparseCoder": "estimator",
    "encode": "measuring",
    "evaluate": "evaluation",
    "export_run": "export",
    "fit": "fitting",
    "from_pretrained": "export.hub",
    "load": "runs",
    "push_to_hub": "export.hub",
    "save_pretrained": "export.hub",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sparsevae' has no attribute {name!r}")
    if name in _HOMES:
        return getattr(import_module(f"sparsevae.{_HOMES[name]}"), name)
    return import_module(f"sparsevae.{name}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
