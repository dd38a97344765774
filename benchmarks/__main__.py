"""Every measurement behind docs/performance.md, one after another, as Markdown.

python benchmarks                     about an hour; the machine must do nothing else
python benchmarks --quick             the same with less of everything, to see that it works
python benchmarks --only Training     one part of it, by its title; more than one may be named
python benchmarks --out NEW.json      keep the numbers of all tables, to compare later ones with
python benchmarks --compare OLD.json  say at the end what got slower than in a run of before

Only ratios are compared, two contestants of one run each: times of two runs differ by what the
machine did besides. With several files a ratio is slower when it is below the least of them by a
twentieth; with one file, whose noise nobody knows, by a tenth.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path

from rounds import machine, table

HERE = Path(__file__).resolve().parent
RATIOS = ("ratio", "sparsevae is faster by", "share of GEMM", "of product", "of peak")
"""Columns in which more is better, and which do not depend on what else the machine does."""
NOISE_OF_ONE, NOISE_OF_MORE = 0.10, 0.05
Numbers = dict[str, float]  # by part, row and column
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
    (
        "Growth with J",
        "growth.py",
        (),
        ("--rounds", "1", "--settled", "4", "--models", "vsc", "--latents", "64", "256"),
    ),
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


def ratios(part: str, markdown: str) -> Numbers:
    """The ratios in the tables of a part, by part, number of the table, row and column."""
    found: Numbers = {}
    blocks = re.findall(r"(?:^\|.*\n?)+", markdown, re.MULTILINE)
    for number, block in enumerate(blocks, start=1):
        head, _, *rows = (_cells(line) for line in block.strip().splitlines())
        for cells in rows:
            for place, (column, cell) in enumerate(zip(head, cells, strict=False)):
                again = "" if head.index(column) == place else " again"  # as of a backward pass
                if column in RATIOS and re.fullmatch(r"[\d.,]+", cell):
                    key = f"{part} {number}: {cells[0]}, {column}{again}"
                    found[key] = float(cell.replace(",", ""))
    return found


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def slower(new: Numbers, old: Sequence[Numbers]) -> Iterator[list[str]]:
    """Rows of what got slower beyond noise: name, before at least, now."""
    noise = NOISE_OF_ONE if len(old) == 1 else NOISE_OF_MORE
    for name, value in new.items():
        before = [numbers[name] for numbers in old if name in numbers]
        if before and value < (1 - noise) * min(before):
            yield [name, f"{min(before):.2f}", f"{value:.2f}"]


def comparison(new: Numbers, files: Mapping[str, Mapping[str, object]]) -> str:
    """What got slower than in the runs of these files, in words and as a table."""
    lines = [
        f"{name} was measured on another machine: {kept['machine']}."
        for name, kept in files.items()
        if kept["machine"] != machine()
    ]
    rows = list(slower(new, [kept["ratios"] for kept in files.values()]))
    lines.append(f"{len(rows)} of {len(new)} ratios got smaller beyond noise.")
    if rows:
        lines.append("\n" + table(["what", "before, at least", "now"], rows))
    return "\n".join(lines)


def main() -> None:
    """Run the scripts, print what they print under its title, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", nargs="+", choices=[title for title, *_ in STEPS])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--compare", nargs="+", type=Path, default=[])
    options = parser.parse_args()
    files = {str(path): json.loads(path.read_text()) for path in options.compare}
    found: Numbers = {}
    for title, script, settings, quick in STEPS:
        if options.only and title not in options.only:
            continue
        print(f"\n## {title}\n", flush=True)
        given = (*settings, *quick) if options.quick else settings
        command = [sys.executable, str(HERE / script), *given]
        printed = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
        print(printed, flush=True)
        found |= ratios(title, printed)
        if options.out:  # as far as it came
            kept = {"machine": machine(), "date": date.today().isoformat(), "ratios": found}
            options.out.write_text(json.dumps(kept, indent=1) + "\n")
    if files:
        print(f"\n## Compared\n\n{comparison(found, files)}")


if __name__ == "__main__":
    main()
