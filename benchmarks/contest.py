"""One contestant in one process: train a model with one loop and print its speed as JSON.

    python benchmarks/contest.py sparsevae vae --widths 16,32,64 --latents 32

The first batches are not counted. The library's own loop also takes the rate of a large
matrix product in the same process, right after the training.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np
import torch
from competitors import OnBatch, lightning_loop, pythae_loop
from plain import Images, plain_model, usual_loop
from torch.utils.flop_counter import FlopCounterMode

from sparsevae import data
from sparsevae.errors import DownloadError
from sparsevae.models.schedules import from_json
from sparsevae.networks import kernels
from sparsevae.runs.training import new_model
from sparsevae.training.config import RunConfig, StudyConfig
from sparsevae.training.loop import train
from sparsevae.training.recipes import runs
from sparsevae.training.step import make_optimiser

WARM_UP_BATCHES = 8
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}
GEMM_SIDE, GEMM_TRIES = 2048, 5
Loop = Callable[..., None]


class Watch:
    """Counts images and seconds after the first batches.

    Args:
        clock: a key of ``CLOCKS``; the one that decides the speed.
    """

    def __init__(self, clock: str) -> None:
        self.clock, self.batches, self.images = clock, 0, 0
        self.began = self.ended = dict.fromkeys(CLOCKS, 0.0)

    def __call__(self, images: int) -> None:
        """Note that a batch is done."""
        self.ended = {name: clock() for name, clock in CLOCKS.items()}
        self.batches += 1
        if self.batches <= WARM_UP_BATCHES:
            self.began = self.ended
        else:
            self.images += images

    def speed(self) -> dict[str, float]:
        """Images a second, and how many processors the process had."""
        seconds = {name: self.ended[name] - self.began[name] for name in CLOCKS}
        processors = seconds["processor"] / seconds["wall"]
        return {"speed": self.images / seconds[self.clock], "processors": processors}


def images_of(count: int) -> tuple[str, Images]:
    """MNIST's first training images, or noise of the same shape; and which of them it is."""
    try:
        return "MNIST", data.load("mnist").train.images[:count]
    except DownloadError:
        noise = np.random.default_rng(0).integers(0, 256, (count, 1, 28, 28), np.uint8)
        return "synthetic images of MNIST's shape", noise


def settings(model: str, widths: tuple[int, ...], latents: int, batch_size: int) -> RunConfig:
    """The run that a study would do with its default recipe."""
    grid = {"models": (model,), "latents": (latents,), "widths": widths}
    return runs(StudyConfig.checked({**grid, "batch_size": batch_size}), "mnist")[0]


def own_loop(config: RunConfig, images: Images, on_batch: OnBatch, *, epochs: int) -> None:
    """The loop that a study trains with, in a process set up as a study's workers are."""
    kernels.keep_freed_memory()
    data = torch.from_numpy(images)
    model = new_model(config, data)
    for _ in train(
        model,
        make_optimiser(model),
        data,
        epochs=epochs,
        batch_size=config.batch_size,
        learning_rate=from_json(config.learning_rate),
        seed=config.seed,
        on_batch=on_batch,
    ):
        pass


def own_loop_plain(config: RunConfig, images: Images, on_batch: OnBatch, *, epochs: int) -> None:
    """The same loop on PyTorch's operations."""
    with kernels.use("plain"):
        own_loop(config, images, on_batch, epochs=epochs)


LOOPS: dict[str, Loop] = {
    "sparsevae": own_loop,
    "sparsevae-plain": own_loop_plain,
    "usual": usual_loop,
    "lightning": lightning_loop,
    "pythae": pythae_loop,
}


def gemm_rate(now: Callable[[], float]) -> float:
    """Floating-point operations a second of a large float32 matrix product, best of some."""
    a, b = torch.rand(2, GEMM_SIDE, GEMM_SIDE).unbind()
    seconds = []
    for _ in range(GEMM_TRIES):
        began = now()
        torch.mm(a, b)
        seconds.append(now() - began)
    return 2 * GEMM_SIDE**3 / min(seconds)


def operations_an_image(config: RunConfig, images: Images) -> float:
    """Floating-point operations of a training step, forward and backward, divided by B.

    Counted by PyTorch's own counter on PyTorch's own layers: convolutions and matrix products
    alone, a multiplication and an addition as two. Pseudo-inputs of a prior are among them.
    """
    model = plain_model(config, images)
    batch = torch.from_numpy(images[: config.batch_size]).float() / 255
    with FlopCounterMode(display=False) as counter:
        model.loss(batch, 1.0).objective.backward()
    return counter.get_total_flops() / len(batch)


def main() -> None:
    """Run the contestant that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("loop", choices=LOOPS)
    parser.add_argument("model")
    parser.add_argument("--widths", default="16,32,64")
    parser.add_argument("--latents", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--images", type=int, default=10_240)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.set_flush_denormal(True)
    widths = tuple(int(width) for width in options.widths.split(","))
    config = settings(options.model, widths, options.latents, options.batch_size)
    data, images = images_of(options.images)
    watch = Watch(options.clock)
    LOOPS[options.loop](config, images, watch, epochs=options.epochs)
    result = {**watch.speed(), "data": data}
    if options.loop == "sparsevae":
        result["kernel"] = kernels.kernel_name()
        result["operations"] = operations_an_image(config, images)
        result["gemm"] = gemm_rate(CLOCKS[options.clock])
    print(json.dumps(result))


if __name__ == "__main__":
    main()
