"""What two cores are best used for: two threads of one process, or two processes.

    python benchmarks/processes.py [--rounds 5]

The same VAE is trained by one process with one thread, one with two threads, and by two
processes with a thread each at the same time, whose speeds are added. The result is Markdown.
"""

import argparse

from rounds import Result, Rounds, answer, interleaved, machine, middle, ratio, start, table

ARGUMENTS = ("--latents", "64", "--images", "10240", "--epochs", "2")
TITLES = {
    "one": "1 process, 1 thread",
    "threads": "1 process, 2 threads",
    "processes": "2 processes, 1 thread each",
}


def together(processes: int, threads: int, loop: str, widths: str) -> Result:
    """Run the same contestant several times at once; speeds are added."""
    given = ("contest.py", loop, "vae", "--widths", widths, "--threads", str(threads))
    started = [start(*given, *ARGUMENTS, threads=threads) for _ in range(processes)]
    return {"speed": sum(float(answer(process)["speed"]) for process in started)}


def measured(loop: str, widths: str, rounds: int) -> Rounds:
    """All three ways, taking turns."""
    ways = {
        "one": lambda: together(1, 1, loop, widths),
        "threads": lambda: together(1, 2, loop, widths),
        "processes": lambda: together(2, 1, loop, widths),
    }
    return interleaved(ways, rounds)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rows = []
    for loop in ("sparsevae", "sparsevae-plain"):
        for widths in ("16,32,64", "16,32,256"):
            found = measured(loop, widths, options.rounds)
            for way, title in TITLES.items():
                speed, gain = middle(found[way]), ratio(found[way], found["one"])
                trunk = widths.replace(",", "-")
                rows.append([f"{loop}, {trunk}, {title}", f"{speed:,.0f}", f"{gain:.2f}"])
    print(f"VAE, J = 64, batch 256, medians of {options.rounds} rounds. {machine()}.\n")
    print(table(["", "images/s", "to 1 process, 1 thread"], rows))


if __name__ == "__main__":
    main()
