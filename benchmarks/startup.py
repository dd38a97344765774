"""How long the command line takes to answer, and which heavy libraries it loads for that.

    python benchmarks/startup.py [--rounds 5]

The result is Markdown.
"""

import argparse
import subprocess
import sys
import time
from statistics import median

from rounds import machine, table

HEAVY = ("torch", "matplotlib", "sklearn", "scipy", "ray")
HELP = "from sparsevae.cli import app; app(['--help'], standalone_mode=False)"
STARTS = {
    "python alone": "pass",
    "import sparsevae": "import sparsevae",
    "sparsevae --help": HELP,
    "import torch": "import torch",
}


def loaded(code: str) -> str:
    """Heavy libraries that are in memory after the code has run, or "none"."""
    ask = f"{code}\nimport sys\nprint('|', *[name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True)
    return ", ".join(done.stdout.rsplit("|", 1)[1].split()) or "none"


def seconds(code: str) -> float:
    """Wall time of a fresh interpreter that runs the code."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds = range(options.rounds)
    times = [{title: seconds(code) for title, code in STARTS.items()} for _ in rounds]
    rows = [
        [title, f"{median(turn[title] for turn in times):.2f} s", loaded(code)]
        for title, code in STARTS.items()
    ]
    print(f"Medians of {options.rounds} starts. {machine()}.\n")
    print(table(["start", "time", "heavy libraries loaded"], rows))


if __name__ == "__main__":
    main()
