"""Trained weights as files: what a stranger's folder claims is held against what it brings."""

from pathlib import Path

import torch
from torch import Tensor

from sparsevae.errors import RunFolderError
from sparsevae.models import Model, build
from sparsevae.networks.trunks import Shape
from sparsevae.storage.files import read_shapes, read_tensors
from sparsevae.training.config import RunConfig

WEIGHTS = "weights.safetensors"
PICKLED = (".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt")


def load_model(folder: Path, config: RunConfig, shape: Shape) -> Model:
    """The trained model of a run folder, on the CPU, in evaluation mode.

    The configuration is held against the sizes in the file before any memory is taken for it.

    Args:
        folder: with :data:`WEIGHTS`.
        config: of the run.
        shape: (C, H, W) of its images or (D,) of its rows.

    Raises:
        RunFolderError: the file is absent, damaged, a pickle, or of another configuration.
    """
    path = folder / WEIGHTS
    if not path.is_file():
        raise RunFolderError(_absent(folder))
    with torch.device("meta"):
        planned = _untrained(folder, config, shape).state_dict()
    if read_shapes(path) != {name: tuple(tensor.shape) for name, tensor in planned.items()}:
        raise RunFolderError(
            f"The weights in {folder} do not fit its config.json; train the run again."
        )
    model = _untrained(folder, config, shape)
    model.load_state_dict(read_tensors(path)[0])
    return model.eval()


def build_model(config: RunConfig, shape: Shape, examples: Tensor | None = None) -> Model:
    """The model of a configuration, its weights drawn from torch's generator.

    Args:
        config: of the run.
        shape: (C, H, W) of its images or (D,) of its rows.
        examples: scaled rows that a prior with pseudo-inputs may start from.
    """
    return build(
        config.model,
        shape,
        config.latents,
        widths=config.widths,
        trunk=config.trunk,
        arguments=config.arguments,
        examples=examples,
    )


def _untrained(folder: Path, config: RunConfig, shape: Shape) -> Model:
    """The model of a stranger's configuration; its first weights are drawn, and then replaced."""
    with torch.random.fork_rng():
        try:
            return build_model(config, shape)
        except (RuntimeError, ValueError, TypeError, OverflowError, MemoryError) as error:
            reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
            raise RunFolderError(
                f"{folder / 'config.json'} describes no model that can be made: {reason[0]}"
            ) from None


def _absent(folder: Path) -> str:
    pickled = [path.name for path in sorted(folder.glob("*")) if path.suffix in PICKLED]
    if pickled:
        return (
            f"{folder} has {pickled[0]} in place of {WEIGHTS}; pickles can run a program when "
            "they are loaded, and are not."
        )
    return f"{folder} keeps no weights: train the run again to use its model."
