"""Stacks of convolutions of kernel 3x3, stride 2, padding 1, and of their transposes.

Every layer has a bias; a ReLU follows every layer but, if unwanted, the last. A stack is one
operation, so that an image passes through all its layers while it is in the cache.

Shapes: B images; (H, W) the largest and (h, w) the smallest map. From layer to layer a map's
sides are halved, rounded up. Results are in channels-last memory order.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from sparsevae.networks.kernels.choice import native_for
from sparsevae.networks.kernels.compiled import Native

Layer = tuple[Tensor, Tensor]
"""Weight and bias: (O, C, 3, 3), or (C, O, 3, 3) if transposed, from C to O channels; (O,)."""

_KERNEL = (3, 3)


def strided_convolutions(images: Tensor, layers: Sequence[Layer], *, relu: bool) -> Tensor:
    """Convolve with stride 2 and padding 1, which halves height and width, layer after layer.

    Args:
        images: (B, C, H, W), any sizes.
        layers: at least one.
        relu: Apply a ReLU to the result too.

    Returns:
        (B, O, h, w).
    """
    native = _native_for(images, layers)
    if native:
        weights, biases = zip(*layers, strict=True)
        keep = torch.is_grad_enabled()
        return _Convolutions.apply(native, relu, keep, images, *weights, *biases)  # type: ignore
    for index, (weight, bias) in enumerate(layers, start=1):
        images = functional.conv2d(images, weight, bias, stride=2, padding=1)
        images = functional.relu(images) if relu or index < len(layers) else images
    return images


def strided_transposed_convolutions(
    maps: Tensor, layers: Sequence[Layer], size: tuple[int, int], *, relu: bool
) -> Tensor:
    """Apply the transpose of :func:`strided_convolutions`, which doubles height and width.

    Args:
        maps: (B, C, h, w).
        layers: at least one, in the order in which they act.
        size: (H, W) of the result; says of every map whether its sides are odd or even.
        relu: Apply a ReLU to the result too.

    Returns:
        (B, O, H, W).
    """
    native = _native_for(maps, layers)
    if native:
        weights, biases = zip(*reversed(layers), strict=True)
        keep = torch.is_grad_enabled()
        return _TransposedConvolutions.apply(  # type: ignore
            native, relu, keep, size, maps, *weights, *biases
        )
    sizes = _sizes(size, len(layers))[-2::-1]
    for index, ((weight, bias), sides) in enumerate(zip(layers, sizes, strict=True), start=1):
        even = [1 - side % 2 for side in sides]
        maps = functional.conv_transpose2d(
            maps, weight, bias, stride=2, padding=1, output_padding=even
        )
        maps = functional.relu(maps) if relu or index < len(layers) else maps
    return maps


def _native_for(maps: Tensor, layers: Sequence[Layer]) -> Native | None:
    if any(weight.shape[2:] != _KERNEL for weight, _ in layers):
        return None
    return native_for(maps, *(tensor for layer in layers for tensor in layer))


def _sizes(size: tuple[int, int], layers: int) -> list[tuple[int, int]]:
    """Height and width of every map, the largest first."""
    found = [size]
    for _ in range(layers):
        height, width = found[-1]
        found.append(((height + 1) // 2, (width + 1) // 2))
    return found


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


class _Stack:
    """What a compiled stack knows of itself; layers are in the order of falling map sizes.

    Args:
        native: the kernels.
        size: (H, W).
        weights: n of them, from the largest map to the smallest.
    """

    def __init__(self, native: Native, size: tuple[int, int], weights: Sequence[Tensor]) -> None:
        self.native, self.sizes = native, _sizes(size, len(weights))
        self.channels = [weights[0].shape[1], *(len(weight) for weight in weights)]

    def run(self, function: str, batch: int, *arguments: Any) -> None:
        sizes = (batch, len(self.sizes) - 1, *self.sizes[0], *self.channels)
        self.native.run(function, sizes, *arguments)

    def maps(self, batch: int, level: int) -> Tensor:
        """Room for the maps of one size."""
        shape = (batch, self.channels[level], *self.sizes[level])
        return torch.empty(shape, memory_format=torch.channels_last)

    def inner(self, batch: int) -> Tensor:
        """Room for all maps between two layers."""
        between = zip(self.channels[1:-1], self.sizes[1:-1], strict=True)
        return torch.empty(batch * sum(c * height * width for c, (height, width) in between))


class _Convolutions(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, native: Native, relu: bool, keep: bool, images: Tensor, *parameters: Tensor
    ) -> Tensor:
        images = _channels_last(images)
        weights, biases = _halves([tensor.contiguous() for tensor in parameters])
        batch, _, height, width = images.shape
        ctx.stack = stack = _Stack(native, (height, width), weights)
        maps, inner = stack.maps(batch, -1), stack.inner(batch) if keep else None
        stack.run("convolutions", batch, images, weights, biases, relu, inner, maps)
        ctx.save_for_backward(images, inner, maps if relu else None, *weights)
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, inner, maps, *weights = ctx.saved_tensors
        large = torch.empty_like(images) if ctx.needs_input_grad[3] else None
        weight_gradients = [torch.empty_like(weight) for weight in weights]
        bias_gradients = [torch.empty(len(weight)) for weight in weights]
        arguments = (images, weights, inner, maps, _channels_last(gradient))
        results = (large, weight_gradients, bias_gradients)
        ctx.stack.run("convolutions_backward", len(images), *arguments, *results)
        return None, None, None, large, *weight_gradients, *bias_gradients


class _TransposedConvolutions(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        native: Native,
        relu: bool,
        keep: bool,
        size: tuple[int, int],
        maps: Tensor,
        *parameters: Tensor,
    ) -> Tensor:
        maps, batch = _channels_last(maps), len(maps)
        weights, biases = _halves([tensor.contiguous() for tensor in parameters])
        ctx.stack = stack = _Stack(native, size, weights)
        images, inner = stack.maps(batch, 0), stack.inner(batch) if keep else None
        stack.run("transposed_convolutions", batch, maps, weights, biases, relu, inner, images)
        ctx.save_for_backward(maps, inner, images if relu else None, *weights)
        return images

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, inner, images, *weights = ctx.saved_tensors
        small = torch.empty_like(maps) if ctx.needs_input_grad[4] else None
        weight_gradients = [torch.empty_like(weight) for weight in weights]
        bias_gradients = [torch.empty(weight.shape[1]) for weight in weights]
        arguments = (maps, weights, inner, images, _channels_last(gradient))
        results = (small, weight_gradients, bias_gradients)
        ctx.stack.run("transposed_convolutions_backward", len(maps), *arguments, *results)
        return None, None, None, None, small, *weight_gradients, *bias_gradients


def _halves(tensors: Sequence[Tensor]) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """The weights and the biases that follow them."""
    return tensors[: len(tensors) // 2], tensors[len(tensors) // 2 :]
