"""One training step: taken eagerly, or on a CUDA device captured once and replayed.

A captured step is a CUDA graph of the whole step (gather, loss, backward, optimiser), so
the host only starts it. Nothing in a step makes the host wait for the device.

Shape legend: N training images, B images in a batch, J latent dimensions.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.models import Model, Terms
from sparsevae.models.schedules import Progress
from sparsevae.networks.adam import Adam
from sparsevae.training.config import Precision
from sparsevae.training.streams import StreamedRows

Step = Callable[[Tensor, float], None]
TERMS = ("reconstruction", "kl", "penalty", "objective")
WARM_UP_STEPS = 3  # taken eagerly before the capture, as CUDA graphs need


Rows = Tensor | StreamedRows


def unit_interval(images: Tensor) -> Tensor:
    """uint8 grey levels as float32 in [0, 1]; floats pass as they are."""
    return images.float().div_(255) if images.dtype == torch.uint8 else images


def make_optimiser(model: Model) -> Adam:
    """Adam with its default moments, all parameters in one fused step.

    The loop sets the rate; on a CUDA device it is a tensor there, so that a captured step can
    change it.
    """
    device = next(model.parameters()).device
    on_cuda = device.type == "cuda"
    rate = torch.zeros((), device=device) if on_cuda else 0.0
    return Adam(model.parameters(), lr=rate, fused=True, capturable=on_cuda)


def optimiser_tensors(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as a flat mapping of tensors, such as ``"3.exp_avg"``."""
    state = optimiser.state_dict()["state"]
    return {f"{index}.{key}": value for index, row in state.items() for key, value in row.items()}


