"""Train, measure, see and use sparse latent codes.

The public names are loaded when they are first used, so that ``import sparsevae`` is quick:

* :func:`fit` trains a model on rows of your own, :func:`load` takes one from a run folder: both
  give a :class:`TrainedModel`, which encodes, decodes, samples, measures, saves and exports;
* :func:`evaluate` measures a network; :class:`RunFolder` is a run on disk;
* :class:`SparseVAE` is a scikit-learn estimator; :class:`VariationalSparseCoder`,
  :class:`VariationalCoder` and :class:`DeterministicCoder` are its former names;
* :func:`push_to_hub`, :func:`from_pretrained` and
  :func:`save_pretrained` are the Hugging Face Hub's;
* the modules :mod:`data`, :mod:`figures`, :mod:`metrics`, :mod:`models` and :mod:`plots`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sparsevae._version import __version__ as __version__

if TYPE_CHECKING:
    from sparsevae import data, metrics, models
    from sparsevae.errors import SparseVAEError
    from sparsevae.estimators import (
        DeterministicCoder,
        SparseVAE,
        VariationalCoder,
        VariationalSparseCoder,
    )
    from sparsevae.evaluation import evaluate
    from sparsevae.report import figures, plots
    from sparsevae.runs.export.hub import from_pretrained, push_to_hub, save_pretrained
    from sparsevae.runs.folder import RunFolder
    from sparsevae.runs.loading import load
    from sparsevae.runs.train import fit
    from sparsevae.runs.trained import TrainedModel
    from sparsevae.studies.study import study

__all__ = [
    "DeterministicCoder",
    "RunFolder",
    "SparseVAE",
    "SparseVAEError",
    "TrainedModel",
    "VariationalCoder",
    "VariationalSparseCoder",
    "data",
    "evaluate",
    "figures",
    "fit",
    "from_pretrained",
    "load",
    "metrics",
    "models",
    "plots",
    "push_to_hub",
    "save_pretrained",
    "study",
]

_MODULES = {"figures": "report.figures", "plots": "report.plots"}
_HOMES = {
    "errors": ("SparseVAEError",),
    "estimators": (
        "DeterministicCoder",
        "SparseVAE",
        "VariationalCoder",
        "VariationalSparseCoder",
    ),
    "evaluation": ("evaluate",),
    "runs.export.hub": ("from_pretrained", "push_to_hub", "save_pretrained"),
    "runs.folder": ("RunFolder",),
    "runs.train": ("fit",),
    "runs.loading": ("load",),
    "runs.trained": ("TrainedModel",),
    "studies.study": ("study",),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sparsevae' has no attribute {name!r}")
    for home, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"sparsevae.{home}"), name)
    return import_module(f"sparsevae.{_MODULES.get(name, name)}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
