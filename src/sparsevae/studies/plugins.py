"""Files and modules of the user's own that add rows to the tables, such as models.

They are named by whoever starts a command; a run folder never names one.
"""

import hashlib
import sys
from collections.abc import Iterable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from sparsevae.errors import ConfigurationError


def import_plugins(plugins: Iterable[str]) -> None:
    """Import each once in this process.

    Args:
        plugins: paths that end in ``.py``, or names of modules.

    Raises:
        ConfigurationError: there is no such file or module, or it cannot be imported.
    """
    for plugin in plugins:
        try:
            if plugin.endswith(".py"):
                _import_file(Path(plugin).resolve())
            else:
                import_module(plugin)
        except Exception as error:
            raise ConfigurationError(
                f"The plugin {plugin} cannot be imported: {type(error).__name__}: {error}."
            ) from error


def _import_file(path: Path) -> None:
    name = f"sparsevae_plugin_{path.stem}_{hashlib.sha256(bytes(path)).hexdigest()[:8]}"
    if name in sys.modules:
        return
    spec = spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(str(path))
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