def restore_optimiser(optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put copies of what :func:`optimiser_tensors` gave back, in the parameters' memory order.

    The fused step walks a parameter and its moments as plain memory: in another order a moment
    would act on another weight.
    """
    parameters = [weight for group in optimiser.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        weight = parameters[int(index)]
        same = tensor.shape == weight.shape
        own = torch.empty_like(weight).copy_(tensor) if same else tensor.clone()
        state.setdefault(int(index), {})[key] = own
    groups = optimiser.state_dict()["param_groups"]
    optimiser.load_state_dict({"state": state, "param_groups": groups})


def state(model: Model, optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Weights and moments of a model and its optimiser by name.

    Args:
        model: in training.
        optimiser: of its parameters.

    Returns:
        The tensors themselves, of any shapes: ``"model/…"`` and ``"optimiser/…"``.
    """
    weights = {f"model/{name}": tensor for name, tensor in model.state_dict().items()}
    moments = optimiser_tensors(optimiser)
    return weights | {f"optimiser/{name}": tensor for name, tensor in moments.items()}


def restore(model: Model, optimiser: torch.optim.Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Put copies of what :func:`state` gave back.

    Args:
        model: takes the weights.
        optimiser: takes the moments.
        tensors: of any shapes, by name; those of other names are passed over.
    """
    model.load_state_dict(part(tensors, "model/"))
    restore_optimiser(optimiser, part(tensors, "optimiser/"))


def part(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The tensors, of any shapes, whose names begin with a prefix, by what follows it."""
    chosen = {key: tensor for key, tensor in tensors.items() if key.startswith(prefix)}
    return {key.removeprefix(prefix): tensor for key, tensor in chosen.items()}


def reduced(precision: Precision, device: torch.device) -> AbstractContextManager[None]:
    """The arithmetic of a step: float32, or bfloat16 where autocast finds it safe.

    Raises:
        ConfigurationError: TF32 away from a CUDA device.
    """
    if precision == "tf32" and device.type != "cuda":
        raise ConfigurationError("The precision 'tf32' needs a CUDA device; use float32 or bf16.")
    if precision != "bf16":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16, cache_enabled=False)


@dataclass(frozen=True)
class EagerStep:
    """Take a step operation by operation.

    Attributes:
        model: on the device where the step is taken.
        optimiser: of :func:`make_optimiser`.
        images: all training images, shape ``(N, *shape)``; may stay on the host, or in a
            file as :class:`StreamedRows`, when they do not fit on the device.
        learning_rate: as a function of progress.
        precision: arithmetic of the loss.
        totals: on the model's device, shape ``(4,)``: the sum over images of :data:`TERMS`.
        spikes: there too, shape ``(J,)``: the sum over images of every γ_j; None keeps none.
    """

    model: Model
    optimiser: torch.optim.Optimizer
    images: Rows
    learning_rate: Callable[[Progress], Progress]
    precision: Precision
    totals: Tensor
    spikes: Tensor | None = None

    def __call__(self, chosen: Tensor, progress: Progress) -> None:
        """Train on the images with these indices.

        Args:
            chosen: indices on the device of ``images``, shape ``(B,)``.
            progress: in [0, 1]; a number, or a 0-d tensor on the model's device.
        """
        x = self.batch(chosen)
        self.set_rate(self.learning_rate(progress))
        self.optimiser.zero_grad(set_to_none=True)
        with reduced(self.precision, x.device):
            terms = self.model.loss(x, progress)
        terms.objective.backward()
        self.optimiser.step()
        self.model.update_duals(terms, progress)
        self.count(terms, len(chosen))

    def batch(self, chosen: Tensor) -> Tensor:
        """Images with these indices on the model's device, shape ``(B, *shape)``."""
        rows = self.images.index_select(0, chosen)
        x = unit_interval(rows.to(self.totals.device, non_blocking=True))
        return (torch.rand_like(x) < x).to(x.dtype) if self.model.family.draws else x

    def count(self, terms: Terms, images: int) -> None:
        """Add the terms of a batch of so many images to the sums."""
        means = (terms.reconstruction.mean(), terms.kl.mean(), terms.penalty, terms.objective)
        self.totals.add_(torch.stack([term.detach() for term in means]), alpha=images)
        if self.spikes is not None and terms.active is not None:
            self.spikes.add_(terms.active, alpha=images)

    def set_rate(self, rate: Progress) -> None:
        """Set the rate of the next step."""
        for group in self.optimiser.param_groups:
            if not isinstance(group["lr"], Tensor):
                group["lr"] = rate
            elif isinstance(rate, Tensor):
                group["lr"].copy_(rate)
            else:
                group["lr"].fill_(rate)


class CapturedStep:
    """The same step as one CUDA graph; the first few and odd-sized ones are taken eagerly.

    Args:
        eager: the step to capture; its images are on the device.
        batch_size: B, the size that is captured.
    """

    def __init__(self, eager: EagerStep, batch_size: int) -> None:
        device = eager.totals.device
        self.eager, self.taken = eager, 0
        self.chosen = torch.zeros(batch_size, dtype=torch.int64, device=device)
        self.progress = torch.zeros((), device=device)
        self.side, self.graph = torch.cuda.Stream(device), torch.cuda.CUDAGraph()

    def __call__(self, chosen: Tensor, progress: float) -> None:
        """Train on the images with these indices, shape ``(B,)`` or fewer."""
        self.progress.fill_(progress)
        if len(chosen) != len(self.chosen):
            self.eager(chosen, self.progress)
            return
        self.chosen.copy_(chosen)
        if self.taken < WARM_UP_STEPS:
            self._beside()
        else:
            if self.taken == WARM_UP_STEPS:
                with torch.cuda.graph(self.graph):
                    self.eager(self.chosen, self.progress)
            self.graph.replay()
        self.taken += 1

    def _beside(self) -> None:
        """Take the step eagerly on a side stream, which makes a later capture valid."""
        self.side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.side):
            self.eager(self.chosen, self.progress)
        torch.cuda.current_stream().wait_stream(self.side)


def fastest(eager: EagerStep, batch_size: int) -> Step:
    """The step captured where that is possible, otherwise the step itself."""
    if eager.totals.device.type == "cuda" and eager.images.device == eager.totals.device:
        return CapturedStep(eager, batch_size)
    return eager
