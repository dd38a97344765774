"""The run folder: everything later (figures, report, export) reads runs from here alone.

    config.json              resolved configuration, data checksum, versions
    checkpoint.safetensors   weights, optimiser, epoch and history; replaced after every epoch
    weights.safetensors      the trained model
    history.json             one row an epoch
    pictures.safetensors     the numbers behind the pictures
    denoiser.safetensors     what residuals of noisy rows are like, for models that denoise
    imputer.safetensors      what residuals of hidden elements are like, of tables with gaps
    baselines.json           errors of PCA and of the mean row, of data of the user's own
    diagnostics.json         signs of collapse in words, and the statistics they rest on
    metrics.json             one row of the table; written last, so it marks a finished run

Every file is written under another name, then renamed: none is ever half there.
"""

import json
import platform
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from sparsevae._version import __version__
from sparsevae.data.scaling import GREY, GREY_LEVELS
from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.evaluation.denoising import Denoiser
from sparsevae.evaluation.imputation import Imputer
from sparsevae.metrics import keys
from sparsevae.models import Model
from sparsevae.networks import kernels
from sparsevae.runs.weights import WEIGHTS, load_model
from sparsevae.storage.arrays import Array, Row
from sparsevae.storage.files import (
    make_folder,
    read_json,
    read_tensors,
    replacing,
    write_json,
    write_tensors,
)
from sparsevae.storage.leases import Lease
from sparsevae.training.config import Checked, DataConfig, RunConfig

Arrays = dict[str, Array]
C = TypeVar("C", bound=Checked)
L = TypeVar("L")

FORMAT = 1  # of the folder; a change that older versions cannot read raises it
METRICS, HISTORY, PICTURES = "metrics.json", "history.json", "pictures.safetensors"
DIAGNOSTICS, BASELINES = "diagnostics.json", "baselines.json"
KEPT = (
    "config.json",
    HISTORY,
    DIAGNOSTICS,
    PICTURES,
    Denoiser.file,
    Imputer.file,
    BASELINES,
    WEIGHTS,
    METRICS,
)
"""Files of a finished run, in the order in which they are copied: metrics last."""


def versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    return {
        "sparsevae": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }


def identity(config: RunConfig, model: Model, history: list[Row]) -> Row:
    """The columns of the table that say which run it was."""
    columns = ("dataset", "split", "model", "latents", "seed", "recipe", "epochs")
    where = next(model.parameters()).device
    return {
        **{name: getattr(config, name) for name in columns},
        "prior": model.prior.name,
        "alpha": model.target_share,
        keys.TARGET_ACTIVE: model.target_active,
        "parameters": sum(model.parameter_counts().values()),
        "kernel": kernels.kernel_name(where.type),
        "seconds": sum(row["seconds"] for row in history),
    }


