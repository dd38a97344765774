"""The run folder: everything later (figures, report, export) reads runs from here alone.

    config.json              resolved configuration, data checksum, versions
    checkpoint.safetensors   weights, optimiser, epoch and history; replaced after every epoch
    weights.safetensors      the trained model
    history.json             one row an epoch
    pictures.safetensors     the numbers behind the pictures
    metrics.json             one row of the table; written last, so it marks a finished run

Every file is written under another name and then renamed: none is ever half there.
"""

import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import safetensors
import torch
from safetensors.numpy import load_file as load_arrays
from safetensors.numpy import save_file as save_arrays
from safetensors.torch import save_file
from torch import Tensor

import sparsevae
from sparsevae.config import RunConfig
from sparsevae.errors import OutputError, RunFolderError
from sparsevae.models import Model, build

Arrays = dict[str, npt.NDArray[Any]]
Row = dict[str, Any]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A name to write to, renamed to ``path`` when the block ends well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    """Write JSON in one step; NaN is refused.

    Raises:
        OutputError: the folder is not writable or the disk is full.
    """
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write text in one step.

    Raises:
        OutputError: the folder is not writable or the disk is full.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file of a run or a study.

    Raises:
        RunFolderError: it is absent or damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RunFolderError(f"{path.parent} is not finished: it has no {path.name}.") from None
    except (OSError, ValueError):
        raise RunFolderError(f"{path} cannot be read; remove it and start again.") from None


def make_folder(path: Path) -> Path:
    """Create a folder and check that it can be written to.

    Raises:
        OutputError: it is a file, or is not writable.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".writable.{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError as error:
        why = "it is a file" if path.is_file() else error.strerror
        raise OutputError(f"Cannot write to the folder {path}: {why}.") from None
    return path


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    return {
        "sparsevae": sparsevae.__version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


@dataclass(frozen=True)
class RunFolder:
    """A run on disk.

    Args:
        path: the folder.
    """

    path: Path

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def finished(self) -> bool:
        """Whether the run's metrics are written, with or without its weights."""
        return (self.path / "metrics.json").is_file()

    @property
    def has_weights(self) -> bool:
        """Whether the trained model is there."""
        return (self.path / "weights.safetensors").is_file()

    @property
    def config(self) -> RunConfig:
        """The run's configuration."""
        return RunConfig.checked(read_json(self.path / "config.json")["config"])

    @property
    def data_sha256(self) -> str:
        """Checksum of the data the run was trained on."""
        return str(read_json(self.path / "config.json")["data_sha256"])

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image or vector."""
        return tuple(read_json(self.path / "config.json")["shape"])

    @property
    def metrics(self) -> Row:
        """The run's row of the table."""
        return dict(read_json(self.path / "metrics.json"))

    @property
    def history(self) -> list[Row]:
        """One row an epoch."""
        return list(read_json(self.path / "history.json"))

    @property
    def pictures(self) -> Arrays:
        """The numbers behind the pictures; empty where they were not kept."""
        path = self.path / "pictures.safetensors"
        return load_arrays(path) if path.is_file() else {}

    def start(self, config: RunConfig, data_sha256: str, shape: tuple[int, ...]) -> None:
        """Create the folder for a configuration, or check that it belongs to it.

        Raises:
            RunFolderError: the folder holds a run of another configuration or other data.
            OutputError: the folder cannot be written.
        """
        if (self.path / "config.json").is_file():
            self.check(config, data_sha256)
            return
        make_folder(self.path)
        content = {
            "config": config.model_dump(mode="json"),
            "data_sha256": data_sha256,
            "shape": list(shape),
            "versions": versions(),
        }
        write_json(self.path / "config.json", content)

    def matches(self, config: RunConfig, data_sha256: str) -> bool:
        """Whether the run has this configuration and data."""
        return self.data_sha256 == data_sha256 and self.config == config

    def check(self, config: RunConfig, data_sha256: str) -> None:
        """Raise :class:`RunFolderError` unless the run has this configuration and data."""
        found, wanted = self.config.model_dump(), config.model_dump()
        different = [
            f"{key} {found[key]!r}, not {wanted[key]!r}"
            for key in wanted
            if found[key] != wanted[key]
        ]
        if self.data_sha256 != data_sha256:
            different.append("other training data")
        if different:
            raise RunFolderError(
                f"{self.path} holds a run with {'; '.join(different)}: choose another output "
                "folder or remove that one."
            )

    def save_checkpoint(self, tensors: Mapping[str, Tensor], history: list[Row]) -> None:
        """Keep what is needed to go on after the last epoch in ``history``."""
        self._save("checkpoint.safetensors", tensors, {"history": json.dumps(history)})

    def load_checkpoint(self) -> tuple[dict[str, Tensor], list[Row]]:
        """Tensors and history of the last checkpoint; empty when there is none.

        Raises:
            RunFolderError: the file is damaged.
        """
        path = self.path / "checkpoint.safetensors"
        if not path.is_file():
            return {}, []
        tensors, metadata = read_tensors(path)
        return tensors, json.loads(metadata["history"])

    def save_weights(self, model: Model, history: list[Row]) -> None:
        """Keep the trained model and its history."""
        self._save("weights.safetensors", model.state_dict(), {})
        write_json(self.path / "history.json", history)

    def finish(self, metrics: Row, pictures: Arrays) -> None:
        """Keep the run's numbers; afterwards it counts as finished."""
        self.keep_pictures(pictures)
        write_json(self.path / "metrics.json", metrics)

    def keep_pictures(self, pictures: Arrays) -> None:
        """Keep the numbers behind the pictures, in place of those that are there."""
        arrays = {name: np.ascontiguousarray(array) for name, array in pictures.items()}
        with replacing(self.path / "pictures.safetensors") as temporary:
            save_arrays(arrays, temporary)

    def load(self, device: torch.device | str = "cpu") -> Model:
        """The trained model, in evaluation mode.

        Raises:
            RunFolderError: there is no trained model here, or its file is damaged.
        """
        config = self.config
        if not self.has_weights:
            raise RunFolderError(
                f"{self.path} keeps no weights: train the run again to use its model."
            )
        model = build(
            config.model,
            self.shape,
            config.latents,
            channels=config.channels,
            arguments=config.arguments,
        )
        tensors, _ = read_tensors(self.path / "weights.safetensors")
        try:
            model.load_state_dict(tensors)
        except RuntimeError:
            raise RunFolderError(
                f"The weights in {self.path} do not fit its config.json; train the run again."
            ) from None
        return model.eval().to(device)

    def _save(self, name: str, tensors: Mapping[str, Tensor], metadata: dict[str, str]) -> None:
        plain = {key: tensor.detach().cpu().contiguous() for key, tensor in tensors.items()}
        with replacing(self.path / name) as temporary:
            save_file(plain, temporary, metadata)


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises:
        RunFolderError: the file is damaged.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as opened:
            tensors = {
                name: opened.get_tensor(name)
                for name in opened.keys()  # noqa: SIM118 (not a mapping)
            }
            return tensors, dict(opened.metadata() or {})
    except (OSError, safetensors.SafetensorError):
        raise RunFolderError(f"{path} is damaged; remove it and start again.") from None


def load(path: Path | str, device: torch.device | str = "cpu") -> Model:
    """The trained model of a run folder, in evaluation mode.

    Raises:
        RunFolderError: the folder is missing, unfinished or damaged.
    """
    return RunFolder(Path(path)).load(device)
