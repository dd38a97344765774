"""The training loop: one straight function over data that is already where it is used.

Everything random in an epoch follows from the seed and the number of the epoch, so a run
taken up again after any epoch ends bit for bit where an uninterrupted one ends. In the middle of
an epoch it goes on from the sums and the generators' state that :class:`Pause` keeps.

Shape legend: N training images, B images in a batch, J latent dimensions.
"""

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from sparsevae.errors import DeviceError
from sparsevae.models import Model
from sparsevae.models.schedules import Schedule
from sparsevae.networks import kernels
from sparsevae.training import faults, processes
from sparsevae.training.config import Precision
from sparsevae.training.step import TERMS, EagerStep, Rows, fastest
from sparsevae.training.streams import StreamedRows, drawn_order
from sparsevae.training.watch import activity

EPOCHS_A_SEED = 2**20  # seeds of different runs never meet within this many epochs


def device(name: str = "auto") -> torch.device:
    """The device by its name: "cpu", "cuda", "cuda:1", "mps"; "auto" takes CUDA if present.

    Raises:
        DeviceError: the device is unknown or not on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        where = torch.device(name)
        torch.empty(0, device=where)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise DeviceError(
            f"The device {name!r} is not on this machine; use --device cpu or --device auto."
        ) from None
    return where


def prepare_process() -> None:
    """Set up a process that does nothing but train: one thread, no denormals, memory kept.

    Several such processes train faster than one with several threads, and the numbers of a
    run then do not depend on how many cores there are.
    """
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    kernels.keep_freed_memory()


def seed_epoch(seed: int, epoch: int) -> None:
    """Set torch's generators to the state that belongs to one epoch of one seed."""
    torch.manual_seed(seed * EPOCHS_A_SEED + epoch + 1)


@dataclass(frozen=True, eq=False)
class Pause:
    """Where an epoch stands between two of its steps.

    Attributes:
        taken: steps of the epoch that are done.
        tensors: sums over its images so far, and the state of torch's generators.
        seconds: that the epoch has taken.
        good: weights and moments that the epoch began with; None where it is not begun.
    """

    taken: int = 0
    tensors: Mapping[str, Tensor] = field(default_factory=dict)
    seconds: float = 0.0
    good: faults.Good | None = None


def generators(device: torch.device) -> dict[str, Tensor]:
    """The state of torch's generators that a step on a device draws from."""
    states = {"generator": torch.get_rng_state()}
    if device.type == "cuda":
        states["generator_cuda"] = torch.cuda.get_rng_state(device)
    return states