@dataclass(frozen=True, init=False)
class RunFolder:
    """A run on disk. What it says is read once, when it is first asked for.

    Args:
        path: the folder.
        lease: is looked at before every write, where there is one.
    """

    path: Path
    lease: Lease | None = field(compare=False, repr=False)

    def __init__(self, path: PathLike[str] | str, lease: Lease | None = None) -> None:
        object.__setattr__(self, "path", Path(path))
        object.__setattr__(self, "lease", lease)

    def __fspath__(self) -> str:
        return str(self.path)

    @property
    def finished(self) -> bool:
        """Whether the run's metrics are written, with or without its weights."""
        return (self.path / METRICS).is_file()

    @property
    def has_weights(self) -> bool:
        """Whether the trained model is there."""
        return (self.path / WEIGHTS).is_file()

    @cached_property
    def config(self) -> RunConfig:
        """The run's configuration."""
        return self._checked("config", RunConfig)

    @property
    def data_sha256(self) -> str:
        """Checksum of the data the run was trained on."""
        return str(self._entry("data_sha256", str))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one image or vector.

        Raises:
            RunFolderError: the configuration holds no proper shape.
        """
        lengths = self._entry("shape", list)
        if not all(type(length) is int and length > 0 for length in lengths):
            raise RunFolderError(f"{self.path / 'config.json'} has no proper 'shape'.")
        return tuple(lengths)

    @cached_property
    def data(self) -> DataConfig:
        """What the run keeps of its data; a named data set has grey levels."""
        if self._content.get("data") is None:
            return DataConfig(
                source=self.config.dataset, dtype="uint8", scaling=GREY, low=0, high=GREY_LEVELS
            )
        data, width = self._checked("data", DataConfig), self.shape[0]
        if len(data.scaling.shift) not in (1, width) or len(data.columns) not in (0, width):
            raise RunFolderError(
                f"{self.path / 'config.json'} is damaged: its scaling or its columns are not "
                f"{width}, as its rows are."
            )
        return data

    @cached_property
    def metrics(self) -> Row:
        """The run's row of the table."""
        return dict(read_json(self.path / METRICS))

    @cached_property
    def history(self) -> list[Row]:
        """One row an epoch."""
        return list(read_json(self.path / HISTORY, list))

    @cached_property
    def pictures(self) -> Arrays:
        """The numbers behind the pictures; empty where they were not kept."""
        path = self.path / PICTURES
        tensors, _ = read_tensors(path) if path.is_file() else ({}, {})
        return {name: tensor.numpy() for name, tensor in tensors.items()}

    @cached_property
    def baselines(self) -> Row:
        """What :func:`sparsevae.evaluation.baselines.own_baselines` gave; empty if not kept."""
        path = self.path / BASELINES
        return dict(read_json(path)) if path.is_file() else {}

    @cached_property
    def diagnosis(self) -> Row:
        """``findings`` and ``statistics`` of the diagnostics; empty where none were kept."""
        path = self.path / DIAGNOSTICS
        diagnosis = dict(read_json(path)) if path.is_file() else {}
        if diagnosis and not {"findings", "statistics"} <= set(diagnosis):
            raise RunFolderError(f"{path} is damaged; remove it to do without.")
        return diagnosis

    @cached_property
    def denoiser(self) -> Denoiser | None:
        """What was learned of the residuals of noisy rows; None where that was not kept."""
        return self._learned(Denoiser.file, lambda tensors: Denoiser.of(tensors, self.shape))

    @cached_property
    def imputer(self) -> Imputer | None:
        """What was learned of residuals of hidden elements; None where that was not kept."""
        return self._learned(Imputer.file, lambda tensors: Imputer.of(tensors, self.shape[0]))

    def _learned(self, name: str, of: Callable[[dict[str, Tensor]], L]) -> L | None:
        """Residuals from a file; :class:`RunFolderError` where it is damaged."""
        path = self.path / name
        if not path.is_file():
            return None
        try:
            return of(read_tensors(path)[0])
        except (LookupError, ValueError):
            raise RunFolderError(f"{path} is damaged; remove it to do without.") from None

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
        self._keep("config.json", write_json, content)

    def matches(self, config: RunConfig, data_sha256: str) -> bool:
        """Whether the run has this configuration and data."""
        return self.data_sha256 == data_sha256 and self.config == config

    def check(self, config: RunConfig, data_sha256: str) -> None:
        """Raise :class:`RunFolderError` unless the run has this configuration and data."""
        held, wanted = self.config.model_dump(), config.model_dump()
        different = [
            f"{key} {held[key]!r}, not {wanted[key]!r}"
            for key in wanted
            if held[key] != wanted[key]
        ]
        if self.data_sha256 != data_sha256:
            different.append("other training data")
        if different:
            raise RunFolderError(
                f"{self.path} holds a run with {'; '.join(different)}: choose another output "
                "folder or remove that one."
            )

    def save_checkpoint(self, tensors: Mapping[str, Tensor], history: list[Row]) -> None:
        """Keep what is needed to go on after the last epoch in ``history``.

        Args:
            tensors: weights and states of the optimiser by name, of any shapes.
            history: one row an epoch.
        """
        metadata = {"history": json.dumps(history)}
        self._keep("checkpoint.safetensors", write_tensors, tensors, metadata)

    def load_checkpoint(self) -> tuple[dict[str, Tensor], list[Row]]:
        """Tensors, of any shapes, and history of the last checkpoint; empty when there is none.

        Raises:
            RunFolderError: the file is damaged.
        """
        if not (path := self.path / "checkpoint.safetensors").is_file():
            return {}, []
        tensors, metadata = read_tensors(path)
        try:
            return tensors, json.loads(metadata["history"])
        except (KeyError, ValueError):
            raise RunFolderError(f"{path} is damaged; remove it and start again.") from None

    def save_weights(self, model: Model, history: list[Row]) -> None:
        """Keep the trained model and its history."""
        self._keep(WEIGHTS, write_tensors, model.state_dict(), {})
        self._keep(HISTORY, write_json, history)

    def finish(self, metrics: Row, pictures: Arrays | None = None) -> None:
        """Keep the run's numbers, and pictures where it has some; then it counts as finished.

        Args:
            metrics: numbers by key.
            pictures: arrays of any shapes by name.
        """
        if pictures is not None:
            self.keep_pictures(pictures)
        self._keep(METRICS, write_json, metrics)

    def change_metrics(self, columns: Row) -> None:
        """Put some of the run's numbers in place of those that are there."""
        self._keep(METRICS, write_json, {**self.metrics, **columns})

    def keep_pictures(self, pictures: Arrays) -> None:
        """Keep the numbers behind the pictures, arrays of any shapes, in place of those there."""
        tensors = {name: torch.from_numpy(np.array(array)) for name, array in pictures.items()}
        self._keep(PICTURES, write_tensors, tensors, {})

    def keep_learned(self, learned: Denoiser | Imputer) -> None:
        """Keep what was learned of residuals, in place of what is there."""
        self._keep(learned.file, write_tensors, learned.tensors(), {})

    def keep_baselines(self, baselines: Row) -> None:
        """Keep what is reached without a model, in place of what is there."""
        self._keep(BASELINES, write_json, baselines)

    def keep_diagnosis(self, diagnosis: Row) -> None:
        """Keep what the diagnostics say, in place of what is there."""
        self._keep(DIAGNOSTICS, write_json, diagnosis)

    def load(self, device: torch.device | str = "cpu") -> Model:
        """The trained network, in evaluation mode; it takes scaled rows.

        Raises:
            RunFolderError: there is no trained model here, or its file is damaged.
        """
        return load_model(self.path, self.config, self.shape).to(device)

    def copy_to(self, folder: Path | str) -> "RunFolder":
        """Copy what a finished run needs to be used, its metrics last.

        Raises:
            OutputError: the folder cannot be written to.
        """
        target = RunFolder(folder)
        make_folder(target.path)
        if target.path.resolve() == self.path.resolve():
            return target
        for name in KEPT:
            if (self.path / name).is_file():
                with replacing(target.path / name) as temporary:
                    shutil.copyfile(self.path / name, temporary)
        return target

    def _keep(self, name: str, write: Callable[..., None], *content: Any) -> None:
        """Write a file, and forget what was read."""
        if self.lease is not None:
            self.lease.check()
        write(self.path / name, *content)
        for read in set(vars(self)) - {"path", "lease"}:
            del vars(self)[read]

    @cached_property
    def _content(self) -> Row:
        """What config.json holds, if this version can read it."""
        path = self.path / "config.json"
        content = dict(read_json(path))
        if content.get("format", FORMAT) != FORMAT:
            raise RunFolderError(
                f"{path} has the format {content['format']!r} and this version of sparsevae reads "
                f"{FORMAT}; update the package."
            )
        return content

    def _entry(self, name: str, kind: type) -> Any:
        entry = self._content.get(name)
        if not isinstance(entry, kind):
            raise RunFolderError(
                f"{self.path / 'config.json'} has no proper {name!r}; remove it and start again."
            )
        return entry

    def _checked(self, name: str, kind: type[C]) -> C:
        try:
            return kind.checked(self._entry(name, dict))
        except ConfigurationError as error:
            raise RunFolderError(f"{self.path / 'config.json'} is damaged: {error}") from None


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
