"""The page of a search: how many were tried, what they gave, and the best on the test set."""

from collections import Counter
from pathlib import Path
from statistics import mean
from typing import Any

from sparsevae.metrics.table import metric
from sparsevae.report import page
from sparsevae.storage.files import read_json

SIZE, MARGIN = 420, 50  # pixels of the picture of two objectives
STATES = {"complete": "done", "pruned": "stopped early", "fail": "failed"}


def write_search(folder: Path) -> Path:
    """Write ``search.html`` from ``search.json``.

    Args:
        folder: of the search.

    Returns:
        The page.

    Raises:
        RunFolderError: the search is not done.
    """
    summary = read_json(folder / "search.json")
    trials = summary["trials"]
    return page.write_page(
        folder / "search.html",
        "search.html",
        summary=summary,
        sentence=sentence(summary),
        titles=[metric(key).title for key in summary["objectives"]],
        names=list(dict.fromkeys(name for trial in trials for name in trial["settings"])),
        points=points(summary) if len(summary["objectives"]) == 2 else [],
        ends=ends(summary),
        states=STATES,
        size=SIZE,
        margin=MARGIN,
    )


def sentence(summary: dict[str, Any]) -> str:
    """How many were tried, on what, and what the best gave where it counts."""
    counts = Counter(trial["state"] for trial in summary["trials"])
    states = ", ".join(f"{count} {STATES.get(s, s)}" for s, count in counts.items())
    tests = "; ".join(
        f"{metric(key).title} {mean(values):.5g}, from {min(values):.5g} to {max(values):.5g} "
        f"over {len(values)} seeds"
        for key, values in summary["test"].items()
        if values and None not in values
    )
    many = len(summary["measured"])
    often = "once" if many == 1 else f"{many} times, since the search went on after the first"
    return (
        f"{len(summary['trials'])} settings were tried on validation rows of {summary['dataset']} "
        f"({states}). Trial {summary['best']} was then trained on all training rows, and the test "
        f"set was measured {often}: {tests}."
    )


def ends(summary: dict[str, Any]) -> list[tuple[float, float]]:
    """The lowest and the highest value of every objective."""
    whole = [trial["values"] for trial in summary["trials"] if trial["values"]]
    return [(min(axis), max(axis)) for axis in zip(*whole, strict=True)]


def points(summary: dict[str, Any]) -> list[dict[str, Any]]:
    """Where the trials with two numbers lie in the picture, from the top left corner."""
    whole = [trial for trial in summary["trials"] if trial["values"]]
    lows = [low for low, _ in ends(summary)]
    spans = [(high - low) or 1.0 for low, high in ends(summary)]
    inner = SIZE - 2 * MARGIN
    placed = []
    for trial in whole:
        x, y = (
            (value - low) / span
            for value, low, span in zip(trial["values"], lows, spans, strict=True)
        )
        placed.append({**trial, "x": MARGIN + inner * x, "y": SIZE - MARGIN - inner * y})
    return placed
