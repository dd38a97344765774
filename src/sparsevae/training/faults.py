"""What is done when a loss is no longer a number: find out why, go back, and train more slowly.

An epoch begins with a copy of weights and moments. Where it ends with a number that is not
finite, it is repeated step by step from the copy to find the first such number: randomness
follows from the seed and the epoch, so the repetition meets it again. The copy then comes back and
the epoch is trained anew at half the rate. Steps themselves are not watched and cost nothing more.
A checkpoint in the middle of an epoch may hold weights that are past saving, so it holds the copy
as well.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.models import Model
from sparsevae.models.schedules import Progress, Schedule
from sparsevae.training.step import EagerStep, reduced, restore, state

MOST_FAULTS = 3  # after so many a run stops
FACTOR = "learning_rate_factor"  # column of the history once a rate was halved


@dataclass(frozen=True)
class Slowed:
    """A schedule times a factor.

    Attributes:
        schedule: as configured.
        factor: ½ for every fault so far.
    """

    schedule: Schedule
    factor: float

    def __call__(self, progress: Progress) -> Progress:
        """The value at ``progress``."""
        return self.schedule(progress) * self.factor


def slowed(schedule: Schedule, factor: float) -> Callable[[Progress], Progress]:
    """The schedule itself as long as there was no fault, else times the factor.

    Args:
        schedule: as configured.
        factor: ½ for every fault so far, 1 for none.
    """
    return schedule if factor == 1.0 else Slowed(schedule, factor)


def sentence(epoch: int, why: str, factor: float) -> str:
    """What is said when an epoch is trained anew.

    Args:
        epoch: from 0.
        why: of :func:`find`.
        factor: of the rate from now on.

    Raises:
        ConfigurationError: there were too many faults already.
    """
    if factor < 0.5**MOST_FAULTS:
        raise ConfigurationError(
            f"Training diverged in epoch {epoch + 1}, also at {2 * factor:g} of the learning "
            f"rate: {why}; choose a smaller learning rate, and check that the data are finite."
        )
    return (
        f"epoch {epoch + 1}: {why}; it is trained anew from where it began, at {factor:g} of the "
        "learning rate."
    )


class Good:
    """Weights and moments at the beginning of an epoch.

    Args:
        model: in training.
        optimiser: of its parameters.

    Attributes:
        tensors: copies of :func:`sparsevae.training.step.state`.
    """

    def __init__(self, model: Model, optimiser: torch.optim.Optimizer) -> None:
        self.model, self.optimiser = model, optimiser
        self.tensors = {name: t.clone() for name, t in state(model, optimiser).items()}

    def restore(self) -> None:
        """Put them back, in the memory order that they had."""
        restore(self.model, self.optimiser, self.tensors)


def all_finite(model: Model) -> bool:
    """Whether every parameter and buffer is a number."""
    parts = [torch.isfinite(tensor).all() for tensor in model.state_dict().values()]
    return bool(torch.stack(parts).all())


def find(step: EagerStep, batches: Iterable[Tensor], progress: Sequence[float]) -> str:
    """Repeat steps until a number is not finite, and say which was the first.

    Args:
        step: on the state that the epoch began with.
        batches: indices of the epoch's images, each of shape ``(B,)``.
        progress: of each step.
    """
    for chosen, share in zip(batches, progress, strict=True):
        if found := _taken(step, chosen, share):
            return found
    return "no number that is not finite when the epoch was repeated: the device may be at fault"


def _taken(step: EagerStep, chosen: Tensor, progress: float) -> str:
    """Take one step; the first number in it that is not finite, in words, if there is one."""
    model, device = step.model, step.totals.device
    x = step.batch(chosen)
    if not torch.isfinite(x).all():
        return "the data hold a number that is not finite"
    step.set_rate(step.learning_rate(progress))
    step.optimiser.zero_grad(set_to_none=True)
    with reduced(step.precision, device):
        terms = model.loss(x, progress)
    parts = (("reconstruction", terms.reconstruction), ("kl", terms.kl))
    bad = [name for name, part in (*parts, ("penalty", terms.penalty)) if not _finite(part)]
    terms.objective.backward()
    layers = [
        name
        for name, weight in model.named_parameters()
        if weight.grad is not None and not _finite(weight.grad)
    ]
    if bad or layers or not _finite(terms.objective):
        where = f"; the first layer whose gradient is not is {layers[0]}" if layers else ""
        return f"the {' and the '.join(bad) or 'gradient'} of a batch is not finite{where}"
    step.optimiser.step()
    model.update_duals(terms, progress)
    names = [name for name, tensor in model.state_dict().items() if not _finite(tensor)]
    return f"{names[0]} is not finite after a step" if names else ""


def _finite(value: Tensor | float) -> bool:
    return bool(torch.isfinite(torch.as_tensor(value)).all())
