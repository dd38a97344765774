"""Linear layers, bias and ReLU included."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from sparsevae.kernels.choice import native_for
from sparsevae.kernels.compiled import Native


def linear(features: Tensor, weight: Tensor, bias: Tensor, *, relu: bool) -> Tensor:
    """Apply a linear layer.

    Args:
        features: (B, I): B rows of I inputs.
        weight: (O, I).
        bias: (O,).
        relu: Apply a ReLU to the result.

    Returns:
        (B, O).
    """
    native = native_for(features, weight, bias) if features.dim() == 2 else None
    if native:
        return _Linear.apply(native, features, weight, bias, relu)  # type: ignore
    results = functional.linear(features, weight, bias)
    return functional.relu(results) if relu else results


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, native: Native, features: Tensor, weight: Tensor, bias: Tensor, relu: bool
    ) -> Tensor:
        features, weight, bias = features.contiguous(), weight.contiguous(), bias.contiguous()
        sizes = (*features.shape, len(bias))
        results = torch.empty(len(features), len(bias))
        native.run("linear", sizes, features, weight, bias, relu, results)
        ctx.native, ctx.sizes = native, sizes
        ctx.save_for_backward(features, weight, results if relu else None)
        return results

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        features, weight, results = ctx.saved_tensors
        input_gradient = torch.empty_like(features) if ctx.needs_input_grad[1] else None
        gradients = (input_gradient, torch.empty_like(weight), torch.empty(len(weight)))
        arguments = (features, weight, results, gradient.contiguous())
        ctx.native.run("linear_backward", ctx.sizes, *arguments, *gradients)
        return None, *gradients, None
