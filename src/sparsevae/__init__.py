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

from sparsevae._version import __version__ as __version__

if TYPE_CHECKING:
    from sparsevae import data, metrics, models
    from sparsevae.errors import SparseVAEError
    from sparsevae.estimators import DeterministicCoder, VariationalCoder, VariationalSparseCoder
    from sparsevae.evaluation import evaluate
    from sparsevae.evaluation.passes import encode
    from sparsevae.report import figures, plots
    from sparsevae.runs.export import export_run
    from sparsevae.runs.export.hub import from_pretrained, push_to_hub, save_pretrained
    from sparsevae.runs.folder import RunFolder, load
    from sparsevae.runs.train import fit
    from sparsevae.runs.trained import OpenRun


__all__ = [
    "DeterministicCoder",
    "OpenRun",
    "RunFolder",
    "SparseVAEError",
    "VariationalCoder",
    "VariationalSparseCoder",
    "data",
    "encode",
    "evaluate",
    "export_run",
    "figures",
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
    "DeterministicCoder": "estimators",
    "OpenRun": "runs.trained",
    "RunFolder": "runs.folder",
    "SparseVAEError": "errors",
    "VariationalCoder": "estimators",
    "VariationalSparseCoder": "estimators",
    "encode": "evaluation.passes",
    "evaluate": "evaluation",
    "export_run": "runs.export",
    "figures": "report",
    "fit": "runs.train",
    "from_pretrained": "runs.export.hub",
    "load": "runs.folder",
    "plots": "report",
    "push_to_hub": "runs.export.hub",
    "save_pretrained": "runs.export.hub",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'sparsevae' has no attribute {name!r}")
    if name in _HOMES:
        home = f"sparsevae.{_HOMES[name]}"
        if name in ("figures", "plots"):
            return import_module(f"{home}.{name}")
        return getattr(import_module(home), name)
    return import_module(f"sparsevae.{name}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
