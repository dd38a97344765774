"""MLflow: a server, or whatever else its tracking address names.

A run is found by a tag with its key, and the server itself says which epochs it has, so an
answer that was lost on the way makes nothing appear twice.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, ViewType
from mlflow.exceptions import MlflowException

from sparsevae._version import __version__
from sparsevae.errors import ConfigurationError
from sparsevae.storage.arrays import Row
from sparsevae.studies.trackers import TrackedRun, numbers

ADDRESS, EXPERIMENT = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
RETRIES = "MLFLOW_HTTP_REQUEST_MAX_RETRIES"
KEY = "sparsevae.key"  # the tag
PASSING = {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "REQUEST_LIMIT_EXCEEDED"}
LONGEST_PARAMETER = 500  # characters that every version of the server takes
AT_ONCE = 100  # parameters of one request


class Tracker:
    """Sends to an MLflow server.

    Args:
        place: its address; ``MLFLOW_TRACKING_URI`` when empty.
        folder: of the study, whose name the experiment has unless ``MLFLOW_EXPERIMENT_NAME``
            gives another.

    Raises:
        ConfigurationError: no address is given.
    """

    def __init__(self, place: str, folder: Path) -> None:
        address = place or os.environ.get(ADDRESS, "")
        if not address:
            raise ConfigurationError(
                f"The tracker mlflow has no address: set {ADDRESS}, or write "
                "mlflow=http://host:5000."
            )
        # The client's own retries take minutes, and whoever calls this tries again anyway.
        os.environ.setdefault(RETRIES, "1")
        self.client = MlflowClient(address)
        self.experiment = os.environ.get(EXPERIMENT) or folder.resolve().name
        self.ids: dict[str, str] = {}

    def started(self, run: TrackedRun) -> int:
        """Find or create the run; see :class:`sparsevae.studies.trackers.Tracker`."""
        with _reaching():
            experiment = self._experiment_id()
            found = self.client.search_runs(
                [experiment], f"tags.`{KEY}` = '{run.key}'", ViewType.ACTIVE_ONLY, 1
            )
            if found:
                self.ids[run.key] = found[0].info.run_id
                self.client.update_run(self.ids[run.key], status="RUNNING")
                return self._epochs(self.ids[run.key])
            tags = {KEY: run.key, "sparsevae.study": run.study, "sparsevae.version": __version__}
            began = round(1000 * run.began)
            created = self.client.create_run(experiment, began, tags, run.name)
            self.ids[run.key] = created.info.run_id
            return 0

    def epoch(self, run: TrackedRun, row: Row, when: float) -> None:
        """Send one epoch as one request, and the settings with the first."""
        if row["epoch"] == 1:
            self._send_settings(run)
        values = {f"train/{name}": value for name, value in numbers(row).items()}
        self._send(run, values, when, row["epoch"])

    def finished(self, run: TrackedRun) -> None:
        """Send the final numbers and pictures, and mark the run as finished."""
        config, key = run.folder.config, self.ids[run.key]
        end = run.began + sum(row["seconds"] for row in run.folder.history)
        results = {f"final/{name}": value for name, value in run.results.items()}
        self._send(run, results, end, config.epochs)
        with _reaching():
            for path in run.pictures:
                self.client.log_artifact(key, str(path), "figures")
            self.client.set_terminated(key, "FINISHED", round(1000 * end))

    def closed(self) -> None:
        """Nothing is left: every request was waited for."""

    def _experiment_id(self) -> str:
        known = self.client.get_experiment_by_name(self.experiment)
        if known is not None:
            return str(known.experiment_id)
        return str(self.client.create_experiment(self.experiment))

    def _epochs(self, run_id: str) -> int:
        history = self.client.get_metric_history(run_id, "train/epoch")
        return max((metric.step for metric in history), default=0)

    def _send_settings(self, run: TrackedRun) -> None:
        settings = [
            Param(name, str(value)[:LONGEST_PARAMETER]) for name, value in run.settings.items()
        ]
        with _reaching():
            for first in range(0, len(settings), AT_ONCE):
                chosen = settings[first : first + AT_ONCE]
                self.client.log_batch(self.ids[run.key], params=chosen)

    def _send(self, run: TrackedRun, values: dict[str, float], when: float, step: int) -> None:
        stamp = round(1000 * when)
        metrics = [Metric(name, value, stamp, step) for name, value in values.items()]
        with _reaching():
            self.client.log_batch(self.ids[run.key], metrics=metrics)


@contextmanager
def _reaching() -> Iterator[None]:
    """A server that does not answer raises :class:`ConnectionError`."""
    try:
        yield
    except MlflowException as error:
        if error.error_code in PASSING:
            raise ConnectionError(str(error)) from error
        raise
