"""Open a trained model by its folder or its name."""

from pathlib import Path

from sparsevae.runs.trained import TrainedModel


def load(folder: Path | str, device: str = "cpu") -> TrainedModel:
    """A trained model from its run folder, or one that comes with the package by its name.

    Args:
        folder: of a study's run, of :func:`sparsevae.fit`, saved, or pulled; or "mnist-vsc-64", a
            VSC of 64 dimensions that was trained on MNIST.
        device: see :func:`sparsevae.training.loop.device`.

    Raises:
        RunFolderError: there is no trained model here, or it is damaged.
        DeviceError: the device is not on this machine.

    Example:
        >>> load("mnist-vsc-64").sample(2).shape
        (2, 1, 28, 28)
    """
    return TrainedModel.load(folder, device)
