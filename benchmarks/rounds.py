"""Rounds of fresh processes that take turns, medians of their ratios, and Markdown tables."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch

from sparsevae.models import MODELS
from sparsevae.studies.engines.worker import THREADS
from sparsevae.training.config import StudyConfig

HERE = Path(__file__).resolve().parent
ENOUGH = 0.9  # of a processor: with less, other work disturbed the measurement
Result = dict[str, Any]
Rounds = dict[str, list[Result]]
TITLES = {name: MODELS[name].title for name in StudyConfig().models}  # what a study trains


def start(script: str, *arguments: str, threads: int = 1) -> "subprocess.Popen[str]":
    """Start a script of this folder with a cap on its threads."""
    environment = {**os.environ, **dict.fromkeys(THREADS, str(threads))}
    command = [sys.executable, str(HERE / script), *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdout=pipe, stderr=pipe, text=True)


def answer(process: "subprocess.Popen[str]") -> Result:
    """What a script prints last, a line of JSON.

    Raises:
        RuntimeError: the script failed.
    """
    out, errors = process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(map(str, process.args[1:]))} failed:\n{errors}")
    found: Result = json.loads(out.strip().splitlines()[-1])
    return found


def interleaved(contestants: Mapping[str, Callable[[], Result]], rounds: int) -> Rounds:
    """Let every contestant run once a round, every other round in the opposite order."""
    results: Rounds = {name: [] for name in contestants}
    for turn in range(rounds):
        names = list(contestants)
        for name in names if turn % 2 == 0 else reversed(names):
            print(f"round {turn + 1} of {rounds}: {name}", file=sys.stderr, flush=True)
            results[name].append(contestants[name]())
    return results


def ratio(ours: Sequence[Result], others: Sequence[Result], key: str = "speed") -> float:
    """The median over rounds of our value divided by the other's of the same round."""
    return median(a[key] / b[key] for a, b in zip(ours, others, strict=True))


def middle(results: Sequence[Result], key: str = "speed") -> float:
    """The median over rounds."""
    return median(float(result[key]) for result in results)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the others are numbers."""
    rule = ["---", *["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def machine() -> str:
    """The processor and the versions that decide speed, in one line."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [line for line in information.read_text().splitlines() if "model name" in line]
        model = names[0].split(":")[1].strip() if names else model
    capability = torch.backends.cpu.get_cpu_capability()
    python = platform.python_version()
    return f"{model} ({capability}), PyTorch {torch.__version__}, Python {python}"


def disturbance(results: Rounds) -> str:
    """A sentence about other work on the machine, empty where there was none to speak of."""
    lowest = min(result["processors"] for rows in results.values() for result in rows)
    if lowest >= ENOUGH:
        return ""
    return (
        f"The machine was not idle: a process had as little as {lowest:.2f} of a processor, so "
        "these numbers are only a first impression."
    )
