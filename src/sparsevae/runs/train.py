"""Train one run into its folder, or a model in memory; both through the same loop."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sparsevae.data import Dataset, Split
from sparsevae.data.scaling import values_of
from sparsevae.data.splits import shuffled
from sparsevae.errors import DatasetError, RunFolderError
from sparsevae.evaluation import evaluate_dataset
from sparsevae.evaluation.classifier import file_of
from sparsevae.evaluation.passes import mean_image
from sparsevae.models import Model, build
from sparsevae.models.likelihoods import Named, check_domain
from sparsevae.models.schedules import from_json
from sparsevae.networks import kernels
from sparsevae.runs.folder import RunFolder
from sparsevae.storage import cache
from sparsevae.training import loop, recipes, step
from sparsevae.training.config import DataConfig, RunConfig
from sparsevae.training.watch import mean_image_score, warning

EXAMPLES = 1000  # training images that a prior may start its pseudo-inputs from
RESIDENT = 2**30  # bytes of scaled rows that are held; more are scaled batch by batch
MEASURED = 10_000  # training rows that a model is measured with where they are not all held
Progress = Callable[[int], None]
Row = dict[str, Any]


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
        return build(
            config.model,
            tuple(images.shape[1:]),
            config.latents,
            widths=config.widths,
            trunk=config.trunk,
            arguments=config.arguments,
            examples=step.unit_interval(images.index_select(0, chosen)),
        )


def rows_of(split: Split) -> step.Rows:
    """What the loop draws batches from: grey levels as they are, other data scaled.

    Scaled rows above :data:`RESIDENT` bytes are left where they are, in a file perhaps, and
    scaled batch by batch; the numbers are the same.
    """
    images = split.images
    if split.scaling is None:
        return torch.from_numpy(images[:])
    if 4 * images.size > RESIDENT:
        return step.MappedRows(images, split.scaling)
    return torch.from_numpy(split.scaled())


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
    """
    where = loop.device(device)
    folder.start(config, dataset.sha256, dataset.shape, data)
    images = rows_of(dataset.train)
    model, optimiser, history = _restored(config, images, folder, where)
    progress(len(history) * len(images))
    mean_score = mean_image_score(model, mean_image(dataset.train))
    with torch.random.fork_rng():
        epochs = loop.train(
            model,
            optimiser,
            images.to(where) if isinstance(images, Tensor) else images,
            epochs=config.epochs,
            batch_size=config.batch_size,
            learning_rate=from_json(config.learning_rate),
            seed=config.seed,
            precision=config.precision,
            start=len(history),
            on_batch=progress,
        )
        for row in epochs:
            history.append(row)
            folder.save_checkpoint(_checkpoint(model, optimiser), history)
            if line := warning(history, config.epochs, model, mean_score):
                warn(line)
    folder.save_weights(model, history)
    keep_numbers(folder, model.eval(), dataset, identity(config, model, history, where))


def keep_numbers(folder: RunFolder, model: Model, dataset: Dataset, known: Row) -> None:
    """Measure a trained model, and only then write.

    Args:
        folder: of the run.
        model: in evaluation mode.
        dataset: what it was trained on and is measured on.
        known: columns that stand before those that are measured.
    """
    kept = file_of(cache.folder() / "classifiers", dataset.sha256)
    evaluation = evaluate_dataset(model, in_memory(dataset), classifier_file=kept)
    if evaluation.diagnosis is not None:
        folder.keep_diagnosis(evaluation.diagnosis.as_json())
    folder.finish({**known, **evaluation.metrics}, evaluation.arrays)


def in_memory(dataset: Dataset) -> Dataset:
    """The data set, or where its scaled training rows are not held, with :data:`MEASURED` of them.

    They are a fixed sample, for the mean row and for probes to learn from.
    """
    train = dataset.train
    if 4 * train.images.size <= RESIDENT:
        return dataset
    chosen = np.sort(shuffled(len(train), seed=0)[:MEASURED])
    return replace(dataset, train=train.take(chosen))


