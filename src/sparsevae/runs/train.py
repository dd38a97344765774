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
from sparsevae.evaluation.passes import mean_image
from sparsevae.models import Model
from sparsevae.models.likelihoods import Named
from sparsevae.models.schedules import Schedule, from_json
from sparsevae.networks import Trunk
from sparsevae.runs.folder import RunFolder, identity
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import Prepared, prepare
from sparsevae.runs.trained import TrainedModel
from sparsevae.runs.weights import build_model
from sparsevae.storage import cache
from sparsevae.storage.arrays import Row
from sparsevae.storage.files import locked
from sparsevae.training import loop, step, streams
from sparsevae.training.config import DataConfig, RunConfig
from sparsevae.training.watch import mean_image_score, warning

EXAMPLES = 1000  # training images that a prior may start its pseudo-inputs from
PAUSE = 120.0  # seconds between checkpoints in a long epoch
MEASURED = 10_000  # training rows that a model is measured with where they are not all held
CODES = 2**24  # numbers of the codes that a model is measured on: 4,096 rows of 4,096 dimensions
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

    Scaled rows above :data:`sparsevae.training.streams.RESIDENT` bytes are left where they are,
    in files perhaps, and read and scaled window by window; the numbers are the same.
    """
    images = split.images
    if split.scaling is None:
        return torch.from_numpy(images[:])
    if 4 * images.size > streams.RESIDENT:
        return streams.StreamedRows(images, split.scaling)
    return torch.from_numpy(split.scaled())


@dataclass
class Training:
    """A model between two epochs: with its optimiser and history it can go on.

    Attributes:
        config: of the run.
        model: on its device.
        optimiser: with its moments.
        history: one row an epoch that is done.
        middle: where the epoch after those stands, if it was begun.
    """

    config: RunConfig
    model: Model
    optimiser: torch.optim.Optimizer
    history: list[Row] = field(default_factory=list)
    middle: loop.Pause = field(default_factory=loop.Pause)

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
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Train to the end of the run; torch's own generators are left as they are.

        Args:
            images: N training images, shape ``(N, *shape)``.
            until: passes in all; the run's own number when None.
            learning_rate: in place of the run's.
            progress: called with a number of images as they are done.
            after_epoch: called when an epoch is in the history.
            between: called every two minutes in the middle of an epoch.
        """
        config, until = self.config, until or self.config.epochs

        def pause(middle: loop.Pause) -> None:
            self.middle = middle
            between()

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
                middle=self.middle,
                on_batch=progress,
                on_pause=pause,
                pause_after=PAUSE,
            ):
                self.middle = loop.Pause()
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
        if not tensors:
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
        middle = _part(tensors, "middle/")
        if middle:
            taken, seconds = int(middle.pop("taken")), float(middle.pop("seconds"))
            self.middle = loop.Pause(taken, middle, seconds)

    def save(self, folder: RunFolder) -> None:
        """Write a checkpoint."""
        weights = {f"model/{name}": tensor for name, tensor in self.model.state_dict().items()}
        moments = loop.optimiser_tensors(self.optimiser)
        tensors = {f"optimiser/{name}": tensor for name, tensor in moments.items()}
        if self.middle.taken:
            numbers = {"taken": self.middle.taken, "seconds": self.middle.seconds}
            tensors |= {f"middle/{name}": torch.tensor(n) for name, n in numbers.items()}
            tensors |= {f"middle/{name}": t for name, t in self.middle.tensors.items()}
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
) -> None:
    """Train, measure and keep one run, from its last checkpoint where there is one.

    Args:
        config: of the run.
        dataset: training images, and the images that the run is measured on.
        folder: where everything is kept.
        data: what is kept of data of the user's own; None for a named data set.
        device: see :func:`sparsevae.training.loop.device`.
        progress: called with a number of images as they are done.
        warn: called with a line when an epoch shows collapse.

    Raises:
        RunFolderError: the folder belongs to another configuration, or is damaged.
        OutputError: another process trains in it, or it is not writable.
    """
    where = loop.device(device)
    with locked(folder.path):
        folder.start(config, dataset.sha256, dataset.shape, data)
        images = rows_of(dataset.train)
        training = Training.begin(config, images, where)
        training.restore(folder)
        model, history = training.model, training.history
        progress(len(history) * len(images) + training.middle.taken * config.batch_size)
        mean_score = mean_image_score(model, mean_image(dataset.train))

        def after_epoch() -> None:
            training.save(folder)
            if line := warning(history, config.epochs, model, mean_score):
                warn(line)

        training.go_on(
            images,
            progress=progress,
            after_epoch=after_epoch,
            between=lambda: training.save(folder),
        )
        folder.save_weights(model, history)
        keep_numbers(folder, model.eval(), dataset, identity(config, model, history))


def keep_numbers(folder: RunFolder, model: Model, dataset: Dataset, known: Row) -> None:
    """Measure a trained model, and only then write.

    Args:
        folder: of the run.
        model: in evaluation mode.
        dataset: what it was trained on and is measured on.
        known: columns that stand before those that are measured.
    """
    kept = file_of(cache.folder() / "classifiers", dataset.sha256)
    measured = in_memory(dataset, model.latents)
    evaluation = evaluate_dataset(model, measured, classifier_file=kept)
    if evaluation.diagnosis is not None:
        folder.keep_diagnosis(evaluation.diagnosis.as_json())
    folder.finish({**known, **evaluation.metrics}, evaluation.arrays)


def in_memory(dataset: Dataset, latents: int = 1) -> Dataset:
    """The data set, or where it is too large to measure a model on, a fixed sample of it.

    Training rows are needed for the mean row and for probes to learn from: where they are not
    held, :data:`MEASURED` of them. Rows to measure on are so many that their codes have
    :data:`CODES` numbers, training rows sixteen times as many.

    Args:
        dataset: training rows, and rows to measure on.
        latents: J.
    """
    train, test, most = dataset.train, dataset.test, max(1, CODES // latents)
    held = 4 * train.images.size <= streams.RESIDENT
    parts = _sample(train, 16 * most if held else min(most, MEASURED)), _sample(test, most)
    if parts == (train, test):
        return dataset
    return replace(dataset, train=parts[0], test=parts[1])


def _sample(split: Split, most: int) -> Split:
    """A fixed sample of so many rows at most, in their order."""
    if len(split) <= most:
        return split
    return split.take(np.sort(shuffled(len(split), seed=0)[:most]))


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

    Args:
        rows: raw rows, an array, a data frame or a tensor of shape ``(N, D)``, ``(N, H, W)``,
            ``(N, C, H, W)`` or ``(N, H, W, C)``.
        model: a row of the table of models.
        latents: J.
        labels: one a row; never trained on, they only describe codes in a run folder.
        likelihood: of the table of likelihoods; "auto" looks at the values.
        scaling: "none", "grey", "minmax", "standard", or "auto" after the likelihood.
        widths: of the trunk's layers; None takes (64,) for vectors, (16, 32, 256) for images.
        trunk: "convolution", "mlp" or "linear"; None chooses by the data.
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
    """
    where = loop.device(device)
    prepared = prepare(
        raw_rows(rows, labels, channels=channels),
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
