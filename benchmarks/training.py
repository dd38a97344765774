"""How fast the study's own loop trains on one core, against other loops and a matrix product.

    python benchmarks/training.py [--widths 16,32,64] [--rounds 5]

Every contestant trains the same network on the same images with the same batch size, on one
thread, in a fresh process a round; contestants take turns. Lightning and Pythae are installed
into build/competitors on the first call. The result is Markdown. On a machine that is not idle
`--clock processor` counts the seconds that a process had instead of those that went by.
"""

import argparse
import sys
from collections.abc import Callable, Iterator

from competitors import PACKAGES, install
from rounds import (
    TITLES,
    Result,
    Rounds,
    answer,
    disturbance,
    interleaved,
    machine,
    middle,
    ratio,
    start,
    table,
)

OTHERS = {"usual": "usual loop", "lightning": "Lightning", "pythae": "Pythae 0.1.2"}
FULLY_COMPARED = "vae"  # the only model of a study that Pythae has; the others meet the usual loop
LATENTS = 32


def contestants(options: argparse.Namespace, missing: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Pairs of a loop and a model, the ones to be compared next to each other."""
    for model in TITLES:
        yield "sparsevae", model
        yield "usual", model
        if model == FULLY_COMPARED:
            yield "sparsevae-plain", model
            yield from ((name, model) for name in PACKAGES if name not in missing)


def runner(loop: str, model: str, options: argparse.Namespace) -> Callable[[], Result]:
    """What runs a contestant once."""
    arguments = ["--widths", options.widths, "--latents", str(options.latents)]
    arguments += ["--images", str(options.images), "--epochs", str(options.epochs)]
    arguments += ["--clock", options.clock]
    return lambda: answer(start("contest.py", loop, model, *arguments))


def share_of_gemm(result: Result) -> float:
    """Rate of useful arithmetic, divided by the rate of a large matrix product."""
    return float(result["speed"] * result["operations"] / result["gemm"])


def speeds(results: Rounds) -> str:
    """A row a model: speed, share of the matrix product's rate, ratio to the usual loop."""
    rows = []
    for model in TITLES:
        ours, usual = results[f"sparsevae {model}"], results[f"usual {model}"]
        shares = [{"speed": share_of_gemm(result)} for result in ours]
        rows.append(
            [
                TITLES[model],
                f"{middle(ours):,.0f}",
                f"{middle(ours, 'operations') / 1e6:.2f}",
                f"{middle(shares):.2f}",
                f"{middle(usual):,.0f}",
                f"{ratio(ours, usual):.2f}",
            ]
        )
    head = ["model", "images/s", "MFLOP/image", "share of GEMM", "usual loop, images/s", "ratio"]
    return table(head, rows)


def comparison(results: Rounds, missing: dict[str, str]) -> str:
    """A row for every other loop that trains the VAE."""
    ours = results[f"sparsevae {FULLY_COMPARED}"]
    rows = [["sparsevae", f"{middle(ours):,.0f}", "1.00"]]
    loops = {"sparsevae-plain": "sparsevae without compiled kernels", **OTHERS}
    for loop, title in loops.items():
        if loop in missing:
            rows.append([f"{title}: not installed ({missing[loop]})", "", ""])
            continue
        other = results[f"{loop} {FULLY_COMPARED}"]
        rows.append([title, f"{middle(other):,.0f}", f"{ratio(ours, other):.2f}"])
    return table(["VAE trained by", "images/s", "sparsevae is faster by"], rows)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--widths", default="16,32,64", help="widths of the trunk")
    parser.add_argument("--latents", type=int, default=LATENTS)
    parser.add_argument("--images", type=int, default=10_240)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    options = parser.parse_args()
    missing = {name: reason for name in PACKAGES if (reason := install(name))}
    pairs = list(contestants(options, missing))
    runners = {f"{loop} {model}": runner(loop, model, options) for loop, model in pairs}
    results = interleaved(runners, options.rounds)
    ours = results[f"sparsevae {FULLY_COMPARED}"]
    print(
        f"Trunk {options.widths.replace(',', '-')}, J = {options.latents}, batch 256, "
        f"{ours[0]['data']}, {options.epochs} x {options.images:,} images a round, one thread, "
        f"medians of {options.rounds} rounds by the {options.clock} clock, kernel "
        f"{ours[0]['kernel']}, matrix product {middle(ours, 'gemm') / 1e9:.0f} GFLOP/s. "
        f"{machine()}."
    )
    for part in (disturbance(results), speeds(results), comparison(results, missing)):
        if part:
            print(f"\n{part}")


if __name__ == "__main__":
    sys.exit(main())
