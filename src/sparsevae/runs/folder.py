"""The run folder: everything later (figures, report, export) reads runs from here alone.

    config.json              resolved configuration, data checksum, versions
    checkpoint.safetensors   weights, optimiser, epoch and history; replaced after every epoch
    weights.safetensors      the trained model
    history.json             one row an epoch
    pictures.safetensors     the numbers behind the pictures
    diagnostics.json         signs of collapse in words, and the statistics they rest on
    metrics.json             one row of the table; written last, so it marks a finished run

Every file is written under another name and then renamed: none is ever half there.
"""

import json
import platform
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sparsevae._version import __version__
from sparsevae.data.scaling import GREY, GREY_LEVELS
from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.models import Model
from sparsevae.runs.weights import WEIGHTS, load_model
from sparsevae.storage.files import (
    make_folder,
    read_json,
    read_tensors,
    write_json,
    write_tensors,
)
from sparsevae.training.config import DataConfig, RunConfig

Arrays = dict[str, npt.NDArray[Any]]
Row = dict[str, Any]

KEPT = (
    *("config.json", "history.json", "diagnostics.json", "findings.json"),
    *("pictures.safetensors", "weights.safetensors", "metrics.json"),
)
"""Files of a finished run, in the order in which they are copied: metrics last."""
FORMER = {"rises": "ablation_cost"}  # names of arrays and statistics of earlier versions
FORMAT = 1  # of the folder; a change that older versions cannot read raises it


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    return {
        "sparsevae": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


@dataclass(frozen=True, init=False)
class RunFolder:
    """A run on disk.

    Args:
        path: the folder.
    """

    path: Path

    def __init__(self, path: Path | str) -> None:
        object.__setattr__(self, "path", Path(path))

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def finished(self) -> bool:
        """Whether the run's metrics are written, with or without its weights."""
        return (self.path / "metrics.json").is_file()

    @property
    def has_weights(self) -> bool:
        """Whether the trained model is there."""
        return (self.path / WEIGHTS).is_file()

    @property
    def config(self) -> RunConfig:
        """The run's configuration."""
        try:
            return RunConfig.checked(self._entry("config", dict))
        except ConfigurationError as error:
            raise RunFolderError(f"{self.path / 'config.json'} is damaged: {error}") from None

    @property
    def data_sha256(self) -> str:
        """Checksum of the data the run was trained on."""
        return str(self._entry("data_sha256", str))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image or vector."""
        found = self._entry("shape", list)
        if not all(type(length) is int and length > 0 for length in found):
            raise RunFolderError(f"{self.path / 'config.json'} has no proper 'shape'.")
        return tuple(found)

    @property
    def data(self) -> DataConfig:
        """What the run keeps of its data; a named data set has grey levels."""
        found = self._content().get("data")
        if found is None:
            return DataConfig(
                source=self.config.dataset, dtype="uint8", scaling=GREY, low=0, high=GREY_LEVELS
            )
        path = self.path / "config.json"
        try:
            data = DataConfig.checked(self._entry("data", dict))
        except ConfigurationError as error:
            raise RunFolderError(f"{path} is damaged: {error}") from None
        width = self.shape[0]
        if len(data.scaling.shift) not in (1, width) or len(data.columns) not in (0, width):
            raise RunFolderError(
                f"{path} is damaged: its scaling or its columns are not {width}, as its rows are."
            )
        return data

    @property
    def metrics(self) -> Row:
        """The run's row of the table."""
        return dict(read_json(self.path / "metrics.json"))

    @property
    def history(self) -> list[Row]:
        """One row an epoch."""
        return list(read_json(self.path / "history.json", list))

    @property
    def pictures(self) -> Arrays:
        """The numbers behind the pictures; empty where they were not kept."""
        path = self.path / "pictures.safetensors"
        tensors, _ = read_tensors(path) if path.is_file() else ({}, {})
        return {FORMER.get(name, name): tensor.numpy() for name, tensor in tensors.items()}

    @property
    def diagnosis(self) -> Row:
        """``findings`` and ``statistics`` of the diagnostics; empty where none were kept."""
        path = self.path / "diagnostics.json"
        path = path if path.is_file() else self.path / "findings.json"
        diagnosis = dict(read_json(path)) if path.is_file() else {}
        if diagnosis and not {"findings", "statistics"} <= set(diagnosis):
            raise RunFolderError(f"{path} is damaged; remove it to do without.")
        if diagnosis:
            numbers = diagnosis["statistics"].items()
            diagnosis["statistics"] = {FORMER.get(name, name): value for name, value in numbers}
        return diagnosis

    def start(
        self,
        config: RunConfig,
        data_sha256: str,
        shape: tuple[int, ...],
        data: DataConfig | None = None,
    ) -> None:
        """Create the folder for a configuration, or check that it belongs to it.

        Args:
            config: of the run.
            data_sha256: checksum of its data.
            shape: of one image or vector.
            data: what is kept of data of the user's own; None for a named data set.

        Raises:
            RunFolderError: the folder holds a run of another configuration or other data.
            OutputError: the folder cannot be written.
        """
        if (self.path / "config.json").is_file():
            self.check(config, data_sha256)
            return
        make_folder(self.path)
        content = {
            "format": FORMAT,
            "config": config.model_dump(mode="json"),
            "data_sha256": data_sha256,
            "shape": list(shape),
            "versions": versions(),
        }
        if data is not None:
            content["data"] = data.model_dump(mode="json")
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
        write_tensors(
            self.path / "checkpoint.safetensors", tensors, {"history": json.dumps(history)}
        )

    def load_checkpoint(self) -> tuple[dict[str, Tensor], list[Row]]:
        """Tensors and history of the last checkpoint; empty when there is none.

        Raises:
            RunFolderError: the file is damaged.
        """
        path = self.path / "checkpoint.safetensors"
        if not path.is_file():
            return {}, []
        tensors, metadata = read_tensors(path)
        try:
            return tensors, json.loads(metadata["history"])
        except (KeyError, ValueError):
            raise RunFolderError(f"{path} is damaged; remove it and start again.") from None

    def save_weights(self, model: Model, history: list[Row]) -> None:
        """Keep the trained model and its history."""
        write_tensors(self.path / WEIGHTS, model.state_dict(), {})
        write_json(self.path / "history.json", history)

    def finish(self, metrics: Row, pictures: Arrays) -> None:
        """Keep the run's numbers; afterwards it counts as finished."""
        self.keep_pictures(pictures)
        write_json(self.path / "metrics.json", metrics)

    def change_metrics(self, columns: Row) -> None:
        """Put some of the run's numbers in place of those that are there."""
        write_json(self.path / "metrics.json", {**self.metrics, **columns})

    def keep_pictures(self, pictures: Arrays) -> None:
        """Keep the numbers behind the pictures, in place of those that are there."""
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in pictures.items()}
        write_tensors(self.path / "pictures.safetensors", tensors, {})

    def keep_diagnosis(self, diagnosis: Row) -> None:
        """Keep the diagnostics, in place of what is there."""
        write_json(self.path / "diagnostics.json", diagnosis)

    def load(self, device: torch.device | str = "cpu") -> Model:
        """The trained model, in evaluation mode.

        Raises:
            RunFolderError: there is no trained model here, or its file is damaged.
        """
        return load_model(self.path, self.config, self.shape).to(device)

    def _content(self) -> Row:
        """What config.json holds, if this version can read it."""
        path = self.path / "config.json"
        found = dict(read_json(path))
        if found.get("format", FORMAT) != FORMAT:
            raise RunFolderError(
                f"{path} has the format {found['format']!r} and this version of sparsevae reads "
                f"{FORMAT}; update the package."
            )
        return found

    def _entry(self, name: str, kind: type) -> Any:
        path = self.path / "config.json"
        found = self._content().get(name)
        if not isinstance(found, kind):
            raise RunFolderError(f"{path} has no proper {name!r}; remove it and start again.")
        return found


def load(path: Path | str, device: torch.device | str = "cpu") -> Model:
    """The trained model of a run folder, in evaluation mode.

    Raises:
        RunFolderError: the folder is missing, unfinished or damaged.
    """
    return RunFolder(path).load(device)


def finished_runs(folder: Path) -> list[RunFolder]:
    """Finished runs of a study's folder, in the order of their names; of a run folder, itself.

    Raises:
        RunFolderError: there is none.
    """
    paths = [folder, *sorted((folder / "runs").glob("*"))]
    finished = [run for run in map(RunFolder, paths) if run.path.is_dir() and run.finished]
    if not finished:
        raise RunFolderError(f"{folder} holds no finished runs; name the folder of a study.")
    return finished
