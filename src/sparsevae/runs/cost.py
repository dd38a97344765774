"""What a run will cost, before it starts: a few steps of a model of the same size are timed."""

import math
import resource
import sys
import time
from dataclasses import dataclass

import torch

from sparsevae.data import Dataset
from sparsevae.evaluation.limits import AT_ONCE, rows_held
from sparsevae.models.schedules import from_json
from sparsevae.runs.train import measuring_worth
from sparsevae.runs.training import Training, rows_of
from sparsevae.training import loop, streams
from sparsevae.training.config import RunConfig
from sparsevae.training.step import TERMS, EagerStep, Rows

PATIENCE = 1.0  # seconds that are spent on it, besides the first step
MOST_STEPS = 20
COPIES = 8  # of the rows that are measured, in all: scaled, decoded, noisy, restored, …
MAPS = 24  # numbers held for one of a batch, in the layers of a trunk
FLOAT = 4  # bytes


@dataclass(frozen=True)
class Cost:
    """An estimate.

    Attributes:
        steps: of training.
        step: seconds that one takes.
        measuring: seconds that it takes to measure the model, roughly.
        memory: bytes of the process at most, roughly.
    """

    steps: int
    step: float
    measuring: float
    memory: int

    @property
    def seconds(self) -> float:
        """Of training and measuring."""
        return self.steps * self.step + self.measuring

    @property
    def sentence(self) -> str:
        """For the screen."""
        return (
            f"Cost: {self.steps:,} steps of {1000 * self.step:.3g} ms, {in_words(self.seconds)} "
            f"with measuring; about {self.memory / 1e9:.1f} GB of memory."
        )


def in_words(seconds: float) -> str:
    """A time as a person would say it.

    Example:
        >>> in_words(0.4), in_words(75), in_words(1000), in_words(9000)
        ('about 1 s', 'about 75 s', 'about 17 min', 'about 2.5 h')
    """
    if seconds < 90:
        return f"about {max(1, round(seconds))} s"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min"
    return f"about {seconds / 3600:.1f} h"


def estimate(config: RunConfig, dataset: Dataset, device: str = "auto") -> Cost:
    """Time some steps of a model that is thrown away; torch's generators stay as they are.

    Args:
        config: of the run.
        dataset: a batch of its training rows is taken.
        device: see :func:`sparsevae.training.loop.device`.
    """
    batch = min(config.batch_size, len(dataset.train))
    images = rows_of(dataset.train.take(slice(batch)))
    training = Training.begin(config, images, loop.device(device))
    step = step_seconds(training, images)
    steps = config.epochs * -(-len(dataset.train) // config.batch_size)
    measuring = measuring_worth(config, dataset) * step / batch
    return Cost(steps, step, measuring, memory(config, dataset))


def step_seconds(training: Training, images: Rows) -> float:
    """Seconds that a step takes, the first one left out; the model is trained by it."""
    model, config = training.model, training.config
    where = next(model.parameters()).device
    rows = images.to(where) if isinstance(images, torch.Tensor) else images
    totals = torch.zeros(len(TERMS), device=where)
    rate = from_json(config.learning_rate)
    step = EagerStep(model, training.optimiser, rows, rate, config.precision, totals)
    chosen = torch.arange(len(rows), device=rows.device)
    times: list[float] = []
    with torch.random.fork_rng():
        step(chosen, 0.5)
        while len(times) < 2 or (sum(times) < PATIENCE and len(times) < MOST_STEPS):
            began = time.perf_counter()
            step(chosen, 0.5)
            float(totals[0])  # waits for the device
            times.append(time.perf_counter() - began)
    return sorted(times)[len(times) // 2]


def memory(config: RunConfig, dataset: Dataset) -> int:
    """Bytes that the process will take at most: what it takes now, the rows and measuring."""
    size, elements = dataset.train.images.size, math.prod(dataset.shape)
    scaled = FLOAT * size if dataset.train.scaling is not None else 0
    held = rows_held(len(dataset.test), elements, config.latents) * elements
    batch = min(AT_ONCE, 1000 * elements) * MAPS
    return peak() + (scaled if scaled <= streams.RESIDENT else 0) + FLOAT * (COPIES * held + batch)


def peak() -> int:
    """Bytes that this process has taken at most so far."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
