"""The divergence of each of some spike-and-slabs from each of some others, in closed form.

Shapes: B distributions q and U distributions p of J dimensions.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from sparsevae.networks.kernels.choice import native_for
from sparsevae.networks.kernels.compiled import Native

Parameters = tuple[Tensor, Tensor, Tensor]
"""Log-odds l, means μ and standard deviations s > 0 of the slabs, all of one shape."""


def pairwise_divergence(q: Parameters, p: Parameters) -> Tensor:
    """KL of each q from each p, summed over dimensions, γ = σ(l):

        Σ_j γ·KL(N(μ, s²) ‖ N(μ_p, s_p²)) + γ(l − l_p) − softplus(l) + softplus(l_p).

    Without a kernel the closed form expands into a matrix product, so that no ``(B, U, J)`` tensor
    is made. Its terms cancel where means are many deviations from 0, so it is taken in double
    precision, whatever the precision of training. The kernel takes each square by itself.

    Args:
        q: each ``(B, J)``.
        p: each ``(U, J)``.

    Returns:
        ``(B, U)`` in nats, single precision at least.
    """
    native = native_for(*q, *p)
    if native:
        return _Divergence.apply(native, *q, *p)  # type: ignore
    wide = torch.promote_types(q[1].dtype, torch.float32)
    logits, loc, scale = (each.to(wide) for each in q)
    p_logits, p_loc, p_scale = (each.to(wide) for each in p)
    gamma = torch.sigmoid(logits)
    of_q = gamma * (logits - torch.log(scale) - 0.5) - functional.softplus(logits)  # (B, J)
    of_p = doubled(torch.log(p_scale) - p_logits)  # (U, J)
    on, mean, p_mean = doubled(gamma), doubled(loc), doubled(p_loc)
    half = 0.5 * doubled(p_scale) ** -2  # the precision
    moments = torch.cat([on, on * mean, on * (doubled(scale) ** 2 + mean**2)], 1)  # (B, 3J)
    factors = torch.cat([of_p + p_mean**2 * half, -2 * p_mean * half, half], 1)  # (U, 3J)
    cross = (moments @ factors.T).to(loc.device, wide)
    return of_q.sum(-1, keepdim=True) + cross + functional.softplus(p_logits).sum(-1)


def doubled(tensor: Tensor) -> Tensor:
    """A tensor of any shape in double precision; on the CPU where the device has none."""
    return (tensor.cpu() if tensor.device.type == "mps" else tensor).double()


class _Divergence(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, native: Native, *parameters: Tensor) -> Tensor:
        parameters = tuple(each.contiguous() for each in parameters)
        (batch, latents), components = parameters[0].shape, len(parameters[3])
        ctx.native, ctx.sizes = native, (batch, components, latents)
        ctx.save_for_backward(*parameters)
        result = torch.empty(batch, components)
        native.run("divergence", ctx.sizes, *parameters, result)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        parameters = ctx.saved_tensors
        results = [torch.empty_like(each) for each in parameters]
        arguments = (*parameters, gradient.contiguous(), *results)
        ctx.native.run("divergence_backward", ctx.sizes, *arguments)
        return None, *results
