"""One model trained by several processes, each on its share of every batch.

All of them draw the same order and the same noise, for whole batches, and each takes the rows of
its own share from both. Gradients and what a batch has on average are added up over the processes
in every step, so weights stay the same everywhere, and equal those of one process up to the
rounding of sums. Li et al., "PyTorch Distributed" (VLDB 2020).

Shape legend: B rows in a batch, b of them in a process's share, J latent dimensions.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr, redirect_stdout
from dataclasses import replace
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.overrides import TorchFunctionMode

from sparsevae.errors import ConfigurationError, DeviceError, SparseVAEError
from sparsevae.models import Model, Terms
from sparsevae.models.schedules import Progress
from sparsevae.training.step import EagerStep, reduced

PATIENCE = timedelta(
    days=7
)  # others wait while the first one measures; the dead are known at once
LIKE: tuple[Any, ...] = (
    *(torch.rand_like, torch.randn_like),
    *(Tensor.exponential_, Tensor.uniform_, Tensor.normal_),
)
"""Draws of the shape of their first argument."""
SIZED = (torch.rand, torch.randn)
UNEVEN = (  # what they draw for a row depends on others, or on numbers of other processes
    *(torch.bernoulli, torch.poisson, torch.multinomial, torch.binomial, torch._standard_gamma),
    *(Tensor.bernoulli_, Tensor.multinomial, torch.nn.functional.dropout),
)


def number() -> int:
    """How many processes train the model together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def place() -> int:
    """Which of them this one is, from 0."""
    return dist.get_rank() if number() > 1 else 0


def first() -> bool:
    """Whether this process is the one that writes."""
    return place() == 0


@contextmanager
def joined(device: torch.device) -> Iterator[None]:
    """Train together with the processes that ``torchrun`` has started beside this one, if any.

    All but the first one are silent.

    Args:
        device: that the model trains on; on a CUDA device each process takes a GPU of its own.

    Raises:
        DeviceError: there are fewer GPUs than processes.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) == 1 or "RANK" not in os.environ or number() > 1:
        yield
        return
    if device.type == "cuda":
        local, there = int(os.environ.get("LOCAL_RANK", "0")), torch.cuda.device_count()
        if local >= there:
            raise DeviceError(
                f"Each process needs a GPU of its own, and this machine has {there}; start as "
                "many processes, or use --device cpu."
            )
        torch.cuda.set_device(local)
    backend = "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    try:
        with nullcontext() if first() else _silent():
            yield
    finally:
        dist.destroy_process_group()


@contextmanager
def _silent() -> Iterator[None]:
    with open(os.devnull, "w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def meet() -> None:
    """Wait until all processes are here."""
    if number() > 1:
        _add_up(torch.zeros(1))


def _add_up(numbers: Tensor) -> None:
    """Put the sum over all processes in place of the numbers.

    Raises:
        SparseVAEError: another process has ended.
    """
    try:
        dist.all_reduce(numbers)
    except RuntimeError as error:
        raise SparseVAEError(
            "Another process of this training has ended; start the same command again and it "
            f"goes on from the last checkpoint ({str(error).partition(chr(10))[0].strip()})."
        ) from None


def share(batch: Tensor) -> Tensor:
    """A process's own rows of a batch; all of one that has fewer rows than there are processes.

    Args:
        batch: indices, shape ``(B,)``.
    """
    low, high = _ends(len(batch))
    return batch[low:high]


def _ends(rows: int) -> tuple[int, int]:
    if rows < number():
        return 0, rows
    return rows * place() // number(), rows * (place() + 1) // number()


def check(model: Model) -> None:
    """Raise :class:`ConfigurationError` for a model that a batch cannot be shared out of."""
    if model.couples_rows:
        raise ConfigurationError(
            f"A {type(model).__name__} chooses among all rows of a batch, which processes do not "
            "share; train it in one."
        )


class SharedStep:
    """A step that every process takes on its share of the batch.

    Args:
        eager: the step on a whole batch.

    Raises:
        ConfigurationError: the model's rows cannot be told apart, see :func:`check`.
    """

    def __init__(self, eager: EagerStep) -> None:
        check(eager.model)
        self.eager = eager
        for tensor in eager.model.state_dict().values():
            dist.broadcast(tensor, 0)

    def __call__(self, chosen: Tensor, progress: Progress) -> None:
        """Train on the rows with these indices.

        Args:
            chosen: of the whole batch, shape ``(B,)``.
            progress: in [0, 1].
        """
        eager, rows = self.eager, len(chosen)
        low, high = _ends(rows)
        part = (high - low) / rows if rows >= number() else 1 / number()
        with Noise(rows, low, high):
            x = eager.batch(chosen[low:high])
        eager.set_rate(eager.learning_rate(progress))
        eager.optimiser.zero_grad(set_to_none=True)
        with reduced(eager.precision, x.device), Noise(rows, low, high), _batch_means(eager, part):
            terms = eager.model.loss(x, progress)
        (part * terms.objective).backward()
        terms = self._added_up(terms, part)
        eager.optimiser.step()
        eager.model.update_duals(terms, progress)
        eager.count(terms, rows)

    def _added_up(self, terms: Terms, part: float) -> Terms:
        """Means over the whole batch in place of a share's, gradients too."""
        weights = (weight.grad for weight in self.eager.model.parameters())
        gradients = [gradient for gradient in weights if gradient is not None]
        means = [terms.reconstruction.mean(), terms.kl.mean(), terms.penalty, terms.objective]
        extra = [t for t in (terms.active, terms.opened) if t is not None]
        numbers = [part * term.detach().float() for term in (*means, *extra)]
        both = [*gradients, *numbers]
        flat = torch.cat([tensor.flatten().float() for tensor in both])
        _add_up(flat)
        whole = [
            piece.view_as(tensor)
            for piece, tensor in zip(flat.split([t.numel() for t in both]), both, strict=True)
        ]
        torch._foreach_copy_(gradients, whole[: len(gradients)])
        found = iter(whole[len(gradients) :])
        reconstruction, kl, penalty, _ = (next(found) for _ in means)
        active = None if terms.active is None else next(found)
        opened = None if terms.opened is None else next(found)
        sums = {"reconstruction": reconstruction[None], "kl": kl[None], "penalty": penalty}
        return replace(terms, **sums, active=active, opened=opened)


