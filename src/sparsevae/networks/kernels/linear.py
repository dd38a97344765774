"""Linear layers, bias and ReLU included.

Shapes: B rows, I inputs, O outputs.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from sparsevae.networks.kernels.choice import insisted, native_for
from sparsevae.networks.kernels.compiled import Native

LIVE = 0.9  # of the inputs: where more are not 0, leaving out the others is not worth it
FASTER = "native-avx512"  # instructions that PyTorch's product lacks on some processors
WORTH_PACKING = 64  # rows, at fewer the compiled kernel spends its time on packing the weight


def linear(features: Tensor, weight: Tensor, bias: Tensor, *, relu: bool) -> Tensor:
    """Apply a linear layer.

    Args:
        features: (B, I).
        weight: (O, I).
        bias: (O,).
        relu: Apply a ReLU to the result.

    Returns:
        (B, O).
    """
    native = native_for(features, weight, bias) if features.dim() == 2 else None
    if native and _faster(native, features):
        return _Linear.apply(native, features, weight, bias, relu, False)  # type: ignore
    results = functional.linear(features, weight, bias)
    return results.relu_() if relu else results


def transposed_linear(features: Tensor, weight: Tensor, bias: Tensor, *, relu: bool) -> Tensor:
    """Apply a linear layer whose weight has its inputs first and whose bias may be shared.

    A transposed convolution from a single pixel to a map of P pixels and C channels is such a
    layer, O = P·C, in channels-last order.

    Args:
        features: (B, I).
        weight: (I, O).
        bias: (C,), repeated along the outputs; C divides O.
        relu: Apply a ReLU to the result.

    Returns:
        (B, O).
    """
    native = native_for(features, weight, bias) if features.dim() == 2 else None
    if native and not torch.is_grad_enabled():
        features, weight = _without_zeros(features, weight)
    if native and _faster(native, features):
        return _Linear.apply(native, features, weight, bias, relu, True)  # type: ignore
    repeated = bias.repeat(weight.shape[1] // len(bias))
    results = functional.linear(features, weight.t(), repeated)
    return results.relu_() if relu else results


def _faster(native: Native, features: Tensor) -> bool:
    """Whether the compiled kernels take less time than the library, or are insisted on."""
    return insisted() or (native.name == FASTER and len(features) >= WORTH_PACKING)


def _without_zeros(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Both without inputs that are 0 in every row, as many are behind the ReLU of like rows."""
    live = features.any(0)
    if not 0 < int(live.sum()) <= LIVE * len(live):
        return features, weight
    return features[:, live], weight[live]


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        native: Native,
        features: Tensor,
        weight: Tensor,
        bias: Tensor,
        relu: bool,
        inputs_first: bool,
    ) -> Tensor:
        features, weight, bias = features.contiguous(), weight.contiguous(), bias.contiguous()
        batch, inputs = features.shape
        outputs = weight.shape[1 if inputs_first else 0]
        sizes = (batch, inputs, outputs, len(bias), inputs_first)
        results = torch.empty(batch, outputs)
        native.run("linear", sizes, features, weight, bias, relu, results)
        ctx.native, ctx.sizes = native, sizes
        ctx.save_for_backward(features, weight, results if relu else None)
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, results = ctx.saved_tensors
        channels = ctx.sizes[3]
        input_gradient = torch.empty_like(features) if ctx.needs_input_grad[1] else None
        gradients = (input_gradient, torch.empty_like(weight), torch.empty(channels))
        arguments = (features, weight, results, gradient.contiguous())
        ctx.native.run("linear_backward", ctx.sizes, *arguments, *gradients)
        return None, *gradients, None, None
