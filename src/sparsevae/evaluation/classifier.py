"""A small classifier of a data set's own images: its features say how different images look.

It is trained on the spot, on the training labels, and kept where a file for it is named. Distances
in its features compare models on the same data; they are not those of a network trained on
photographs (no FID, no LPIPS).

Shape legend: B images in a batch (B, C, H, W), F features.
"""

import math
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsevae.data import Split
from sparsevae.errors import OutputError, RunFolderError
from sparsevae.evaluation.limits import LEARNED
from sparsevae.evaluation.passes import Tick, batched, fixed_noise, rows_at_once
from sparsevae.networks.adam import Adam
from sparsevae.networks.trunks import Encoder, Shape
from sparsevae.storage.arrays import Floats
from sparsevae.storage.files import make_folder, read_tensors, write_tensors

WIDTHS = (16, 32, 64)
VERSION = 1  # of the recipe below; a classifier in the cache belongs to one
SEED = 0
BATCH = 128
RATE = 2e-3  # falls linearly to 0
SPREAD_IMAGES = 10_000  # training images that the scale of the features comes from
FEWEST_PASSES, MOST_PASSES, SEEN = 2, 10, 120_000  # passes, and images they are to add up to


class Classifier(nn.Module):
    """Two strided convolutions, a full one and a linear layer.

    Args:
        shape: (C, H, W) of the images.
        classes: number of classes.
    """

    spread: Tensor

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.shape = shape
        self.network = Encoder(shape, classes, WIDTHS)
        for parameter in self.network.trunk.parameters():
            if parameter.ndim > 1:  # PyTorch's own start is so small that half the features die
                nn.init.kaiming_normal_(parameter, nonlinearity="relu")
        self.register_buffer("spread", torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the classes, shape ``(B, K)``."""
        logits: Tensor = self.network(images)
        return logits

    def features(self, images: Tensor) -> Tensor:
        """The last hidden layer, shape ``(B, F)``; its total variance over training data is 1."""
        hidden: Tensor = self.network.trunk(images)
        return hidden / self.spread

    def features_of(self, images: Floats) -> Floats:
        """Features of many images with values in [0, 1], shape ``(N, F)``."""
        return batched(self.features, images, self)

    def labels_of(self, images: Floats) -> Any:
        """The most probable class of many images with values in [0, 1], shape ``(N,)``."""
        return batched(self, images, self).argmax(1)


def classifier(
    train: Split, classes: int, kept: Path | None = None, tick: Tick = lambda share: None
) -> Classifier:
    """The classifier of labelled training images, trained now or read where it is kept.

    Args:
        train: with labels.
        classes: how many there are.
        kept: a file for it, see :func:`file_of`; None keeps it nowhere.
        tick: called with the share of its training that is done.
    """
    with fixed_noise(SEED):
        network = Classifier(tuple(train.images.shape[1:]), classes).eval()
    if kept is None or not _restored(network, kept):
        _train(network, train, tick)
        if kept is not None:
            with suppress(OutputError):  # a cache that cannot be written to is done without
                make_folder(kept.parent)
                write_tensors(kept, network.state_dict(), {})
    return network


def file_of(folder: Path, data_sha256: str) -> Path:
    """Where a folder keeps the classifier of data with this checksum."""
    return folder / f"{data_sha256[:16]}-v{VERSION}.safetensors"


def _restored(network: Classifier, path: Path) -> bool:
    """Whether a file has it whole; what is damaged there is made again."""
    if not path.is_file():
        return False
    try:
        network.load_state_dict(read_tensors(path)[0])
    except (RunFolderError, RuntimeError):
        return False
    return True


def passes(images: int, elements: int = 784) -> tuple[int, int]:
    """Passes of training, more where there are few images or small ones, and images of each.

    Example:
        >>> passes(60_000), passes(4_000), passes(4_000, 11_025), passes(10**6)
        ((2, 60000), (10, 4000), (2, 4000), (2, 60000))
    """
    seen = min(SEEN, LEARNED // elements)
    often = max(FEWEST_PASSES, min(MOST_PASSES, seen // images))
    return often, min(images, max(BATCH, seen // often))


def _train(model: Classifier, split: Split, tick: Tick) -> None:
    """Adam on the cross entropy; the same weights each time."""
    count, labels = len(split), torch.from_numpy(split.labels)
    often, each = passes(count, math.prod(model.shape))
    steps, taken = often * math.ceil(each / BATCH), 0
    with fixed_noise(SEED), torch.enable_grad():
        optimiser = Adam(model.parameters(), lr=RATE)
        rate = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
        for _ in range(often):
            for chosen in torch.randperm(count)[:each].split(BATCH):
                images = torch.from_numpy(split.take(chosen.numpy()).scaled())
                loss = functional.cross_entropy(model(images), labels[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                rate.step()
                taken += 1
                tick(taken / steps)
    seen = min(SPREAD_IMAGES, 10 * rows_at_once(model))
    some = model.features_of(split.take(slice(seen)).scaled())
    variance = float(some.var(0, dtype=np.float64).sum())
    model.spread.fill_(math.sqrt(variance) if variance > 0 else 1.0)
