"""Runs as files for other programs: ONNX, PyTorch's own export, the Hugging Face Hub."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sparsevae.errors import ConfigurationError
from sparsevae.runs.export import programs
from sparsevae.runs.export.modules import input_type
from sparsevae.runs.folder import RunFolder, versions
from sparsevae.runs.trained import OpenRun
from sparsevae.storage.files import make_folder, replacing, write_json

__all__ = ["FORMATS", "Format", "export_run", "require"]


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


def export_run(path: Path | str, folder: Path | str, kind: str = "onnx") -> list[Path]:
    """Write a run's encoder, posterior and decoder as programs that need nothing of this library.

    The encoder takes raw rows, any number of them, and gives deterministic codes; the posterior
    gives the gates γ and slabs μ behind them, shape ``(rows, 2, latents)``; the decoder takes
    codes and gives mean rows in the data's units. All are run again from the file and
    compared with the model. ``export.json`` beside them says what they take and give.

    Args:
        path: a finished run folder.
        folder: where to write to.
        kind: a key of :data:`FORMATS`.

    Returns:
        The files.

    Raises:
        ConfigurationError: an unknown format, or a package is missing.
        RunFolderError: there is no trained model, or a file differs from it.
        OutputError: the folder cannot be written to.
    """
    if kind not in FORMATS:
        raise ConfigurationError(f"A format is one of {', '.join(FORMATS)}, not {kind!r}.")
    form, folder = FORMATS[kind], Path(folder)
    require(form.packages, f"The format {kind!r}")
    opened = OpenRun.open(path)
    make_folder(folder)
    differences, files = {}, []
    for program in programs.programs(opened):
        target = folder / f"{program.name}{form.ending}"
        with replacing(target) as temporary:
            form.write(program, temporary)
            differences[program.name] = program.check(form.run(program, temporary), target)
        files.append(target)
    write_json(folder / "export.json", _description(opened, kind, differences))
    return [*files, folder / "export.json"]


def _description(opened: OpenRun, kind: str, differences: dict[str, float]) -> dict[str, Any]:
    """What the programs take and give, and how far they are from the model."""
    config, data = RunFolder(opened.path).config, opened.data
    return {
        "run": config.name,
        "format": kind,
        "rows": {"shape": list(opened.model.shape), "dtype": input_type(data.dtype)},
        "columns": list(data.columns),
        "codes": {"latents": opened.model.latents, "dtype": "float32"},
        "largest_difference": differences,
        "versions": versions(),
    }
