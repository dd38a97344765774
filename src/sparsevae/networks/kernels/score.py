"""The score of grey values under Bernoulli logits, in one pass over the pixels."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from sparsevae.networks.kernels.choice import native_for
from sparsevae.networks.kernels.compiled import Native


def bernoulli_score(logits: Tensor, values: Tensor) -> Tensor:
    """Sum x log p + (1−x) log(1−p) over pixels, p = σ(l).

    Args:
        logits: l, (B, ...).
        values: x, grey values in [0, 1], same shape; there is no gradient for them.

    Returns:
        Nats per image, (B,).
    """
    native = native_for(logits, values) if logits.shape == values.shape else None
    if native and not values.requires_grad:
        return _BernoulliScore.apply(native, logits, values)  # type: ignore
    loss = functional.binary_cross_entropy_with_logits(logits, values, reduction="none")
    return -loss.flatten(1).sum(1)


def _dense(tensor: Tensor) -> Tensor:
    order = torch.channels_last if tensor.dim() == 4 else torch.contiguous_format
    return tensor.contiguous(memory_format=order)


class _BernoulliScore(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, native: Native, logits: Tensor, values: Tensor) -> Tensor:
        logits, values = _dense(logits), _dense(values)
        sizes = (len(logits), logits[:1].numel())
        scores = torch.empty(len(logits))
        native.run("bernoulli_score", sizes, logits, values, scores)
        ctx.native, ctx.sizes = native, sizes
        ctx.save_for_backward(logits, values)
        return scores

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        logits, values = ctx.saved_tensors
        result = torch.empty_like(logits)
        arguments = (logits, values, gradient.contiguous(), result)
        ctx.native.run("bernoulli_score_backward", ctx.sizes, *arguments)
        return None, result, None
