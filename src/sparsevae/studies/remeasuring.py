"""Finished runs measured again from their weights: all of their numbers, or a tighter bound."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path

from sparsevae.data import Dataset
from sparsevae.errors import RunFolderError
from sparsevae.evaluation.baselines import write_baselines
from sparsevae.evaluation.bound import importance_columns
from sparsevae.evaluation.meter import Meter
from sparsevae.evaluation.one_pass import Pass
from sparsevae.metrics import keys
from sparsevae.report.study import BASELINES
from sparsevae.runs.folder import RunFolder, finished_runs, identity
from sparsevae.runs.train import Counting, keep_numbers, measuring_worth
from sparsevae.storage.files import locked
from sparsevae.studies.results import write_results
from sparsevae.studies.study import Listener
from sparsevae.studies.tasks import data_of
from sparsevae.training import loop


def measure_run(
    folder: RunFolder,
    dataset: Dataset,
    *,
    device: str = "auto",
    on_images: Callable[[int], None] = lambda images: None,
) -> None:
    """Measure a finished run again from its weights, with the present definitions.

    What training alone knows, its seconds and its kernel, stays; every other number, the pictures
    and the diagnostics are made anew, and replace the old ones when all are there.

    Args:
        folder: of a finished run.
        dataset: what the run was trained and measured on.
        device: see :func:`sparsevae.training.loop.device`.
        on_images: called with a number of images, all of them worth what
            :func:`sparsevae.runs.train.measuring_worth` says.

    Raises:
        RunFolderError: the run is not finished, keeps no weights, or is of other data.
    """
    _check_same_data(folder, dataset)
    trained, where = folder.metrics, loop.device(device)
    model = folder.load(where)
    known = identity(folder.config, model, [trained])
    share = Counting(on_images, measuring_worth(folder.config, dataset))
    keep_numbers(folder, model, dataset, {**known, keys.KERNEL: trained[keys.KERNEL]}, share)


def tighten_bound(
    folder: RunFolder,
    dataset: Dataset,
    *,
    samples: int,
    images: int,
    device: str = "auto",
    on_images: Callable[[int], None] = lambda images: None,
) -> None:
    """Measure the importance-weighted bound of a finished run again, with other numbers of draws.

    Args:
        folder: of a finished run with its weights.
        dataset: what the run was trained and measured on.
        samples: K, codes drawn for each image.
        images: how many of the first test images are taken.
        device: see :func:`sparsevae.training.loop.device`.
        on_images: called with a number of images as they are done.

    Raises:
        RunFolderError: the run is not finished, keeps no weights, or is of other data.
    """
    _check_same_data(folder, dataset)
    model = folder.load(loop.device(device))
    one = Pass.of(model, dataset, meter=Meter(Counting(on_images, min(images, len(dataset.test)))))
    one.meter.expect({"bound": 1.0})
    with one.meter.part("bound"):
        columns = importance_columns(one, samples=samples, images=images)
    folder.change_metrics(columns)


def _check_same_data(folder: RunFolder, dataset: Dataset) -> None:
    if folder.data_sha256 != dataset.sha256:
        raise RunFolderError(
            f"{folder.path} was trained on other data than {dataset.name} is here; measure it "
            "where its data are."
        )


def measure_again(folder: Path, listener: Listener, *, device: str = "auto") -> bool:
    """Measure the finished runs of a folder again, with the present definitions.

    Args:
        folder: of a study, whose baselines and tables are written again too; or of a run.
        listener: told which runs are done.
        device: see :func:`sparsevae.training.loop.device`.

    Returns:
        Whether it is a study, whose report is out of date now.

    Raises:
        RunFolderError: a run keeps no weights, or its data are not those it was trained on;
            without weights no run is measured.
    """
    runs = _with_weights(folder)
    is_study = runs[0].path != folder
    with locked(folder) if is_study else nullcontext():
        listener.begin({run.path.name: measuring_worth(run.config, _data(run)) for run in runs})
        for run in runs:
            on_images = partial(listener.images, run.path.name)
            measure_run(run, _data(run), device=device, on_images=on_images)
            listener.finished(run.path.name, run.metrics)
        if is_study:
            sizes = {run.config.latents for run in runs}
            write_baselines(_data(runs[-1]), sizes, folder / BASELINES, listener.say)
            write_results(folder, runs)
    return is_study


def tighten_bounds(
    folder: Path, listener: Listener, *, samples: int, images: int, device: str = "auto"
) -> bool:
    """Measure the importance-weighted bound of finished runs with other numbers of draws.

    A run that has been measured with these numbers is not measured again.

    Args:
        folder: of a study, whose tables are written again too; or of a run.
        listener: told how far it is.
        samples: K, codes drawn for each image.
        images: how many of the first test images are taken.
        device: see :func:`sparsevae.training.loop.device`.

    Returns:
        Whether it is a study, whose report is out of date now.

    Raises:
        RunFolderError: as :func:`measure_again`.
    """
    runs = _with_weights(folder)
    counts = {run.path.name: min(images, len(_data(run).test)) for run in runs}
    loose = [run for run in runs if not _is_bounded(run, samples, counts[run.path.name])]
    is_study = runs[0].path != folder
    with locked(folder) if is_study else nullcontext():
        listener.begin({run.path.name: counts[run.path.name] for run in loose})
        for run in loose:
            on_images = partial(listener.images, run.path.name)
            numbers = {"samples": samples, "images": images}
            tighten_bound(run, _data(run), **numbers, device=device, on_images=on_images)
            listener.finished(run.path.name, run.metrics)
        if is_study:
            write_results(folder, runs)
    return is_study


def _with_weights(folder: Path) -> list[RunFolder]:
    """The finished runs of a folder, when all of them can be loaded."""
    runs = finished_runs(folder)
    for run in runs:
        run.load()
    return runs


def _data(run: RunFolder) -> Dataset:
    return data_of(run.config.dataset, run.config.split, run.config.limit)


def _is_bounded(run: RunFolder, samples: int, images: int) -> bool:
    """Whether a run has no such bound, or has it with these numbers."""
    metrics = run.metrics
    known = metrics.get(keys.IMPORTANCE_SAMPLES), metrics.get(keys.IMPORTANCE_IMAGES)
    return metrics.get(keys.IMPORTANCE_WEIGHTED_BOUND) is None or known == (samples, images)
