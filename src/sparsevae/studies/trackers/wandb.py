"""Weights & Biases, or a server that speaks like it; ``WANDB_MODE=offline`` keeps files only."""

import os
from pathlib import Path
from typing import Any

import wandb

from sparsevae.errors import ConfigurationError
from sparsevae.storage.arrays import Row
from sparsevae.studies.trackers import TrackedRun, numbers

MODE, PROJECT, FOLDER = "WANDB_MODE", "WANDB_PROJECT", "WANDB_DIR"
OFFLINE = ("offline", "disabled", "dryrun")


class Tracker:
    """Sends to W&B by its own client, which has a process of its own.

    Args:
        place: name of the project; ``WANDB_PROJECT`` or ``sparsevae`` when empty.
        folder: of the study, where the client's files lie unless ``WANDB_DIR`` says where.

    Raises:
        ConfigurationError: nobody is logged in, and the client is not to stay offline.
    """

    def __init__(self, place: str, folder: Path) -> None:
        if os.environ.get(MODE) not in OFFLINE and not wandb.login(prompt=False):
            raise ConfigurationError(
                f"The tracker wandb is not logged in: run 'wandb login', or set {MODE}=offline."
            )
        self.project = place or os.environ.get(PROJECT) or "sparsevae"
        self.folder = Path(os.environ.get(FOLDER) or folder)
        self.runs: dict[str, Any] = {}

    def started(self, run: TrackedRun) -> int | None:
        """Begin or take up the run; see :class:`sparsevae.studies.trackers.Tracker`."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.runs[run.key] = wandb.init(
            project=self.project,
            id=run.key,
            name=run.name,
            group=run.study,
            config=run.settings,
            dir=str(self.folder),
            resume="allow",
            reinit="create_new",
            settings=wandb.Settings(silent=True, console="off"),
        )
        return None

    def epoch(self, run: TrackedRun, row: Row, when: float) -> None:
        """Hand one epoch to the client; its step is the number of the epoch."""
        values = {f"train/{name}": value for name, value in numbers(row).items()}
        self.runs[run.key].log({**values, "_timestamp": when}, step=row["epoch"])

    def finished(self, run: TrackedRun) -> None:
        """Hand over the final numbers and pictures, and wait for the client."""
        one = self.runs.pop(run.key)
        one.summary.update({f"final/{name}": value for name, value in run.results.items()})
        pictures = {path.stem: wandb.Image(str(path)) for path in run.pictures}
        if pictures:
            one.log(pictures, step=run.folder.config.epochs)
        one.finish()

    def closed(self) -> None:
        """Wait for the client to write what it has of runs that are not finished."""
        for one in self.runs.values():
            one.finish()
