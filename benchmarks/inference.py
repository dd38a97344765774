"""Encode 60,000 images with the library and with PyTorch's own layers, taking turns.

    python benchmarks/inference.py [--rounds 5]

Both get uint8 images, convert them a batch at a time and return the deterministic codes, on
one thread in one process. The result is Markdown.
"""

import argparse
from collections.abc import Callable
from statistics import median

import torch
from contest import CLOCKS, images_of, settings
from plain import plain_model
from rounds import TITLES, machine, table
from torch import Tensor

from sparsevae.evaluation.passes import BATCH
from sparsevae.models import Model
from sparsevae.networks import kernels
from sparsevae.runs.training import new_model
from sparsevae.training.step import unit_interval

IMAGES, LATENTS = 60_000, 64


def encode_all(model: Model, images: Tensor) -> Tensor:
    """Codes of all images, shape ``(N, J)``."""
    return torch.cat([model.encode(unit_interval(part)) for part in torch.split(images, BATCH)])


def seconds(work: Callable[[], object], now: Callable[[], float]) -> float:
    """How long a call takes."""
    began = now()
    work()
    return now() - began


def measured(
    name: str, widths: tuple[int, ...], rounds: int, now: Callable[[], float]
) -> list[str]:
    """A row of the table: medians of both, and of their ratio."""
    config = settings(name, widths, LATENTS, batch_size=256)
    images = images_of(IMAGES)[1]
    data = torch.from_numpy(images)
    own, plain = new_model(config, data).eval(), plain_model(config, images).eval()
    encode_all(own, data[: 4 * BATCH])
    encode_all(plain, data[: 4 * BATCH])
    pairs = [
        (
            seconds(lambda: encode_all(own, data), now),
            seconds(lambda: encode_all(plain, data), now),
        )
        for _ in range(rounds)
    ]
    ratio = median(b / a for a, b in pairs)
    ours, others = (median(column) for column in zip(*pairs, strict=True))
    trunk = "-".join(str(width) for width in widths)
    return [f"{TITLES[name]}, {trunk}", f"{ours:.2f} s", f"{others:.2f} s", f"{ratio:.2f}"]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=CLOCKS, default="wall")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    now = CLOCKS[options.clock]
    rows = [
        measured(name, widths, options.rounds, now)
        for widths in ((16, 32, 64), (16, 32, 256))
        for name in ("vae", "vsc")
    ]
    print(
        f"{IMAGES:,} images ({images_of(1)[0]}), J = {LATENTS}, {BATCH} a batch, one thread, "
        f"medians of {options.rounds} rounds by the {options.clock} clock, kernel "
        f"{kernels.kernel_name()}. {machine()}.\n"
    )
    print(table(["encoder", "sparsevae", "plain eager forward", "ratio"], rows))


if __name__ == "__main__":
    main()
