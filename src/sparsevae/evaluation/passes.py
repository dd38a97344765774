"""Run a model over many images and keep what it says as arrays.

Shape legend: N images, J latent dimensions.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from sparsevae.data import Split
from sparsevae.data.scaling import GREY
from sparsevae.models import Model
from sparsevae.storage.arrays import mean_row

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float32]

BATCH = 1000
COLUMNS = ("code", "mean", "loc", "gamma", "reconstruction", "kl", "expected", "draw")
ABLATION_IMAGES = 1000


@dataclass(frozen=True)
class Measured:
    """What a model says of N images, as arrays.

    Attributes:
        code: the deterministic code, shape ``(N, J)``.
        mean: E_q[z], shape ``(N, J)``.
        loc: μ without its gate, shape ``(N, J)``.
        gamma: spike probability; 1 for a model without gates, shape ``(N, J)``.
        reconstruction: −log p(x|z), z drawn once, nats, shape ``(N,)``.
        kl: nats, shape ``(N,)``.
        expected: spike probability that the prior expects, ``(N, J)`` or ``(N, 0)``.
        draw: the z of ``reconstruction``, shape ``(N, J)``.
        gated: whether the posterior has dimensions that are on or off.
    """

    code: Floats
    mean: Floats
    loc: Floats
    gamma: Floats
    reconstruction: Floats
    kl: Floats
    expected: Floats
    draw: Floats
    gated: bool


@contextmanager
def fixed_noise(seed: int) -> Iterator[None]:
    """Torch's generators at a fixed state inside, untouched outside."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        yield


def unit(split: Split) -> Floats:
    """Images of a split as its model takes them, grey levels in [0, 1], ``(N, *shape)``."""
    return split.scaled()


def mean_image(split: Split) -> Floats:
    """The mean image of a split as its model takes it, shape ``(1, *shape)``."""
    return (split.scaling or GREY).apply(mean_row(split.images)[None])


def batched(function: Callable[[Tensor], Tensor], rows: Array, model: nn.Module) -> Floats:
    """Apply a function of tensors to float32 rows, a batch at a time, without gradients."""
    where = next(model.parameters()).device
    with torch.no_grad():
        parts = [
            function(torch.from_numpy(rows[start : start + BATCH]).to(where)).cpu().numpy()
            for start in range(0, len(rows), BATCH)
        ]
    return np.concatenate(parts)


def encode(model: Model, images: Array) -> Floats:
    """The deterministic codes of images, a batch at a time.

    Args:
        model: on any device, in evaluation mode.
        images: uint8 grey levels or floats in [0, 1], shape ``(N, *shape)``.

    Returns:
        Shape ``(N, J)``; entries of dimensions that are off are exactly 0.
    """
    x = images.astype(np.float32)
    return batched(model.encode, x / np.float32(255) if images.dtype == np.uint8 else x, model)


@torch.no_grad()
def measure(model: Model, x: Floats, seed: int = 0) -> Measured:
    """Encode and score images with the full model (progress 1), one draw an image.

    Args:
        model: on any device, in evaluation mode.
        x: values in [0, 1], shape ``(N, C, H, W)``.
        seed: of the draws.
    """
    where = next(model.parameters()).device
    parts: list[tuple[Tensor, ...]] = []
    with fixed_noise(seed):
        for start in range(0, len(x), BATCH):
            batch = torch.from_numpy(x[start : start + BATCH]).to(where)
            q = model.posterior(batch)
            z = q.rsample()
            reconstruction = -model.likelihood(z).log_prob(batch)
            kl, expected = model.prior.kl(q, batch, model.posterior, 1.0)
            parts.append(
                (q.code, q.mean, q.loc, q.spike_probability, reconstruction, kl, expected, z)
            )
    arrays = (torch.cat(column).cpu().numpy() for column in zip(*parts, strict=True))
    return Measured(**dict(zip(COLUMNS, arrays, strict=True)), gated=model.has_gates)


@torch.no_grad()
def ablation_rises(model: Model, x: Floats, found: Measured) -> Floats:
    """Rise of the reconstruction when one dimension is set to its mean, shape ``(J,)``.

    A gated dimension is set to 0, its value when off. Images whose value does not change
    are not decoded again, so the result is exact and cheap for sparse codes.

    Args:
        model: the model that ``found`` was measured with.
        x: values in [0, 1], shape ``(N, C, H, W)``; the first 1,000 are used.
        found: the result of :func:`measure` for ``x``.
    """
    count = min(len(x), ABLATION_IMAGES)
    where = next(model.parameters()).device
    draws = torch.from_numpy(found.draw[:count]).to(where)
    before = torch.from_numpy(found.reconstruction[:count]).to(where)
    targets = torch.from_numpy(x[:count]).to(where)
    neutral = np.zeros_like(found.mean[0]) if found.gated else found.mean.mean(0)
    rises = []
    for j, value in enumerate(neutral.tolist()):
        chosen = (draws[:, j] != value).nonzero().squeeze(1)
        if len(chosen) == 0:
            rises.append(0.0)
            continue
        without = draws[chosen].clone()
        without[:, j] = value
        after = -model.likelihood(without).log_prob(targets[chosen])
        rises.append(float((after - before[chosen]).sum()) / count)
    return np.array(rises, dtype=np.float32)