class Noise(TorchFunctionMode):
    """Inside a ``with`` block, noise for b rows is that of these rows in a whole batch.

    Args:
        rows: B.
        low: the first row of the share.
        high: behind the last one.
    """

    def __init__(self, rows: int, low: int, high: int) -> None:
        super().__init__()
        self.rows, self.low, self.high = rows, low, high

    def __torch_function__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Call a function of torch's, one that draws for the whole batch."""
        kwargs = kwargs or {}
        if function in LIKE and self._of_share(args[0].shape):
            drawn = self._drawn(function, args[0], *args[1:], **kwargs)
            return args[0].copy_(drawn) if function.__name__.endswith("_") else drawn
        if function in SIZED:
            size: Any = kwargs.pop("size") if "size" in kwargs else args
            size = size[0] if isinstance(size[0], (tuple, list)) else size
            if self._of_share(size):
                return function((self.rows, *size[1:]), **kwargs)[self.low : self.high]
            return function(size, **kwargs)
        if (
            function is torch.normal
            and isinstance(args[0], Tensor)
            and self._of_share(args[0].shape)
        ):
            deviation = args[1] if len(args) > 1 else kwargs["std"]
            return args[0] + deviation * self._drawn(torch.randn_like, args[0])
        if function in UNEVEN:
            raise ConfigurationError(
                f"The model draws from torch's {function.__name__}, which several processes do "
                "not share; train it in one."
            )
        return function(*args, **kwargs)

    def _drawn(
        self, function: Callable[..., Tensor], like: Tensor, *rest: Any, **more: Any
    ) -> Tensor:
        """What a function draws of the shape of its argument, for the whole batch's rows."""
        shape, strides = (self.rows, *like.shape[1:]), like.stride()
        return function(like.new_empty_strided(shape, strides), *rest, **more)[
            self.low : self.high
        ]

    def _of_share(self, shape: Any) -> bool:
        return len(shape) > 0 and shape[0] == self.high - self.low


@contextmanager
def _batch_means(eager: EagerStep, part: float) -> Iterator[None]:
    """Let the penalty see what the whole batch has on average, with the slope of the share.

    A penalty of means over a batch is no sum over its rows, so it is of the whole batch's means
    in every process; slopes, weighted as the shares are, then add up to its own.
    """
    if eager.model.penalty is None or eager.model.penalty.on == "none":
        yield
        return

    def whole(module: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
        posterior, prior, *rest = given
        here = torch.cat([posterior.detach().mean(0), prior.detach().mean(0)])
        means = part * here
        _add_up(means)
        ours, expected = (means - here).tensor_split([posterior.shape[1]])
        return posterior + ours, prior + expected, *rest

    handle = eager.model.penalty.register_forward_pre_hook(whole)
    try:
        yield
    finally:
        handle.remove()
