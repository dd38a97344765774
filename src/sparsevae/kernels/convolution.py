"""Convolutions of kernel 3x3, stride 2, padding 1, and their transposes, bias and ReLU included.

Shapes: B images, C channels in, O channels out, (H, W) the large and (h, w) the small map,
h = ceil(H/2), w = ceil(W/2). Results are in channels-last memory order.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from sparsevae.kernels.choice import native_for
from sparsevae.kernels.compiled import Native

_KERNEL = (3, 3)


def strided_convolution(images: Tensor, weight: Tensor, bias: Tensor, *, relu: bool) -> Tensor:
    """Convolve with stride 2 and padding 1, which halves height and width.

    Args:
        images: (B, C, H, W), any sizes.
        weight: (O, C, 3, 3).
        bias: (O,).
        relu: Apply a ReLU to the result.

    Returns:
        (B, O, ceil(H/2), ceil(W/2)).
    """
    native = native_for(images, weight, bias) if weight.shape[2:] == _KERNEL else None
    if native:
        return _Convolution.apply(native, images, weight, bias, relu)  # type: ignore
    maps = functional.conv2d(images, weight, bias, stride=2, padding=1)
    return functional.relu(maps) if relu else maps


def strided_transposed_convolution(
    maps: Tensor, weight: Tensor, bias: Tensor, size: tuple[int, int], *, relu: bool
) -> Tensor:
    """Apply the transpose of :func:`strided_convolution`, which doubles height and width.

    Args:
        maps: (B, C, ceil(H/2), ceil(W/2)).
        weight: (C, O, 3, 3).
        bias: (O,).
        size: (H, W) of the result; says of each axis whether it is odd or even.
        relu: Apply a ReLU to the result.

    Returns:
        (B, O, H, W).
    """
    height, width = size
    native = native_for(maps, weight, bias) if weight.shape[2:] == _KERNEL else None
    if native:
        return _TransposedConvolution.apply(native, maps, weight, bias, size, relu)  # type: ignore
    even = (1 - height % 2, 1 - width % 2)
    images = functional.conv_transpose2d(
        maps, weight, bias, stride=2, padding=1, output_padding=even
    )
    return functional.relu(images) if relu else images


def _channels_last(tensor: Tensor) -> Tensor:
    return tensor.contiguous(memory_format=torch.channels_last)


def _empty(*shape: int) -> Tensor:
    return torch.empty(shape, memory_format=torch.channels_last)


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, native: Native, images: Tensor, weight: Tensor, bias: Tensor, relu: bool
    ) -> Tensor:
        images, weight, bias = _channels_last(images), weight.contiguous(), bias.contiguous()
        batch, channels, height, width = images.shape
        shape = (batch, height, width, channels, len(bias))
        maps = _empty(batch, len(bias), (height + 1) // 2, (width + 1) // 2)
        native.run("convolution", shape, images, weight, bias, relu, maps)
        ctx.native, ctx.shape = native, shape
        ctx.save_for_backward(images, weight, maps if relu else None)
        return maps

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        images, weight, maps = ctx.saved_tensors
        large = torch.empty_like(images) if ctx.needs_input_grad[1] else None
        weight_gradient, bias_gradient = torch.empty_like(weight), torch.empty(len(weight))
        arguments = (images, weight, maps, _channels_last(gradient))
        results = (large, weight_gradient, bias_gradient)
        ctx.native.run("convolution_backward", ctx.shape, *arguments, *results)
        return None, *results, None


class _TransposedConvolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        native: Native,
        maps: Tensor,
        weight: Tensor,
        bias: Tensor,
        size: tuple[int, int],
        relu: bool,
    ) -> Tensor:
        maps, weight, bias = _channels_last(maps), weight.contiguous(), bias.contiguous()
        shape = (len(maps), *size, len(bias), maps.shape[1])
        images = _empty(len(maps), len(bias), *size)
        native.run("transposed_convolution", shape, maps, weight, bias, relu, images)
        ctx.native, ctx.shape = native, shape
        ctx.save_for_backward(maps, weight, images if relu else None)
        return images

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        maps, weight, images = ctx.saved_tensors
        small = torch.empty_like(maps) if ctx.needs_input_grad[1] else None
        weight_gradient, bias_gradient = torch.empty_like(weight), torch.empty(weight.shape[1])
        arguments = (maps, weight, images, _channels_last(gradient))
        results = (small, weight_gradient, bias_gradient)
        ctx.native.run("transposed_convolution_backward", ctx.shape, *arguments, *results)
        return None, *results, None, None
