"""How long the command line takes to answer, and which heavy libraries it loads for that.

    python benchmarks/startup.py [--rounds 5]

A time is the processor's, so that other work on the machine matters less. The result is Markdown.
"""

import argparse
import resource
import subprocess
import sys
from statistics import median

from rounds import machine, table

HEAVY = ("torch", "numpy", "pydantic", "matplotlib", "sklearn", "scipy", "ray")
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
    """Processor time of a fresh interpreter that runs the code."""
    began = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ended.ru_utime + ended.ru_stime - began.ru_utime - began.ru_stime


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    rounds = range(options.rounds)
    times = [{title: seconds(code) for title, code in STARTS.items()} for _ in rounds]
    rows = [
        [
            title,
            f"{median(turn[title] for turn in times):.2f} s",
            f"{median(turn[title] / turn['import torch'] for turn in times):.2f}",
            loaded(code),
        ]
        for title, code in STARTS.items()
    ]
    print(f"Medians of {options.rounds} starts. {machine()}.\n")
    print(table(["start", "time", "to import torch", "heavy libraries loaded"], rows))


if __name__ == "__main__":
    main()