def set_generators(states: Mapping[str, Tensor], device: torch.device) -> None:
    """Put what :func:`generators` gave back."""
    torch.set_rng_state(states["generator"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["generator_cuda"], device)


def train(
    model: Model,
    optimiser: torch.optim.Optimizer,
    images: Rows,
    *,
    epochs: int,
    batch_size: int,
    learning_rate: Schedule,
    seed: int,
    precision: Precision = "float32",
    start: int = 0,
    middle: Pause | None = None,
    factor: float = 1.0,
    on_batch: Callable[[int], None] = lambda images: None,
    on_pause: Callable[[Pause], None] = lambda pause: None,
    pause_after: float = math.inf,
    say: Callable[[str], None] = lambda line: None,
) -> Iterator[dict[str, float]]:
    """Train epoch by epoch; the caller may save between two of them.

    Args:
        model: on the device that trains it.
        optimiser: of :func:`sparsevae.training.step.make_optimiser`, perhaps with a checkpoint's
            state.
        images: N training rows, uint8 grey levels or floats as the likelihood takes them, shape
            ``(N, *shape)``; on the model's device, or on the host when they do not fit there; or
            rows on disk.
        epochs: passes over the images in all.
        batch_size: images a step; the last step of an epoch takes what is left.
        learning_rate: as a function of progress.
        seed: of the order of images and of the noise.
        precision: arithmetic of the loss.
        start: epochs already done.
        middle: where the first epoch stands if it was begun before; None for its beginning.
        factor: of the rate, from faults in epochs that are done.
        on_batch: called after every step with the number of images it took; negative where an
            epoch is trained anew.
        on_pause: called between two steps of an epoch; the caller may save there.
        pause_after: seconds between two pauses.
        say: called with a line when an epoch is trained anew.

    Yields:
        After each epoch its mean terms in nats an image, what
        :func:`sparsevae.training.watch.activity` says of the spikes, and its seconds.

    Raises:
        ConfigurationError: the loss was not a finite number again and again, see
            :mod:`sparsevae.training.faults`.
    """
    work = _Pass(model, optimiser, images, batch_size, learning_rate, seed, precision, epochs)
    for epoch in range(start, epochs):
        begun, middle = middle or Pause(), None
        factor = float(begun.tensors.get(faults.FACTOR, factor))
        good = begun.good or faults.Good(model, optimiser)

        def pause(middle: Pause, good: faults.Good = good) -> None:
            on_pause(replace(middle, good=good))

        while (row := work.epoch(epoch, begun, factor, on_batch, pause, pause_after)) is None:
            begun = Pause()
            good.restore()
            why = work.find(epoch, factor)
            good.restore()
            factor /= 2
            on_batch(-len(images))
            say(faults.sentence(epoch, why, factor))
        yield row if factor == 1.0 else {**row, faults.FACTOR: factor}


@dataclass
class _Pass:
    """Passes over the images of one training."""

    model: Model
    optimiser: torch.optim.Optimizer
    images: Rows
    batch_size: int
    learning_rate: Schedule
    seed: int
    precision: Precision
    epochs: int

    def __post_init__(self) -> None:
        device = next(self.model.parameters()).device
        self.totals = torch.zeros(len(TERMS), device=device)
        self.spikes = torch.zeros(self.model.latents, device=device)
        self.steps = -(-len(self.images) // self.batch_size)
        self._slow(1.0)

    def epoch(
        self,
        epoch: int,
        begun: Pause,
        factor: float,
        on_batch: Callable[[int], None],
        on_pause: Callable[[Pause], None],
        pause_after: float,
    ) -> dict[str, float] | None:
        """Train one epoch, perhaps from its middle: its row; None where a number is not finite."""
        if factor != self.factor:
            self._slow(factor)
        batches = self._begin(epoch, begun)
        began, paused = time.perf_counter() - begun.seconds, time.perf_counter()
        for place, chosen in enumerate(batches[begun.taken :], start=begun.taken + 1):
            self.take_step(chosen, self._progress(epoch, place))
            on_batch(len(chosen))
            now = time.perf_counter()
            if now - paused >= pause_after and place < self.steps:
                on_pause(Pause(place, self._sums(), now - began))
                paused = time.perf_counter()
        means = dict(zip(TERMS, (self.totals / len(self.images)).tolist(), strict=True))
        if not math.isfinite(means["objective"]) or not faults.all_finite(self.model):
            return None
        gates = activity(self.spikes / len(self.images), self.model.has_gates)
        return {"epoch": epoch + 1, **means, **gates, "seconds": time.perf_counter() - began}

    def find(self, epoch: int, factor: float) -> str:
        """What went wrong in an epoch, in words; the state is the one that it began with."""
        batches = self._begin(epoch, Pause())
        progress = [self._progress(epoch, place) for place in range(1, self.steps + 1)]
        return faults.find(self._eager(factor), batches, progress)

    def _begin(self, epoch: int, begun: Pause) -> tuple[Tensor, ...]:
        """Set generators and sums to where an epoch stands, and give all of its batches."""
        seed_epoch(self.seed, epoch)
        self.totals.zero_()
        self.spikes.zero_()
        numbers = math.prod(self.images.shape[1:])
        order = drawn_order(len(self.images), numbers, self.batch_size, self.images.device)
        if isinstance(self.images, StreamedRows):
            self.images.begin(order, processes.share if processes.number() > 1 else None)
        if begun.taken:
            self.totals.copy_(begun.tensors["totals"])
            self.spikes.copy_(begun.tensors["spikes"])
            set_generators(begun.tensors, self.totals.device)
        return torch.split(order.rows, self.batch_size)

    def _sums(self) -> dict[str, Tensor]:
        sums = {"totals": self.totals, "spikes": self.spikes, **generators(self.totals.device)}
        return sums if self.factor == 1.0 else {**sums, faults.FACTOR: torch.tensor(self.factor)}

    def _progress(self, epoch: int, place: int) -> float:
        return (epoch * self.steps + place - 1) / max(1, self.epochs * self.steps - 1)

    def _eager(self, factor: float) -> EagerStep:
        rate, sums = faults.slowed(self.learning_rate, factor), (self.totals, self.spikes)
        return EagerStep(self.model, self.optimiser, self.images, rate, self.precision, *sums)

    def _slow(self, factor: float) -> None:
        self.factor = factor
        eager, together = self._eager(factor), processes.number() > 1
        self.take_step = (
            processes.SharedStep(eager) if together else fastest(eager, self.batch_size)
        )
