"""Train one run: into its folder, from its last checkpoint if need be, or in memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from sparsevae.data import Dataset, Split
from sparsevae.data.readers.raw import Channels
from sparsevae.data.scaling import Kind
from sparsevae.data.splits import shuffled
from sparsevae.errors import RunFolderError
from sparsevae.evaluation import evaluate_dataset
from sparsevae.evaluation.classifier import file_of
from sparsevae.evaluation.meter import Extent, images_worth
from sparsevae.evaluation.passes import mean_image
from sparsevae.models import Model
from sparsevae.models.likelihoods import Named
from sparsevae.models.schedules import Schedule, from_json
from sparsevae.runs.folder import RunFolder, identity
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import Prepared, prepare
from sparsevae.runs.trained import TrainedModel
from sparsevae.runs.weights import build_model
from sparsevae.storage import cache
from sparsevae.storage.arrays import Row
from sparsevae.storage.leases import leased
from sparsevae.storage.sparse import is_sparse
from sparsevae.training import loop, step
from sparsevae.training.config import DataConfig, RunConfig
from sparsevae.training.watch import mean_image_score, warning

EXAMPLES = 1000  # training images that a prior may start its pseudo-inputs from
RESIDENT = 2**30  # bytes of scaled rows that are held; more are scaled batch by batch
MEASURED = 10_000  # training rows that a model is measured with where they are not all held
Progress = Callable[[int], None]


def silent(images: int) -> None:
    """Progress that nobody looks at."""


def new_model(config: RunConfig, images: step.Rows) -> Model:
    """An untrained model, weights and pseudo-inputs drawn from the run's seed.

    Args:
        config: of the run.
        images: N training images, shape ``(N, *shape)``.
    """
    with torch.random.fork_rng():
        loop.seed_epoch(config.seed, -1)
        chosen = torch.randperm(len(images))[:EXAMPLES]
        examples = step.unit_interval(images.index_select(0, chosen))
        return build_model(config, tuple(images.shape[1:]), examples)


def rows_of(split: Split) -> step.Rows:
    """What the loop draws batches from: grey levels as they are, other data scaled.

    Scaled rows above :data:`RESIDENT` bytes are left where they are, in a file perhaps, and
    scaled batch by batch, and so are those of a sparse matrix; the numbers are the same.
    """
    images = split.images
    if split.scaling is None:
        return torch.from_numpy(images[:])
    if 4 * images.size > RESIDENT or is_sparse(images):
        return step.MappedRows(images, split.scaling)
    return torch.from_numpy(split.scaled())


@dataclass
class Training:
    """A model between two epochs: with its optimiser and history it can go on.

    Attributes:
        config: of the run.
        model: on its device.
        optimiser: with its moments.
        history: one row an epoch that is done.
    """

    config: RunConfig
    model: Model
    optimiser: torch.optim.Optimizer
    history: list[Row] = field(default_factory=list)

    @classmethod
    def begin(cls, config: RunConfig, images: step.Rows, where: torch.device) -> "Training":
        """A new model of a configuration, nothing trained."""
        model = new_model(config, images).to(where)
        return cls(config, model, step.make_optimiser(model))

    def go_on(
        self,
        images: step.Rows,
        *,
        until: int | None = None,
        learning_rate: Schedule | None = None,
        progress: Progress = silent,
        after_epoch: Callable[[], None] = lambda: None,
    ) -> None:
        """Train to the end of the run; torch's own generators are left as they are.

        Args:
            images: N training images, shape ``(N, *shape)``.
            until: passes in all; the run's own number when None.
            learning_rate: in place of the run's.
            progress: called with a number of images as they are done.
            after_epoch: called when an epoch is in the history.
        """
        config, until = self.config, until or self.config.epochs
        where = next(self.model.parameters()).device
        with torch.random.fork_rng():
            for row in loop.train(
                self.model,
                self.optimiser,
                images.to(where) if isinstance(images, Tensor) else images,
                epochs=max(config.epochs, until),
                batch_size=config.batch_size,
                learning_rate=learning_rate or from_json(config.learning_rate),
                seed=config.seed,
                precision=config.precision,
                start=len(self.history),
                on_batch=progress,
            ):
                self.history.append(row)
                after_epoch()
                if len(self.history) == until:
                    break

    def restore(self, folder: RunFolder) -> None:
        """Take up the last checkpoint of a folder, where there is one.

        Raises:
            RunFolderError: it is damaged, or of another configuration.
        """
        tensors, history = folder.load_checkpoint()
        if not history:
            return
        try:
            self.model.load_state_dict(_part(tensors, "model/"))
            loop.restore_optimiser(self.optimiser, _part(tensors, "optimiser/"))
        except (RuntimeError, LookupError, ValueError):
            raise RunFolderError(
                f"The checkpoint in {folder.path} does not fit its config.json; remove the folder "
                "and start again."
            ) from None
        self.history = history

    def save(self, folder: RunFolder) -> None:
        """Write a checkpoint."""
        weights = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        moments = loop.optimiser_tensors(self.optimiser)
        tensors = {f"optimiser/{name}": tensor for name, tensor in moments.items()}
        folder.save_checkpoint({**weights, **tensors}, self.history)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    chosen = {key: tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    return {key.removeprefix(prefix): tensor for key, tensor in chosen.items()}


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
    with leased(folder.path, command, warn) as lease:
        folder, progress = RunFolder(folder.path, lease), lease.renewing(progress)
        folder.start(config, dataset.sha256, dataset.shape, data)
        images = rows_of(dataset.train)
        training = Training.begin(config, images, where)
        training.restore(folder)
        model, history = training.model, training.history
        progress(len(history) * len(images))
        mean_score = mean_image_score(model, mean_image(dataset.train))

        def after_epoch() -> None:
            training.save(folder)
            if line := warning(history, config.epochs, model, mean_score):
                warn(line)

        training.go_on(images, progress=progress, after_epoch=after_epoch)
        folder.save_weights(model, history)
        known = identity(config, model, history)
        measuring = Counting(progress, measuring_worth(config, dataset))
        keep_numbers(folder, model.eval(), dataset, known, measuring)


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
    if 4 * train.images.size <= RESIDENT:
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
        widths: of the trunk's layers; None takes (64,) for vectors, (16, 32, 256) for images.
        epochs: passes over the training rows; None takes about 1,000 steps.
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
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        recipe=recipe,
        seed=seed,
        arguments=arguments,
    )
    if out is not None:
        return train_prepared(prepared, RunFolder(out), device=device, progress=progress)
    images = rows_of(prepared.dataset.train)
    training = Training.begin(prepared.config, images, where)
    training.go_on(images, progress=progress)
    return trained_model(training, prepared)


def trained_model(training: Training, prepared: Prepared) -> TrainedModel:
    """A model in memory with the units of the data that it is trained on."""
    config, checksum = prepared.config, prepared.dataset.sha256
    return TrainedModel(training.model.eval(), config, prepared.data, training.history, checksum)
