"""Train one run: into its folder, from its last checkpoint if need be, or in memory."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from sparsevae.data import Dataset
from sparsevae.data.readers.raw import Channels
from sparsevae.data.scaling import Kind
from sparsevae.data.splits import shuffled
from sparsevae.evaluation import evaluate_dataset
from sparsevae.evaluation.baselines import own_baselines
from sparsevae.evaluation.classifier import file_of
from sparsevae.evaluation.denoising import can_denoise, rows_needed
from sparsevae.evaluation.imputation import ROWS, Imputer, can_impute
from sparsevae.evaluation.meter import Extent, images_worth
from sparsevae.evaluation.passes import mean_image
from sparsevae.models import Model
from sparsevae.models.likelihoods import Named
from sparsevae.networks import Trunk
from sparsevae.runs.folder import RunFolder, identity
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import Prepared, prepare
from sparsevae.runs.trained import TrainedModel
from sparsevae.runs.training import Progress, Training, rows_of, silent
from sparsevae.storage import cache
from sparsevae.storage.arrays import Row
from sparsevae.storage.leases import leased
from sparsevae.training import loop, processes, step, streams
from sparsevae.training.config import DataConfig, RunConfig
from sparsevae.training.watch import mean_image_score, warning

MEASURED = 10_000  # training rows that a model is measured with where they are not all held


def train_run(
    config: RunConfig,
    dataset: Dataset,
    folder: RunFolder,
    *,
    data: DataConfig | None = None,
    device: str = "auto",
    progress: Progress = silent,
    warn: Callable[[str], None] = lambda line: None,
    command: str = "",
) -> None:
    """Train, measure and keep one run, from its last checkpoint where there is one.

    Args:
        config: of the run.
        dataset: training images, and the images that the run is measured on.
        folder: where everything is kept.
        data: what is kept of data of the user's own; None for a named data set.
        device: see :func:`sparsevae.training.loop.device`.
        progress: called with a number of images as they are done; measuring counts as
            :func:`measuring_worth` images, see :func:`work_of`.
        warn: called with a line when an epoch shows collapse.
        command: see :func:`sparsevae.storage.leases.leased`.

    Raises:
        RunFolderError: the folder belongs to another configuration, or is damaged.
        OutputError: another process trains in it, or it is not writable.
    """
    where = loop.device(device)
    if not processes.first():
        _train_beside(config, dataset, folder, where)
        return
    with leased(folder.path, command, warn) as lease:
        folder, progress = RunFolder(folder.path, lease), lease.renewing(progress)
        folder.start(config, dataset.sha256, dataset.shape, data)
        images = rows_of(dataset.train)
        training = _taken_up(config, images, folder, where)
        history = training.history
        progress(len(history) * len(images) + training.middle.taken * config.batch_size)
        mean_score = mean_image_score(training.model, mean_image(dataset.train))

        def after_epoch() -> None:
            training.save(folder)
            if line := warning(history, config.epochs, training.model, mean_score):
                warn(line)

        training.go_on(
            images,
            progress=progress,
            after_epoch=after_epoch,
            between=lambda: training.save(folder),
            say=warn,
        )
        model = training.model
        folder.save_weights(model, history)
        if data is not None:
            folder.keep_baselines(own_baselines(in_memory(dataset), config.latents))
        known = identity(config, model, history)
        measuring = Counting(progress, measuring_worth(config, dataset))
        keep_numbers(folder, model.eval(), dataset, known, measuring)
        processes.meet()


def _train_beside(
    config: RunConfig, dataset: Dataset, folder: RunFolder, where: torch.device
) -> None:
    """Take part in a training whose first process writes, until that one has measured it."""
    images = rows_of(dataset.train)
    _taken_up(config, images, folder, where).go_on(images)
    processes.meet()


def _taken_up(
    config: RunConfig, images: step.Rows, folder: RunFolder, where: torch.device
) -> Training:
    """A training from the last checkpoint of its folder, the same one in every process."""
    processes.meet()
    training = Training.begin(config, images, where)
    training.restore(folder, images)
    processes.meet()
    return training


def keep_numbers(
    folder: RunFolder,
    model: Model,
    dataset: Dataset,
    known: Row,
    share: Callable[[float], None] = lambda share: None,
) -> None:
    """Measure a trained model, and only then write.

    Args:
        folder: of the run.
        model: in evaluation mode.
        dataset: what it was trained on and is measured on.
        known: columns that stand before those that are measured.
        share: called with the share of the work that is done.
    """
    kept = file_of(cache.folder() / "classifiers", dataset.sha256)
    evaluation = evaluate_dataset(model, in_memory(dataset), classifier_file=kept, progress=share)
    if evaluation.denoiser is not None:
        folder.keep_learned(evaluation.denoiser)
    if can_impute(model):
        some = dataset.train.take(range(min(ROWS, len(dataset.train))))
        folder.keep_learned(Imputer.learned(model, some.scaled()))
    if evaluation.diagnosis is not None:
        folder.keep_diagnosis({**evaluation.diagnosis.as_json(), "notes": [*evaluation.notes]})
    folder.finish({**known, **evaluation.metrics}, evaluation.arrays)


class Counting:
    """Shares of some work as numbers of images that add up to a whole.

    Args:
        progress: called with a number of images as they are done.
        images: the whole.
    """

    def __init__(self, progress: Progress, images: int) -> None:
        self.progress, self.images, self.told = progress, images, 0

    def __call__(self, share: float) -> None:
        """So much of the work is done, between 0 and 1."""
        now = round(share * self.images)
        self.progress(now - self.told)
        self.told = now


def measuring_worth(config: RunConfig, dataset: Dataset) -> int:
    """Images to train on that take as long as it takes to measure a run, roughly."""
    classes = 0 if dataset.train.labels is None else len(dataset.classes)
    sizes = len(dataset.test), len(dataset.train)
    return images_worth(Extent.of(*sizes, dataset.shape, config.latents, classes))


def work_of(config: RunConfig, dataset: Dataset) -> int:
    """Images that progress counts for a run: those trained on, and measuring in their unit."""
    return config.epochs * len(dataset.train) + measuring_worth(config, dataset)


def in_memory(dataset: Dataset) -> Dataset:
    """The data set, or where its scaled training rows are not held, with :data:`MEASURED` of them.

    They are a fixed sample, for the mean row and for probes to learn from.
    """
    train = dataset.train
    if 4 * train.images.size <= streams.RESIDENT:
        return dataset
    chosen = np.sort(shuffled(len(train), seed=0)[:MEASURED])
    return replace(dataset, train=train.take(chosen))


def train_prepared(
    prepared: Prepared,
    folder: RunFolder,
    *,
    device: str = "auto",
    progress: Progress = silent,
    warn: Callable[[str], None] = lambda line: None,
) -> TrainedModel:
    """Train a run on raw rows into its folder; one that is finished is left as it is.

    Args:
        prepared: of :func:`sparsevae.runs.prepare.prepare`.
        folder: of the run.
        device: see :func:`sparsevae.training.loop.device`.
        progress: called with a number of rows as they are done.
        warn: called with a line when an epoch shows collapse.

    Raises:
        RunFolderError: the folder belongs to another configuration or other data.
    """
    config, dataset, data = prepared.config, prepared.dataset, prepared.data
    if folder.finished:
        folder.start(config, dataset.sha256, dataset.shape, data)
    else:
        train_run(config, dataset, folder, data=data, device=device, progress=progress, warn=warn)
    return TrainedModel.load(folder.path, device)


def fit(
    rows: Any,
    model: str = "vsc",
    *,
    latents: int = 16,
    labels: Any = None,
    columns: Sequence[str] | None = None,
    drop: Sequence[str] = (),
    likelihood: Named = "auto",
    scaling: Kind | Literal["auto"] = "auto",
    widths: Sequence[int] | None = None,
    trunk: Trunk | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | Mapping[str, Any] | None = None,
    recipe: str | None = None,
    seed: int = 0,
    device: str = "auto",
    test_fraction: float = 0.0,
    channels: Channels | None = None,
    out: Path | str | None = None,
    progress: Progress = silent,
    **arguments: Any,
) -> TrainedModel:
    """Train a model on rows of one's own, by the protocol of ``sparsevae fit``.

    In memory a run, or an epoch, that is trained anew is told by a warning; ``out`` keeps a row of
    it in its history.

    Args:
        rows: raw rows, an array, a data frame or a tensor of shape ``(N, D)``, ``(N, H, W)``,
            ``(N, C, H, W)`` or ``(N, H, W, C)``. A data frame may hold text, dates, booleans and
            gaps; what cannot be used is named in one warning.
        model: a row of the table of models.
        latents: J.
        labels: one a row, or the name of a data frame's column; never trained on, they only
            describe codes in a run folder.
        columns: names or patterns (``"x*"``) of a data frame's columns; None takes all.
        drop: names or patterns of columns that are left out.
        likelihood: of the table of likelihoods; "auto" looks at the values.
        scaling: "none", "grey", "minmax", "standard", or "auto" after the likelihood.
        widths: of the trunk's layers; None follows
            :func:`sparsevae.training.defaults.protocol`, as the two next settings do.
        epochs: passes over the training rows; None takes about 1,500 steps.
        trunk: "convolution", "mlp" or "linear"; None chooses by the data.
        batch_size: rows a step.
        learning_rate: overrides the recipe's; a constant, or a schedule as JSON.
        recipe: of :data:`sparsevae.training.recipes.RECIPES`; None chooses by the data.
        seed: of weights, order and noise.
        device: see :func:`sparsevae.training.loop.device`.
        test_fraction: share of the rows that is held out, as ``sparsevae fit`` does; 0 for none.
        channels: whether images have their channels "first" or "last", where that is not plain.
        out: a run folder to write; trained into it, measured and resumed if stopped.
        progress: called with a number of rows as they are done.
        **arguments: arguments of the model's class, such as ``target_active=4``.

    Raises:
        ConfigurationError: a setting is unknown or out of its range.
        DatasetError: the rows are not what can be trained on.
        RunFolderError: ``out`` belongs to another run.

    Example:
        >>> rows = np.random.default_rng(0).normal(size=(60, 4))
        >>> fit(rows, latents=3, epochs=1, device="cpu").encode(rows).shape
        (60, 3)
    """
    where = loop.device(device)
    prepared = prepare(
        raw_rows(rows, labels, columns=columns, drop=drop, channels=channels),
        test_fraction=test_fraction,
        model=model,
        latents=latents,
        likelihood=likelihood,
        scaling=scaling,
        widths=widths,
        trunk=trunk,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        recipe=recipe,
        seed=seed,
        arguments=arguments,
    )
    with processes.joined(where):
        if out is not None:
            return train_prepared(prepared, RunFolder(out), device=device, progress=progress)
        images = rows_of(prepared.dataset.train)
        training = Training.begin(prepared.config, images, where)
        training.go_on(images, progress=progress, say=partial(warnings.warn, stacklevel=3))
    return trained_model(training, prepared)


def trained_model(training: Training, prepared: Prepared) -> TrainedModel:
    """A model in memory with the units of the data that it is trained on."""
    train, checksum = prepared.dataset.train, prepared.dataset.sha256
    trained = TrainedModel(
        training.model.eval(), prepared.config, prepared.data, training.history, checksum
    )
    restores = can_denoise(training.model) or can_impute(training.model)
    few = rows_needed(trained.model)
    return replace(trained, clean=np.array(train.images[:few])) if restores else trained
