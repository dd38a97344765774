"""Finished runs measured again from their weights: all of their numbers, or a tighter bound."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from sparsevae.data import Dataset
from sparsevae.errors import RunFolderError
from sparsevae.evaluation.baselines import write_references
from sparsevae.evaluation.bound import Progress, measure_bound
from sparsevae.evaluation.passes import unit
from sparsevae.runs.folder import RunFolder, identity
from sparsevae.runs.train import keep_numbers, silent
from sparsevae.studies.engines import data_of
from sparsevae.studies.results import finished_runs, write_report
from sparsevae.studies.study import Listener
from sparsevae.training import loop


def measure_run(folder: RunFolder, dataset: Dataset, *, device: str = "auto") -> None:
    """Measure a finished run again from its weights, with the present definitions.

    What training alone knows, its seconds and its kernel, stays; every other number, the pictures
    and the findings are made anew, and replace the old ones when all are there.

    Args:
        folder: of a finished run.
        dataset: what the run was trained and measured on.
        device: see :func:`sparsevae.training.loop.device`.

    Raises:
        RunFolderError: the run is not finished, keeps no weights, or is of other data.
    """
    _check_same_data(folder, dataset)
    trained, where = folder.metrics, loop.device(device)
    model = folder.load(where)
    known = identity(folder.config, model, [trained])
    keep_numbers(folder, model, dataset, {**known, "kernel": trained["kernel"]})


def tighten_bound(
    folder: RunFolder,
    dataset: Dataset,
    *,
    samples: int,
    images: int,
    device: str = "auto",
    progress: Progress = silent,
) -> None:
    """Measure the importance-weighted bound of a finished run again, with other numbers of draws.

    Args:
        folder: of a finished run with its weights.
        dataset: what the run was trained and measured on.
        samples: K, codes drawn for each image.
        images: how many of the first test images are taken.
        device: see :func:`sparsevae.training.loop.device`.
        progress: called with a number of images as they are done.

    Raises:
        RunFolderError: the run is not finished, keeps no weights, or is of other data.
    """
    _check_same_data(folder, dataset)
    model = folder.load(loop.device(device))
    x = unit(dataset.test)
    folder.change_metrics(
        measure_bound(model, x, samples=samples, images=images, progress=progress)
    )


def _check_same_data(folder: RunFolder, dataset: Dataset) -> None:
    if folder.data_sha256 != dataset.sha256:
        raise RunFolderError(
            f"{folder.path} was trained on other data than {dataset.name} is here; measure it "
            "where its data are."
        )


def measure_again(folder: Path, listener: Listener, *, device: str = "auto") -> None:
    """Measure the finished runs of a folder again, with the present definitions.

    Args:
        folder: of a study, whose references and report are written again too; or of a run.
        listener: told which runs are done.
        device: see :func:`sparsevae.training.loop.device`.

    Raises:
        RunFolderError: a run keeps no weights, or its data are not those it was trained on;
            without weights no run is measured.
    """
    runs = _with_weights(folder)
    for run in runs:
        dataset = _data(run)
        measure_run(run, dataset, device=device)
        listener.finished(run.config.name, run.metrics)
    if runs[0].path != folder:
        sizes = {run.config.latents for run in runs}
        write_references(dataset, sizes, folder / "references.json", listener.say)
        write_report(folder)


def tighten_bounds(
    folder: Path, listener: Listener, *, samples: int, images: int, device: str = "auto"
) -> None:
    """Measure the importance-weighted bound of finished runs with other numbers of draws.

    A run that has been measured with these numbers is not measured again.

    Args:
        folder: of a study, whose report is written again too; or of a run.
        listener: told how far it is.
        samples: K, codes drawn for each image.
        images: how many of the first test images are taken.
        device: see :func:`sparsevae.training.loop.device`.

    Raises:
        RunFolderError: as :func:`measure_again`.
    """
    runs, wanted, sizes = _with_weights(folder), [], {}
    for run in runs:
        dataset = _data(run)
        count = min(images, len(dataset.test))
        if not _bounded(run.metrics, samples, count):
            wanted.append((run, dataset))
            sizes[run.path.name] = count
    listener.begin(sizes)
    for run, dataset in wanted:
        told = partial(listener.progress, run.path.name)
        numbers = {"samples": samples, "images": images}
        tighten_bound(run, dataset, **numbers, device=device, progress=told)
        listener.finished(run.path.name, run.metrics)
    if runs[0].path != folder:
        write_report(folder)


def _with_weights(folder: Path) -> list[RunFolder]:
    """The finished runs of a folder, when all of them can be loaded."""
    runs = finished_runs(folder)
    for run in runs:
        run.load()
    return runs


def _data(run: RunFolder) -> Dataset:
    config = run.config
    return data_of(config.dataset, config.split, config.limit)


def _bounded(metrics: Mapping[str, Any], samples: int, images: int) -> bool:
    """Whether a run has no such bound, or has it with these numbers."""
    if metrics.get("importance_weighted_bound") is None:
        return True
    known = metrics["importance_samples"], metrics["importance_images"]
    return known == (samples, images)
