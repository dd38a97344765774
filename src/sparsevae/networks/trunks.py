"""Encoder and decoder trunks, built from the shape of the data.

Images get three convolutions and their mirror image: stride-2 3x3 stages until both sides
are at most 8, then one convolution as large as what is left. Vectors get an MLP, and images too
where their widths are given as :class:`Dense`.

Shape legend: B images in a batch, an image (C, H, W), J latent dimensions.
"""

import math
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

import torch
from torch import Tensor, nn

from sparsevae.errors import ConfigurationError
from sparsevae.networks import kernels

Shape = tuple[int, ...]
CHANNELS = (16, 32, 256)
LARGEST_FULL_MAP = 8
LEAST_SPREAD = 1e-3  # of an output; less is rounding that weights must not enlarge


class Dense(tuple[int, ...]):
    """Widths of a trunk of fully connected layers, of images too: their pixels are one vector."""


def sizes(shape: Shape) -> list[tuple[int, int]]:
    """Height and width before the first and after every stride-2 stage.

    Example:
        >>> sizes((1, 28, 28))
        [(28, 28), (14, 14), (7, 7)]
    """
    height, width = shape[-2:]
    found = [(height, width)]
    while max(found[-1]) > LARGEST_FULL_MAP:
        height, width = found[-1]
        found.append(((height + 1) // 2, (width + 1) // 2))
    return found


def stage_channels(channels: Sequence[int], stages: int) -> list[int]:
    """Widths for ``stages`` strided stages and the last one: cut or repeated at the front.

    Example:
        >>> stage_channels((16, 32, 256), 1), stage_channels((16, 32, 256), 3)
        ([32, 256], [16, 16, 32, 256])
    """
    wanted = stages + 1
    return [channels[0]] * (wanted - len(channels)) + list(channels)[-wanted:]


def _flat(maps: Tensor) -> Tensor:
    """Rows of (H, W, C) order, a view where the memory is channels-last: ``(B, H·W·C)``."""
    return maps.permute(0, 2, 3, 1).flatten(1)


def _bias(layer: nn.Conv2d | nn.ConvTranspose2d) -> nn.Parameter:
    assert layer.bias is not None  # both layers have one unless told otherwise
    return nn.Parameter(layer.bias.detach())


def _channels_last(weight: Tensor) -> nn.Parameter:
    """The same numbers in the memory order that makes :func:`_flat` a view."""
    return nn.Parameter(weight.detach().contiguous(memory_format=torch.channels_last))


class Linear(nn.Linear):
    """PyTorch's linear layer on the library's kernels: (B, I) → (B, O)."""

    def forward(self, features: Tensor) -> Tensor:
        """Apply the layer; shapes as in the class."""
        return kernels.linear(features, self.weight, self.bias, relu=False)


class StridedConvolution(nn.Module):
    """3x3 convolution, stride 2, padding 1, then ReLU: (B, C, H, W) → (B, O, ⌈H/2⌉, ⌈W/2⌉)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        reference = nn.Conv2d(inputs, outputs, 3)
        self.weight, self.bias = reference.weight, _bias(reference)

    @staticmethod
    def stacked(layers: Sequence["StridedConvolution"], images: Tensor) -> Tensor:
        """Apply layers one after another as a single operation."""
        parameters = [(layer.weight, layer.bias) for layer in layers]
        return kernels.strided_convolutions(images, parameters, relu=True)

    def forward(self, images: Tensor) -> Tensor:
        """Apply the layer; shapes as in the class."""
        return self.stacked([self], images)


class StridedTransposedConvolution(nn.Module):
    """The mirror image of :class:`StridedConvolution`: (B, C, h, w) → (B, O, H, W)."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], *, relu: bool) -> None:
        super().__init__()
        reference = nn.ConvTranspose2d(inputs, outputs, 3)
        self.weight, self.bias = reference.weight, _bias(reference)
        self.size, self.relu = size, relu

    @staticmethod
    def stacked(layers: Sequence["StridedTransposedConvolution"], maps: Tensor) -> Tensor:
        """Apply layers, all but the last with a ReLU, one after another as a single operation."""
        parameters, last = [(layer.weight, layer.bias) for layer in layers], layers[-1]
        return kernels.strided_transposed_convolutions(maps, parameters, last.size, relu=last.relu)

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the layer; shapes as in the class."""
        return self.stacked([self], maps)


class Trunk(nn.Sequential):
    """Layers one after another; strided ones that are neighbours act as a single operation."""

    def forward(self, values: Tensor) -> Tensor:
        """Apply the layers."""
        for kind, group in groupby(self, type):
            layers: list[Any] = list(group)
            if kind in (StridedConvolution, StridedTransposedConvolution):
                values = kind.stacked(layers, values)
            else:
                for layer in layers:
                    values = layer(values)
        return values


class FullConvolution(nn.Module):
    """A convolution as large as its map, hence a matrix product, then ReLU: → (B, O)."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int]) -> None:
        super().__init__()
        reference = nn.Conv2d(inputs, outputs, size)
        self.weight, self.bias = _channels_last(reference.weight), _bias(reference)

    def forward(self, maps: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class."""
        return kernels.linear(_flat(maps), _flat(self.weight), self.bias, relu=True)


class FullTransposedConvolution(nn.Module):
    """The mirror image of :class:`FullConvolution`, ReLU if asked: (B, C) → (B, O, h, w)."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], *, relu: bool) -> None:
        super().__init__()
        reference = nn.ConvTranspose2d(inputs, outputs, size)
        self.weight, self.bias = _channels_last(reference.weight), _bias(reference)
        self.size, self.relu = size, relu

    def forward(self, features: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class."""
        height, width = self.size
        flat = kernels.transposed_linear(features, _flat(self.weight), self.bias, relu=self.relu)
        return flat.view(flat.shape[0], height, width, len(self.bias)).permute(0, 3, 1, 2)


class Encoder(nn.Module):
    """Trunk, then one linear head: (B, *shape) → (B, outputs).

    Args:
        shape: (C, H, W) of the images, or (D,) of vectors.
        outputs: numbers a row that the head gives, such as 3J for a spike and slab.
        channels: widths of the trunk; for vectors, or as :class:`Dense`, of the hidden layers.
    """

    def __init__(self, shape: Shape, outputs: int, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        if len(shape) == 1 or isinstance(channels, Dense):
            widths, layers = [math.prod(shape), *channels], list[nn.Module]()
            if len(shape) > 1:
                layers.append(nn.Flatten())
            for before, after in pairwise(widths):
                layers += [Linear(before, after), nn.ReLU()]
        else:
            maps = sizes(shape)
            widths = [shape[0], *stage_channels(channels, len(maps) - 1)]
            layers = [StridedConvolution(*pair) for pair in pairwise(widths[:-1])]
            layers.append(FullConvolution(widths[-2], widths[-1], maps[-1]))
        self.trunk = Trunk(*layers)
        self.head = Linear(widths[-1], outputs)

    def forward(self, images: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class."""
        features: Tensor = self.head(self.trunk(images))
        return features

    @torch.no_grad()
    def standardise(self, examples: Tensor) -> None:
        """Give every output mean 0 and variance 1 over examples by scaling and shifting the head.

        Source: Salimans and Kingma 2016, "Weight normalization", section 3.

        Args:
            examples: (N, *shape); outputs that hardly differ over them are spread less.
        """
        outputs = self(examples)
        spread = outputs.std(0, correction=0).clamp_min(LEAST_SPREAD)
        self.head.weight.div_(spread[:, None])
        self.head.bias.sub_(outputs.mean(0)).div_(spread)


class Decoder(nn.Module):
    """The encoder's mirror image: (B, J) → (B, k·C, H, W) or (B, k·D), raw numbers.

    Args:
        shape: (C, H, W) of the images, or (D,) of vectors.
        latents: J.
        channels: widths of the encoder's trunk, in the encoder's order.
        outputs: k, numbers an element that the likelihood takes.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        channels: Sequence[int] = CHANNELS,
        outputs: int = 1,
    ) -> None:
        super().__init__()
        if len(shape) == 1 or isinstance(channels, Dense):
            widths, layers = [latents, *reversed(channels)], list[nn.Module]()
            for before, after in pairwise(widths):
                layers += [Linear(before, after), nn.ReLU()]
            layers.append(Linear(widths[-1], outputs * math.prod(shape)))
            if len(shape) > 1:
                layers.append(nn.Unflatten(1, (outputs * shape[0], *shape[1:])))
        else:
            maps = sizes(shape)[::-1]
            widths = [outputs * shape[0], *stage_channels(channels, len(maps) - 1)][::-1]
            layers = [Linear(latents, widths[0]), nn.ReLU()]
            inner = len(maps) > 1
            layers.append(FullTransposedConvolution(widths[0], widths[1], maps[0], relu=inner))
            for stage, size in enumerate(maps[1:], start=1):
                last = stage == len(maps) - 1
                inputs, outputs = widths[stage : stage + 2]
                layers.append(StridedTransposedConvolution(inputs, outputs, size, relu=not last))
        self.trunk = Trunk(*layers)

    def forward(self, codes: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class."""
        output: Tensor = self.trunk(codes)
        return output


TRUNKS: dict[str, type[tuple[int, ...]]] = {"convolution": tuple, "mlp": Dense}
"""What widths of a trunk are made into, by the name of its layers."""


def check_shape(shape: Shape) -> None:
    """Raise :class:`ConfigurationError` unless the shape is (D,) or (C, H, W), all positive."""
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise ConfigurationError(
            f"Data are vectors (D,) or images (channels, height, width); got the shape {shape}."
        )


def count_parameters(module: nn.Module) -> int:
    """Number of trainable numbers in a module."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
