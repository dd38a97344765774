"""The work of a study as values: a run, and what is reached without a model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from sparsevae import data
from sparsevae.evaluation.baselines import write_baselines
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.files import read_json
from sparsevae.studies.engines import Task
from sparsevae.training.config import RunConfig, StudyConfig


@dataclass(frozen=True)
class RunTask(Task):
    """One run to be trained and measured.

    Attributes:
        config: of the run.
        folder: its run folder.
        device: where it trains.
        size: images to train on, and measuring in the same unit.
        command: on whose behalf, see :func:`sparsevae.storage.leases.leased`.
    """

    config: RunConfig
    folder: Path
    device: str
    size: int
    command: str = ""

    @property
    def on_gpu(self) -> bool:
        """Whether it is told to train on a CUDA device."""
        return self.device.startswith("cuda")

    @classmethod
    def of(
        cls,
        config: RunConfig,
        folder: Path,
        device: str,
        dataset: data.Dataset,
        plugins: Sequence[str] = (),
        command: str = "",
    ) -> "RunTask":
        """The task of a run on a data set.

        Raises:
            RunFolderError: the folder holds a run of another configuration or other data.
        """
        check_folder(folder, config, dataset.sha256)
        from sparsevae.runs.train import work_of

        size = work_of(config, dataset)
        return cls(folder.name, tuple(plugins), config, folder, device, size, command)

    def do(self, on_images: Callable[[int], None], on_warning: Callable[[str], None]) -> None:
        """Train and measure the run, from its last checkpoint where there is one."""
        from sparsevae.runs.train import train_run

        config = self.config
        dataset = data_of(config.dataset, config.split, config.limit)
        train_run(
            config,
            dataset,
            RunFolder(self.folder),
            device=self.device,
            progress=on_images,
            warn=on_warning,
            command=self.command,
        )


@dataclass(frozen=True)
class BaselinesTask(Task):
    """What is reached without a model, measured where it is not known yet.

    Attributes:
        config: of the study.
        path: the file.
    """

    config: StudyConfig
    path: Path

    def do(self, on_images: Callable[[int], None], on_warning: Callable[[str], None]) -> None:
        """Measure what is missing in the file."""
        config = self.config
        dataset = data_of(str(config.dataset), config.split, config.limit)
        write_baselines(dataset, config.latents, self.path, on_warning)


@lru_cache(maxsize=1)
def data_of(dataset: str, split: str, limit: int | None) -> data.Dataset:
    """The images that a run trains on and is measured on.

    Args:
        dataset: a name that :func:`sparsevae.data.load` knows.
        split: "validation" holds part of the training data out and measures on that.
        limit: only the first so many images of training and of test data.
    """
    whole = data.load(dataset, limit=limit)
    return data.holdout(whole) if split == "validation" else whole


def check_folder(folder: Path, config: RunConfig, data_sha256: str) -> None:
    """Check that a folder is empty, or of this configuration and data; equal ones are quick.

    Raises:
        RunFolderError: it holds a run of another configuration or other data.
    """
    path = folder / "config.json"
    if not path.exists():
        return
    kept = read_json(path)
    same = kept.get("config") == config.model_dump(mode="json")
    if not (same and kept.get("data_sha256") == data_sha256):
        RunFolder(folder).check(config, data_sha256)
