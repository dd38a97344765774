"""Train one run into its folder, or a model in memory; both through the same loop."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sparsevae import doctor, kernels, recipes, steps, training
from sparsevae.config import RunConfig
from sparsevae.datasets import Dataset
from sparsevae.doctor.watch import mean_image_score, warning
from sparsevae.errors import DatasetError, RunFolderError
from sparsevae.evaluation import evaluate
from sparsevae.likelihoods import Named, check_domain
from sparsevae.models import VSC, Model, build
from sparsevae.runs import RunFolder
from sparsevae.scaling import values_of
from sparsevae.schedules import from_json

EXAMPLES = 1000  # training images that a prior may start its pseudo-inputs from
Progress = Callable[[int], None]


def silent(images: int) -> None:
    """Progress that nobody looks at."""


def new_model(config: RunConfig, images: Tensor) -> Model:
    """An untrained model, weights and pseudo-inputs drawn from the run's seed.

    Args:
        config: of the run.
        images: N training images, shape ``(N, *shape)``.
    """
    with torch.random.fork_rng():
        training.seed_epoch(config.seed, -1)
        chosen = torch.randperm(len(images))[:EXAMPLES]
        return build(
            config.model,
            tuple(images.shape[1:]),
            config.latents,
            channels=config.channels,
            arguments=config.arguments,
            examples=steps.unit_interval(images[chosen]),
        )


def train_run(
    config: RunConfig,
    dataset: Dataset,
    folder: RunFolder,
    *,
    device: str = "auto",
    progress: Progress = silent,
    warn: Callable[[str], None] = lambda line: None,
) -> None:
    """Train, measure and keep one run, from its last checkpoint where there is one.

    Args:
        config: of the run.
        dataset: training images, and the images that the run is measured on.
        folder: where everything is kept.
        device: see :func:`sparsevae.training.device`.
        progress: called with a number of images as they are done.
        warn: called with a line when an epoch shows collapse.

    Raises:
        RunFolderError: the folder belongs to another configuration, or is damaged.
    """
    where = training.device(device)
    folder.start(config, dataset.sha256, dataset.shape)
    images = torch.from_numpy(dataset.train.images)
    model, optimiser, history = _restored(config, images, folder, where)
    progress(len(history) * len(images))
    mean_image = mean_image_score(model, dataset.train.images)
    with torch.random.fork_rng():
        epochs = training.train(
            model,
            optimiser,
            images.to(where),
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
            if line := warning(history, config.epochs, model, mean_image):
                warn(line)
    folder.save_weights(model, history)
    metrics, pictures = evaluate(model.eval(), dataset)
    folder.keep_diagnosis(doctor.examine(model, dataset, pictures["rises"]).as_json())
    folder.finish({**_identity(config, model, history, where), **metrics}, pictures)


def _restored(
    config: RunConfig, images: Tensor, folder: RunFolder, where: torch.device
) -> tuple[Model, torch.optim.Optimizer, list[dict[str, Any]]]:
    """The model and its optimiser as the last checkpoint left them, or new."""
    model = new_model(config, images).to(where)
    optimiser = steps.make_optimiser(model)
    tensors, history = folder.load_checkpoint()
    if history:
        try:
            model.load_state_dict(_part(tensors, "model/"))
            training.restore_optimiser(optimiser, _part(tensors, "optimiser/"))
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
    moments = training.optimiser_tensors(optimiser)
    return {**weights, **{f"optimiser/{name}": tensor for name, tensor in moments.items()}}


def _identity(
    config: RunConfig, model: Model, history: list[dict[str, Any]], where: torch.device
) -> dict[str, Any]:
    """The columns of the table that say which run it was."""
    columns = ("dataset", "split", "model", "latents", "seed", "recipe", "epochs")
    return {
        **{name: getattr(config, name) for name in columns},
        "prior": model.prior.name,
        "alpha": float(model.penalty.alpha) if isinstance(model, VSC) else None,
        "parameters": sum(model.parameter_counts().values()),
        "kernel": kernels.kernel_name(where.type),
        "seconds": sum(row["seconds"] for row in history),
    }


def _given(images: npt.NDArray[Any], likelihood: Named) -> Tensor:
    """Images as a tensor, floats in single precision and where the likelihood is defined."""
    if len(images) == 0:
        raise DatasetError("There are no images to train on; give at least one.")
    if images.dtype == np.uint8:
        return torch.from_numpy(images)
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
        batch_size: images a step; None takes :func:`sparsevae.recipes.batch_size`.
        seed: of everything random.
        recipe_name: where the learning rate and the model's other arguments come from.
        device: see :func:`sparsevae.training.device`.
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
    data, where = _given(images, settings.get("likelihood", "bernoulli")), training.device(device)
    trained = new_model(config, data).to(where)
    with torch.random.fork_rng():
        for _ in training.train(
            trained,
            steps.make_optimiser(trained),
            data.to(where),
            epochs=epochs,
            batch_size=config.batch_size,
            learning_rate=from_json(config.learning_rate),
            seed=seed,
        ):
            pass
    return trained.eval()
