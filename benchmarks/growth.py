"""How the time of one training step grows with the number of latent dimensions.

    python benchmarks/growth.py [--latents 64 512 1024 2048] [--widths 16,32,256] [--rounds 7]

All models and sizes take turns in one process with one thread, some steps each a round; a time
is the processor's, and a ratio is the median over rounds of that within a round. The result is
Markdown.
"""

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from contest import images_of, settings
from rounds import machine, table

from sparsevae.models.schedules import from_json
from sparsevae.networks import kernels
from sparsevae.runs.training import new_model
from sparsevae.training.loop import prepare_process
from sparsevae.training.step import EagerStep, make_optimiser

BATCH, IMAGES, STEPS = 256, 10_240, 4
MODELS = ("ae", "vae", "vsc", "vsc-wu", "top-k")


def stepper(name: str, widths: tuple[int, ...], latents: int, settled: int) -> Callable[[], float]:
    """A model in the middle of its training, and seconds of a few more steps whenever called."""
    config, images = settings(name, widths, latents, BATCH), images_of(IMAGES)[1]
    data = torch.from_numpy(images)
    torch.manual_seed(0)
    model = new_model(config, data)
    rate = from_json(config.learning_rate)
    step = EagerStep(model, make_optimiser(model), data, rate, "float32", torch.zeros(4))

    def some(steps: int = STEPS, progress: float = 0.5) -> float:
        batches = torch.randint(len(data), (steps, BATCH))
        began = time.process_time()
        for chosen in batches:
            step(chosen, progress)
        return (time.process_time() - began) / steps

    for done in range(settled):
        some(1, 1.0 * done / settled)
    return some


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    parser.add_argument("--latents", nargs="+", type=int, default=[64, 512, 1024, 2048])
    parser.add_argument("--widths", default="16,32,256")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--settled", type=int, default=60, help="steps before the first round")
    options = parser.parse_args()
    prepare_process()
    widths = tuple(int(width) for width in options.widths.split(","))
    least, *larger = options.latents
    steppers = {
        (name, latents): stepper(name, widths, latents, options.settled)
        for name in options.models
        for latents in options.latents
    }
    turns = []
    for turn in range(options.rounds):
        order = list(steppers) if turn % 2 == 0 else list(reversed(steppers))
        turns.append({which: steppers[which]() for which in order})
    rows = []
    for name in options.models:
        cells = [name, f"{1e3 * median(turn[name, least] for turn in turns):.1f} ms"]
        for latents in larger:
            grown = median(turn[name, latents] / turn[name, least] for turn in turns)
            cells.append(f"{grown:.2f}")
        rows.append(cells)
    print(
        f"Trunk {options.widths.replace(',', '-')}, batch {BATCH}, one thread, kernel "
        f"{kernels.kernel_name()}, {options.rounds} rounds after {options.settled} steps. "
        f"{machine()}.\n"
    )
    print(table(["step", f"J = {least}", *(f"J = {latents}" for latents in larger)], rows))


if __name__ == "__main__":
    main()
