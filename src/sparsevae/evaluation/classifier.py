"""A small classifier of a data set's own images: its features say how different images look.

It is trained on the spot, on the training labels, and kept in the cache under the checksum of the
data. Distances in its features compare models on the same data; they are not those of a network
trained on photographs (no FID, no LPIPS).

Shape legend: B images in a batch (B, C, H, W), F features.
"""

import math
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional

from sparsevae.data import Dataset, Split
from sparsevae.errors import RunFolderError
from sparsevae.evaluation.passes import Floats, batched, fixed_noise, unit
from sparsevae.networks.trunks import Encoder, Shape
from sparsevae.storage import cache
from sparsevae.storage.files import read_tensors

CHANNELS = (16, 32, 64)
VERSION = 1  # of the recipe below; a classifier in the cache belongs to one
SEED = 0
BATCH = 128
RATE = 2e-3  # falls linearly to 0
SPREAD_IMAGES = 10_000  # training images that the unit of the features comes from
FEWEST_PASSES, MOST_PASSES, SHOWN = 2, 10, 120_000  # passes, and images they are to add up to


class Classifier(nn.Module):
    """Two strided convolutions, a full one and a linear layer.

    Args:
        shape: (C, H, W) of the images.
        classes: number of classes.
    """

    spread: Tensor

    def __init__(self, shape: Shape, classes: int) -> None:
        super().__init__()
        self.network = Encoder(shape, classes, CHANNELS)
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

    def accuracy(self, split: Split) -> float:
        """Share of a split's labelled images that get their label."""
        return float((self.labels_of(unit(split)) == split.labels).mean())


def classifier(dataset: Dataset) -> Classifier | None:
    """The classifier of a data set, from the cache or trained now; None without labels."""
    if dataset.train.labels is None:
        return None
    with fixed_noise(SEED):
        found = Classifier(dataset.shape, len(dataset.classes)).eval()
    name = f"classifiers/{dataset.sha256[:16]}-v{VERSION}.safetensors"
    if not _restored(found, name):
        _train(found, dataset.train)
        cache.store(name, _content(found))
    return found


def _restored(model: Classifier, name: str) -> bool:
    """Whether the cache has it whole; what is damaged there is made again."""
    path = cache.folder() / name
    if not path.is_file():
        return False
    try:
        model.load_state_dict(read_tensors(path)[0])
    except (RunFolderError, RuntimeError):
        return False
    return True


def _content(model: Classifier) -> bytes:
    plain = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    return safetensors.torch.save(plain)


def passes(images: int) -> int:
    """How often training sees each image: more often where there are few.

    Example:
        >>> passes(60_000), passes(4_000)
        (2, 10)
    """
    return max(FEWEST_PASSES, min(MOST_PASSES, SHOWN // images))


def _train(model: Classifier, split: Split) -> None:
    """Adam on the cross entropy; the same weights each time."""
    count, labels = len(split), torch.from_numpy(split.labels)
    steps = passes(count) * math.ceil(count / BATCH)
    with fixed_noise(SEED), torch.enable_grad():
        optimiser = torch.optim.Adam(model.parameters(), lr=RATE)
        rate = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
        for _ in range(passes(count)):
            for chosen in torch.randperm(count).split(BATCH):
                images = torch.from_numpy(unit(split.take(chosen.numpy())))
                loss = functional.cross_entropy(model(images), labels[chosen])
                optimiser.zero_grad()
                loss.backward()
                optimiser.step()
                rate.step()
    some = model.features_of(unit(split.take(slice(SPREAD_IMAGES))))
    variance = float(some.var(0, dtype=np.float64).sum())
    model.spread.fill_(math.sqrt(variance) if variance > 0 else 1.0)
