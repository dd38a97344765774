"""Trained models as files for other programs: ONNX, PyTorch's own export, the Hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sparsevae.errors import ConfigurationError
from sparsevae.runs.export import programs
from sparsevae.runs.export.modules import input_type
from sparsevae.runs.folder import versions
from sparsevae.storage.files import make_folder, replacing, write_json

if TYPE_CHECKING:
    from sparsevae.runs.trained import TrainedModel

__all__ = ["FORMATS", "Format", "require", "write_programs"]


@dataclass(frozen=True)
class Format:
    """How programs are written, and run again to be checked."""

    ending: str
    write: Any
    run: Any
    packages: tuple[str, ...] = ()


FORMATS = {
    "onnx": Format(
        ".onnx",
        programs.write_onnx,
        programs.run_onnx,
        ("onnx", "onnxscript", "onnxruntime"),
    ),
    "torch": Format(".pt2", programs.write_torch, programs.run_torch),
}


def require(packages: Sequence[str], what: str) -> None:
    """Raise :class:`ConfigurationError` unless optional packages are installed.

    Args:
        packages: names of modules.
        what: needs them, as the sentence begins.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise ConfigurationError(
            f"{what} needs {', '.join(missing)}, which is not installed: "
            f"pip install {' '.join(missing)}."
        )


def write_programs(
    trained: "TrainedModel", folder: Path | str, format: str = "onnx"
) -> list[Path]:
    """Write encoder, posterior and decoder as programs that need nothing of this library.

    The encoder takes raw rows, any number of them, and gives deterministic codes; the posterior
    gives the gates γ and slabs μ behind them, shape ``(rows, 2, latents)``; the decoder takes
    codes and gives mean rows in the data's units. All are run again from the file and
    compared with the model. ``export.json`` beside them says what they take and give.

    Args:
        trained: the model, with the units of its data.
        folder: where to write to.
        format: a key of :data:`FORMATS`.

    Returns:
        The files.

    Raises:
        ConfigurationError: an unknown format, or a package is missing.
        RunFolderError: a file differs from the model.
        OutputError: the folder cannot be written to.
    """
    if format not in FORMATS:
        raise ConfigurationError(f"A format is one of {', '.join(FORMATS)}, not {format!r}.")
    form, folder = FORMATS[format], Path(folder)
    require(form.packages, f"The format {format!r}")
    make_folder(folder)
    differences, files = {}, []
    for program in programs.programs(trained):
        target = folder / f"{program.name}{form.ending}"
        with replacing(target) as temporary:
            form.write(program, temporary)
            differences[program.name] = program.check(form.run(program, temporary), target)
        files.append(target)
    description = {
        "run": trained.config.name,
        "format": format,
        "rows": {"shape": list(trained.model.shape), "dtype": input_type(trained.data.dtype)},
        "columns": list(trained.data.columns),
        "codes": {"latents": trained.model.latents, "dtype": "float32"},
        "largest_difference": differences,
        "versions": versions(),
    }
    write_json(folder / "export.json", description)
    return [*files, folder / "export.json"]
