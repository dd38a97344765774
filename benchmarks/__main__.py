"""Every measurement behind docs/performance.md, one after another, as Markdown.

python benchmarks            about an hour; the machine must do nothing else
python benchmarks --quick    the same with less of everything, to see that it works
"""

import argparse
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
STEPS = (
    ("Start-up", "startup.py", (), ("--rounds", "1")),
    ("Training", "training.py", (), ("--rounds", "1", "--images", "2560")),
    (
        "Training, default trunk",
        "training.py",
        ("--widths", "16,32,256", "--latents", "64"),
        ("--rounds", "1", "--images", "2560"),
    ),
    ("Where the time goes", "profiling.py", (), ()),
    ("Encoding", "inference.py", (), ("--rounds", "1")),
    ("Memory", "memory.py", (), ()),
    ("Threads and processes", "processes.py", (), ("--rounds", "1")),
    ("Agreement", "agreement.py", (), ("--seeds", "2", "--epochs", "1")),
    (
        "Dictionaries of activations",
        "activations.py",
        (),
        (
            *("--rows", "6000", "--columns", "128", "--atoms", "128", "--active", "4"),
            *("--latents", "256"),
        ),
    ),
    ("A step of a dictionary", "activations.py", ("--steps",), ("--steps", "--latents", "512")),
    ("Whole study", "study.py", (), ("--epochs", "1", "--images", "2560")),
)


def main() -> None:
    """Run every script and print what it prints under its title."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    options = parser.parse_args()
    for title, script, settings, quick in STEPS:
        print(f"\n## {title}\n", flush=True)
        given = (*settings, *quick) if options.quick else settings
        subprocess.run([sys.executable, str(HERE / script), *given], check=True)


if __name__ == "__main__":
    main()