def _restored(
    config: RunConfig, images: step.Rows, folder: RunFolder, where: torch.device
) -> tuple[Model, torch.optim.Optimizer, list[dict[str, Any]]]:
    """The model and its optimiser as the last checkpoint left them, or new."""
    model = new_model(config, images).to(where)
    optimiser = step.make_optimiser(model)
    tensors, history = folder.load_checkpoint()
    if history:
        try:
            model.load_state_dict(_part(tensors, "model/"))
            loop.restore_optimiser(optimiser, _part(tensors, "optimiser/"))
        except (RuntimeError, LookupError, ValueError):
            raise RunFolderError(
                f"The checkpoint in {folder.path} does not fit its config.json; remove the folder "
                "and start again."
            ) from None
    return model, optimiser, history


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    found = {key: tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    return {key.removeprefix(prefix): tensor for key, tensor in found.items()}


def _checkpoint(model: Model, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    weights = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    moments = loop.optimiser_tensors(optimiser)
    return {**weights, **{f"optimiser/{name}": tensor for name, tensor in moments.items()}}


def identity(config: RunConfig, model: Model, history: list[Row], where: torch.device) -> Row:
    """The columns of the table that say which run it was."""
    columns = ("dataset", "split", "model", "latents", "seed", "recipe", "epochs")
    return {
        **{name: getattr(config, name) for name in columns},
        "prior": model.prior.name,
        "alpha": model.target_share,
        "parameters": sum(model.parameter_counts().values()),
        "kernel": kernels.kernel_name(where.type),
        "seconds": sum(row["seconds"] for row in history),
    }


def _given(images: npt.NDArray[Any], likelihood: Named) -> Tensor:
    """Images as a tensor, floats in single precision and where the likelihood is defined."""
    if len(images) == 0:
        raise DatasetError("There are no images to train on; give at least one.")
    if images.dtype == np.uint8:
        return torch.from_numpy(images[:])
    floats = images.astype(np.float32)
    check_domain(likelihood, values_of(floats))
    return torch.from_numpy(floats)


def fit(
    images: npt.NDArray[np.uint8] | npt.NDArray[np.floating],
    model: str = "vsc",
    *,
    latents: int = 64,
    epochs: int = 25,
    batch_size: int | None = None,
    seed: int = 0,
    recipe_name: str = "default",
    device: str = "auto",
    **arguments: Any,
) -> Model:
    """Train a model in memory.

    Args:
        images: uint8 grey levels, or floats where the likelihood is defined (in [0, 1] unless
            ``likelihood`` says otherwise), shape ``(N, C, H, W)`` or ``(N, D)``.
        model: a row of the table of models.
        latents: J.
        epochs: passes over the images.
        batch_size: images a step; None takes :func:`sparsevae.training.recipes.batch_size`.
        seed: of everything random.
        recipe_name: where the learning rate and the model's other arguments come from.
        device: see :func:`sparsevae.training.loop.device`.
        **arguments: arguments of the model's class, such as ``alpha=0.1``.

    Returns:
        The trained model, in evaluation mode.

    Raises:
        ConfigurationError: a setting is unknown or out of its range.
        DatasetError: there are no images, or values where the likelihood is not defined.
    """
    chosen = recipes.recipe(recipe_name)
    settings = {**chosen.arguments.get(model, {}), **arguments}
    config = RunConfig.checked(
        {
            "dataset": "given images",
            "model": model,
            "latents": latents,
            "seed": seed,
            "recipe": recipe_name,
            "epochs": epochs,
            "batch_size": recipes.batch_size(len(images)) if batch_size is None else batch_size,
            "learning_rate": chosen.learning_rate,
            "arguments": settings,
        }
    )
    data, where = _given(images, settings.get("likelihood", "bernoulli")), loop.device(device)
    trained = new_model(config, data).to(where)
    with torch.random.fork_rng():
        for _ in loop.train(
            trained,
            step.make_optimiser(trained),
            data.to(where),
            epochs=epochs,
            batch_size=config.batch_size,
            learning_rate=from_json(config.learning_rate),
            seed=seed,
        ):
            pass
    return trained.eval()
