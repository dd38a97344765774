"""One trial: a run that may be stopped, and says why in its folder."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsevae.errors import ConfigurationError
from sparsevae.metrics import keys
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.arrays import Row
from sparsevae.storage.files import read_json, write_json
from sparsevae.studies.tasks import RunTask, data_of
from sparsevae.studies.trackers.queue import history_of

STOPPED = "stopped.json"
HALF = 0.5  # of its epochs, after which a trial is compared with others

TERMS = {
    keys.NEGATIVE_ELBO: ("reconstruction", "kl"),
    keys.RECONSTRUCTION: ("reconstruction",),
    keys.MSE: ("reconstruction",),
}
"""What stands for a number while a run trains: terms of its history, lower is better."""


class StopTrialError(Exception):
    """Ends the training of a trial; the checkpoint stays."""


@dataclass(frozen=True)
class TrialTask(RunTask):
    """A run that ends early where it is not worth its time.

    Attributes:
        objective: what stands for it while it trains, see :data:`TERMS`; none is compared if "".
        bar: what must be reached after half of the epochs; None for no bar.
        alarms: whether a sign of collapse stops it.
    """

    objective: str = ""
    bar: float | None = None
    alarms: bool = False

    def do(self, on_images: Callable[[int], None], on_warning: Callable[[str], None]) -> None:
        """Train and measure the run, unless it is or was stopped."""
        folder = RunFolder(self.folder)
        if stopped(folder):
            return
        images = len(data_of(self.config.dataset, self.config.split, self.config.limit).train)
        done, half = 0, half_of(self.config.epochs)

        def count(more: int) -> None:
            nonlocal done
            passed = done <= half * images < done + more  # so the half is in a checkpoint
            done += more
            on_images(more)
            if passed and self.bar is not None:
                self._compare(history_of(folder), half)

        def warn(line: str) -> None:
            on_warning(line)
            if self.alarms:
                raise StopTrialError(line)

        try:
            super().do(count, warn)
        except (StopTrialError, ConfigurationError) as error:
            stop(self.folder, str(error))

    def _compare(self, history: list[Row], half: int) -> None:
        value = after_half(history, half, self.objective)
        if value is not None and self.bar is not None and value > self.bar:
            raise StopTrialError(
                f"After epoch {half} it had {value:.5g}, the median of the trials before "
                f"{self.bar:.5g} (training rows)."
            )


def half_of(epochs: int) -> int:
    """The epoch after which a trial is compared."""
    return max(1, round(HALF * epochs))


def after_half(history: list[Row], half: int, objective: str) -> float | None:
    """What stands for an objective after an epoch; None where nothing does."""
    if objective not in TERMS or len(history) < half:
        return None
    return float(sum(history[half - 1][term] for term in TERMS[objective]))


def stop(folder: Path, reason: str) -> None:
    """Keep in a trial's folder why it does not come to its end."""
    write_json(folder / STOPPED, {"reason": reason})


def stopped(folder: RunFolder) -> str:
    """Why a trial was stopped; empty where it was not."""
    path = Path(folder.path) / STOPPED
    content: dict[str, Any] = read_json(path) if path.is_file() else {}
    return str(content.get("reason", ""))
