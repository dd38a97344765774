"""Encoder and decoder trunks, built from the shape of the data.

Images get three convolutions and their mirror image: stride-2 3x3 stages until both sides
are at most 8, then one convolution as large as what is left. Vectors get an MLP, and images too
where that is asked for. A linear trunk has no hidden layer: an affine encoder and a dictionary.

Shape legend: B images in a batch, an image (C, H, W), J latent dimensions.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from sparsevae.errors import ConfigurationError
from sparsevae.networks import Reading, Trained, Trunk, kernels
from sparsevae.networks.dictionary import Dictionary, SharedHeads, precise

Shape = tuple[int, ...]
WIDTHS = (16, 32, 256)
LARGEST_FULL_MAP = 8
LEAST_SPREAD = 1e-3  # of an output; less is rounding that weights must not enlarge


def sizes(shape: Shape) -> list[tuple[int, int]]:
    """Height and width before the first and after every stride-2 stage.

    Example:
        >>> sizes((1, 28, 28))
        [(28, 28), (14, 14), (7, 7)]
    """
    height, width = shape[-2:]
    maps = [(height, width)]
    while max(maps[-1]) > LARGEST_FULL_MAP:
        height, width = maps[-1]
        maps.append(((height + 1) // 2, (width + 1) // 2))
    return maps


def stage_widths(widths: Sequence[int], stages: int) -> list[int]:
    """Widths for ``stages`` strided stages and the last one: cut or repeated at the front.

    Example:
        >>> stage_widths((16, 32, 256), 1), stage_widths((16, 32, 256), 3)
        ([32, 256], [16, 16, 32, 256])
    """
    wanted = stages + 1
    return [widths[0]] * (wanted - len(widths)) + list(widths)[-wanted:]


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

    @torch.no_grad()
    def standardise(self, mean: Tensor, spread: Tensor) -> None:
        """Take the mean from every output and divide it by the spread, each ``(O,)``."""
        self.weight.div_(spread[:, None])
        self.bias.sub_(mean).div_(spread)


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


class StridedTransposedConvolution(nn.Module):
    """The mirror image of :class:`StridedConvolution`: (B, C, h, w) → (B, O, H, W)."""

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int]) -> None:
        super().__init__()
        reference = nn.ConvTranspose2d(inputs, outputs, 3)
        self.weight, self.bias = reference.weight, _bias(reference)
        self.size = size

    @staticmethod
    def stacked(layers: Sequence["StridedTransposedConvolution"], maps: Tensor) -> Tensor:
        """Apply layers, all but the last with a ReLU, one after another as a single operation."""
        parameters = [(layer.weight, layer.bias) for layer in layers]
        return kernels.strided_transposed_convolutions(
            maps, parameters, layers[-1].size, relu=False
        )


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


class ConvolutionsIn(nn.Sequential):
    """Strided convolutions, then one as large as the map that is left: (B, *shape) → (B, O)."""

    def __init__(self, shape: Shape, widths: Sequence[int]) -> None:
        maps = sizes(shape)
        chain = [shape[0], *stage_widths(widths, len(maps) - 1)]
        strided = [StridedConvolution(*pair) for pair in pairwise(chain[:-1])]
        super().__init__(*strided, FullConvolution(chain[-2], chain[-1], maps[-1]))

    def forward(self, images: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class."""
        layers: list[Any] = list(self)
        *strided, full = layers
        features: Tensor = full(StridedConvolution.stacked(strided, images) if strided else images)
        return features


