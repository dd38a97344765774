"""How fast each compiled operation runs, beside PyTorch's own and a large matrix product.

    python benchmarks/kernels.py [--clock processor]

One thread, the shapes of the trunks 16-32-64 and 16-32-256 on 28x28 images, batch 256. A time
is the shortest of many calls; forward is without, backward with the gradients of everything
but the images. Share is the rate of useful arithmetic divided by that of a matrix product of
side 2048, and divided by what the core can do at all (peak.cpp). The result is Markdown. On a
machine that is not idle `--clock processor` counts the seconds that the process had instead of
those that went by.
"""

import argparse
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from rounds import machine, table
from torch import Tensor

from sparsevae.networks import kernels

BATCH, SIDE = 256, 2048
CLOCKS = {"wall": time.perf_counter, "processor": time.process_time}


@dataclass(frozen=True)
class Operation:
    """One layer of a trunk.

    Attributes:
        title: what the table calls it.
        function: from the leaves to the result.
        leaves: inputs of the function; those that require a gradient get one.
        products: multiplications and additions of the forward pass for one image.
    """

    title: str
    function: Callable[..., Tensor]
    leaves: tuple[Tensor, ...]
    products: float

    def backward_passes(self) -> int:
        """Products of the forward pass's size that the gradients need."""
        return sum(leaf.requires_grad and leaf.dim() > 1 for leaf in self.leaves)


def maps(*shape: int, gradient: bool = True) -> Tensor:
    """Random maps in channels-last order, half of them zero as behind a ReLU."""
    values = torch.randn(shape).relu_()
    return values.contiguous(memory_format=torch.channels_last).requires_grad_(gradient)


def matrix(*shape: int) -> Tensor:
    """Random numbers that need a gradient."""
    return (0.1 * torch.randn(shape)).requires_grad_()


def strided(large: int, small: int, side: int) -> Iterator[Operation]:
    """A convolution from `large` to `small` channels, and its transpose."""
    half, products = side // 2, 2 * (side // 2) ** 2 * 9 * large * small
    weight, images = matrix(small, large, 3, 3), maps(BATCH, large, side, side, gradient=large > 1)

    def convolve(images: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        return kernels.strided_convolutions(images, [(weight, bias)], relu=True)

    def spread(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        size, relu = (side, side), large > 1
        return kernels.strided_transposed_convolutions(maps, [(weight, bias)], size, relu=relu)

    leaves = (images, weight, matrix(small))
    yield Operation(f"convolution {large} to {small}", convolve, leaves, products)
    leaves = (maps(BATCH, small, half, half), weight, matrix(large))
    yield Operation(f"transposed convolution {small} to {large}", spread, leaves, products)


def full(wide: int, pixels: int = 49, channels: int = 32) -> Iterator[Operation]:
    """The layer from the smallest map to `wide` features, and its mirror image."""
    inputs = pixels * channels
    leaves = (matrix(BATCH, inputs), matrix(wide, inputs), matrix(wide))
    products = 2 * inputs * wide
    yield Operation(
        f"linear {inputs} to {wide}", partial(kernels.linear, relu=True), leaves, products
    )
    leaves = (matrix(BATCH, wide), matrix(wide, inputs), matrix(channels))
    back = partial(kernels.transposed_linear, relu=True)
    yield Operation(f"transposed linear {wide} to {inputs}", back, leaves, products)


def operations() -> Iterator[Operation]:
    """Every layer once."""
    yield from strided(1, 16, 28)
    yield from strided(16, 32, 14)
    yield from full(64)
    yield from full(256)
    logits, values = maps(BATCH, 1, 28, 28), torch.rand(BATCH, 1, 28, 28)
    yield Operation("Bernoulli score", kernels.bernoulli_score, (logits, values), 0)


def peak() -> float:
    """Multiplications and additions that one core can do in a second, with nothing else to do."""
    source = Path(__file__).with_name("peak.cpp")
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder) / "peak"
        flags = ("-O3", "-std=c++17", "-march=native", "-ffp-contract=fast")
        subprocess.run(["c++", *flags, str(source), "-o", str(program)], check=True)
        return 1e9 * float(subprocess.run([program], check=True, capture_output=True).stdout)


def shortest(call: Callable[[], object], clock: Callable[[], float], repeats: int) -> float:
    """Seconds of the fastest call."""
    best = float("inf")
    for _ in range(repeats):
        began = clock()
        call()
        best = min(best, clock() - began)
    return best


def times(operation: Operation, clock: Callable[[], float], repeats: int) -> tuple[float, float]:
    """Seconds forward and backward with the kernels in use."""
    with torch.no_grad():
        forward = shortest(lambda: operation.function(*operation.leaves), clock, repeats)
    result = operation.function(*operation.leaves)
    wanted = [leaf for leaf in operation.leaves if leaf.requires_grad]
    gradient = partial(
        torch.autograd.grad, result, wanted, torch.randn_like(result), retain_graph=True
    )
    return forward, shortest(gradient, clock, repeats)


def row(
    operation: Operation, rates: tuple[float, ...], clock: Callable[[], float], repeats: int
) -> list[str]:
    """A line of the table."""
    found = {}
    for name in ("native", "plain"):
        with kernels.use(name):
            found[name] = times(operation, clock, repeats)
    cells = [operation.title]
    for index, passes in enumerate((1, operation.backward_passes())):
        native, plain = found["native"][index], found["plain"][index]
        rate = passes * operation.products * BATCH / native
        cells += [f"{native * 1e6:.0f}", f"{plain * 1e6:.0f}"]
        cells += [f"{rate / known:.2f}" if rate else "" for known in rates]
    return cells


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall")
    options = parser.parse_args()
    torch.set_num_threads(1)
    kernels.keep_freed_memory()
    clock = CLOCKS[options.clock]
    left, right = torch.randn(SIDE, SIDE), torch.randn(SIDE, SIDE)
    gemm = 2 * SIDE**3 / shortest(lambda: left @ right, clock, 5)
    most = peak()
    print(
        f"Batch {BATCH}, one thread, microseconds by the {options.clock} clock, kernel "
        f"{kernels.kernel_name()}, matrix product {gemm / 1e9:.0f} GFLOP/s, peak of the core "
        f"{most / 1e9:.0f} GFLOP/s. {machine()}.\n"
    )
    shares = ["of product", "of peak"]
    head = ["operation", "forward", "PyTorch", *shares, "backward", "PyTorch", *shares]
    rows = [row(operation, (gemm, most), clock, options.repeats) for operation in operations()]
    print(table(head, rows))


if __name__ == "__main__":
    main()