class ConvolutionsOut(nn.Sequential):
    """The mirror image of :class:`ConvolutionsIn`, a linear layer before: (B, J) → (B, *shape)."""

    def __init__(self, latents: int, shape: Shape, widths: Sequence[int]) -> None:
        maps = sizes(shape)[::-1]
        chain = [shape[0], *stage_widths(widths, len(maps) - 1)][::-1]
        first = (Linear(latents, chain[0]), nn.ReLU())
        inner = len(maps) > 1
        full = FullTransposedConvolution(chain[0], chain[1], maps[0], relu=inner)
        pairs = zip(pairwise(chain[1:]), maps[1:], strict=True)
        strided = [StridedTransposedConvolution(*pair, size) for pair, size in pairs]
        super().__init__(*first, full, *strided)

    def forward(self, codes: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class."""
        layers: list[Any] = list(self)
        linear, relu, full, *strided = layers
        maps: Tensor = full(relu(linear(codes)))
        return StridedTransposedConvolution.stacked(strided, maps) if strided else maps


def _hidden(widths: Sequence[int]) -> list[nn.Module]:
    """Linear layers from each width to the next, each with a ReLU."""
    return [layer for pair in pairwise(widths) for layer in (Linear(*pair), nn.ReLU())]


class Change(nn.Module):
    """W₂ relu(W₁ h + b₁) + b₂, at first a tenth of what layers start with: (B, I) → (B, O)."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        self.first, self.second = Linear(inputs, hidden), Linear(hidden, outputs)
        for parameter in self.second.parameters():
            parameter.data.mul_(0.1)

    def forward(self, features: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class."""
        change: Tensor = self.second(torch.relu(self.first(features)))
        return change


class Residual(Change):
    """Features and a change of them: (B, H) → (B, H)."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__(features, hidden, features)

    def forward(self, features: Tensor) -> Tensor:
        """Apply the layer; shapes as in the class."""
        return features + super().forward(features)


class Encoder(nn.Module):
    """Trunk, then one linear head: (B, *shape) → (B, outputs).

    Args:
        shape: (C, H, W) of the images, or (D,) of vectors.
        outputs: numbers a row that the head gives, such as 3J for a spike and slab.
        widths: of the trunk's layers; a "linear" one has none.
        trunk: layers of an image's trunk; that of vectors is an "mlp" where it is not "linear".
        latents: J, which divides the outputs; a "linear" trunk has one feature a dimension.
        reading: "plain" takes rows as they are; "gaps" takes 0 where they are NaN, and beside
            every element whether it is, at first with weight 0; "logs" takes log(1 + x).
        hidden: width of a :class:`Residual` layer before the head; 0 for none.
    """

    def __init__(
        self,
        shape: Shape,
        outputs: int,
        widths: Sequence[int] = WIDTHS,
        trunk: Trunk = "convolution",
        latents: int | None = None,
        reading: Reading = "plain",
        hidden: int = 0,
    ) -> None:
        super().__init__()
        self.head: Linear | SharedHeads
        self.reading = reading
        if reading == "gaps":
            shape = (2 * shape[0], *shape[1:])
        if trunk == "linear":
            features = outputs if latents is None else latents
            self.trunk: nn.Sequential = nn.Sequential(nn.Flatten())
            self.head = SharedHeads(math.prod(shape), features, outputs // features)
            self._see_no_gaps(self.head.weight)
            return
        if len(shape) > 1 and trunk == "convolution":
            self.trunk = ConvolutionsIn(shape, widths)
        else:
            flat = [nn.Flatten()] if len(shape) > 1 else []
            self.trunk = nn.Sequential(*flat, *_hidden([math.prod(shape), *widths]))
        self.head = Linear(widths[-1], outputs)
        if hidden:
            self.trunk = nn.Sequential(self.trunk, Residual(widths[-1], hidden))
        self._see_no_gaps(next(self.trunk.parameters()))

    def _see_no_gaps(self, first: Tensor) -> None:
        """Weight 0: what never was a gap in training then says nothing of one afterwards."""
        if self.reading == "gaps":
            first.data[:, first.shape[1] // 2 :] = 0

    def forward(self, images: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class, single precision at least."""
        features: Tensor = self.head(self.trunk(self._read(images)))
        return precise(features)

    def _read(self, rows: Tensor) -> Tensor:
        """Rows as the trunk takes them."""
        if self.reading == "logs":
            return torch.log1p(rows.clamp_min(0))
        if self.reading == "gaps":
            gaps = rows.isnan()
            return torch.cat([rows.masked_fill(gaps, 0.0), gaps.to(rows.dtype)], 1)
        return rows

    @torch.no_grad()
    def standardise(self, examples: Tensor) -> None:
        """Give every output mean 0 and variance 1 over examples by scaling and shifting the head.

        Source: Salimans and Kingma 2016, "Weight normalization", section 3.

        Args:
            examples: (N, *shape); outputs that hardly differ over them are spread less.
        """
        outputs = self(examples)
        spread = outputs.std(0, correction=0).clamp_min(LEAST_SPREAD)
        self.head.standardise(outputs.mean(0), spread)


class Decoder(nn.Module):
    """The encoder's mirror image: (B, J) → (B, k·C, H, W) or (B, k·D), raw numbers.

    With a trained number an element it gives k + 1 in place of k.

    Args:
        shape: (C, H, W) of the images, or (D,) of vectors.
        latents: J.
        widths: of the encoder's trunk, in the encoder's order.
        outputs: k, numbers an element that the likelihood takes and codes decide.
        trunk: as the encoder's; "linear" is a :class:`~sparsevae.networks.dictionary.Dictionary`.
        trained: one more number an element that no code decides: the same for all elements
            ("one"), or for each its own ("element").
        gates: whether it takes 1[z_j ≠ 0] beside every z_j: codes alone, or both, ``(B, 2J)``,
            with a gradient of the caller's.
    """

    def __init__(
        self,
        shape: Shape,
        latents: int,
        widths: Sequence[int] = WIDTHS,
        outputs: int = 1,
        trunk: Trunk = "convolution",
        trained: Trained = "none",
        *,
        gates: bool = False,
    ) -> None:
        super().__init__()
        self.latents, self.gates = latents, gates
        latents = 2 * latents if gates else latents
        if trained != "none":
            self.free = nn.Parameter(torch.zeros(shape if trained == "element" else ()))
        self.trained, self.element = trained, tuple(shape)
        shape = (outputs * shape[0], *shape[1:])
        image = [nn.Unflatten(1, shape)] if len(shape) > 1 else []
        if trunk == "linear":
            self.trunk: nn.Sequential = nn.Sequential(
                Dictionary(latents, math.prod(shape)), *image
            )
        elif len(shape) > 1 and trunk == "convolution":
            self.trunk = ConvolutionsOut(latents, shape, widths)
        else:
            hidden = _hidden([latents, *reversed(widths)])
            last = Linear(widths[0], math.prod(shape))
            self.trunk = nn.Sequential(*hidden, last, *image)

    def forward(self, codes: Tensor) -> Tensor:
        """Apply the layers; shapes as in the class."""
        output: Tensor = self.trunk(self.inputs(codes))
        return self._completed(output)

    def inputs(self, codes: Tensor) -> Tensor:
        """What the layers take of codes: themselves, or with their gates, ``(B, 2J)``.

        What has its gates already stays as it is, so that a mean of inputs, or a point between
        two, can be decoded too: its gates are then shares between 0 and 1.
        """
        if self.gates and codes.shape[1] == self.latents:
            return torch.cat([codes, (codes != 0).to(codes.dtype)], 1)
        return codes

    def of_few(self, codes: Tensor, chosen: Tensor) -> Tensor:
        """The same for codes that are 0 but for few dimensions; a "linear" trunk alone has it.

        Args:
            codes: of the chosen dimensions, shape ``(B, K)``.
            chosen: which they are, shape ``(B, K)``.
        """
        layers: list[Any] = list(self.trunk)
        dictionary, *image = layers
        rows: Tensor = dictionary.of_few(codes, chosen)
        return self._completed(image[0](rows) if image else rows)

    def _completed(self, output: Tensor) -> Tensor:
        """The output with the trained number that no code decides, where there is one."""
        if self.trained == "none":
            return output
        return torch.cat([output, self.free.expand(output.shape[0], *self.element)], 1)


def check_shape(shape: Shape) -> None:
    """Raise :class:`ConfigurationError` unless the shape is (D,) or (C, H, W), all positive."""
    if len(shape) not in (1, 3) or min(shape) < 1:
        raise ConfigurationError(
            f"Data are vectors (D,) or images (channels, height, width); got the shape {shape}."
        )


def count_parameters(module: nn.Module) -> int:
    """Number of trainable numbers in a module."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)
