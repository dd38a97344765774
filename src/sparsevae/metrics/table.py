"""The one table of metrics: what each number is called, what it means, which way is better.

Its rows stand in ``table.toml``. The order of ``results.csv``, the columns of a report, the model
card and the tables of ``docs/metrics.md`` come from it. The document's tables are written anew by

    python -m sparsevae.metrics.table docs/metrics.md
"""

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from sparsevae.errors import ConfigurationError
from sparsevae.metrics import keys

Better = Literal["lower", "higher", ""]
Display = Literal["headline", "report", "file"]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5)  # σ, share of pixels, share of the shorter side
DENOISED = (0.3, 0.5)  # σ, where the denoiser is measured
PROBE_SIZES = (200, 1000, 5000)  # labelled images
EXPANSIONS = {
    "{S}": LEVELS,
    "{D}": DENOISED,
    "{n}": PROBE_SIZES,
}  # what stands for each of several numbers
BESIDE_THE_CODE = keys.probe(PROBE_SIZES[-1]) + keys.GATED_MEAN  # of γμ, what a report prints


@dataclass(frozen=True)
class Metric:
    """One number of a run.

    Attributes:
        key: its name in ``metrics.json`` and ``results.csv``.
        title: over the column of a report.
        unit: under the title.
        better: which way is better; empty where neither is.
        definition: one or two sentences, for the glossary of a report and the model card.
        group: of :func:`sparsevae.evaluation.evaluate` that computes it; "run" for what is known
            of a run without measuring.
        scale: the printed number is the metric times this.
        digits: decimals of the printed number; counts have none.
        details: what the documentation says beside the definition: source, edge cases.
        display: "headline" for the first table of a report, "report" for the others, "file" for
            results.csv alone.
    """

    key: str
    title: str
    unit: str
    better: Better
    definition: str
    group: str
    scale: float = 1
    digits: int = 1
    details: str = ""
    display: Display = "report"


def _rows() -> Mapping[str, Mapping[str, Any]]:
    """The rows of the file by their keys, families of keys not expanded."""
    text = files("sparsevae.metrics").joinpath("table.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def _metrics() -> Iterator[Metric]:
    """Every row; those of a family one by one, those of codes' classes for γμ too."""
    of_means = []
    for key, row in _rows().items():
        settings = {"unit": "", "better": "", **row}
        pattern = next((p for p in EXPANSIONS if p in key), "")
        for number in EXPANSIONS.get(pattern, ("",)):
            entry = Metric(key, **settings)
            if pattern:
                displays = row["display"]
                entry = replace(
                    entry,
                    key=key.replace(pattern, f"{number}"),
                    title=entry.title.replace(pattern, f"{number:,}"),
                    definition=entry.definition.replace(pattern, f"{number:,}"),
                    display=displays.get(f"{number}", "file"),
                )
            yield entry
            if entry.group == "probes" and key not in (keys.PROBE_ALL, keys.PROBE_PERMUTED):
                of_means.append(_of_means(entry))
    yield from of_means


def _of_means(entry: Metric) -> Metric:
    stem, spread = entry.key.removesuffix("_sd"), "_sd" if entry.key.endswith("_sd") else ""
    key = f"{stem}{keys.GATED_MEAN}{spread}"
    display: Display = "report" if key == BESIDE_THE_CODE else "file"
    return replace(entry, key=key, title=f"{entry.title}, of γμ", better="", display=display)


METRICS: list[Metric] = list(_metrics())
"""Every metric, in the order of ``results.csv``; ``sparsevae.evaluation.register`` adds one."""


def metric(key: str) -> Metric:
    """The row of a key.

    Raises:
        ConfigurationError: there is none.
    """
    for row in METRICS:
        if row.key == key:
            return row
    raise ConfigurationError(f"There is no metric {key!r}: add a row to the table of metrics.")


def printed(*groups: str) -> tuple[Metric, ...]:
    """What a report prints of groups, in the order of the table."""
    return tuple(row for row in METRICS if row.group in groups and row.display != "file")


def headline() -> tuple[Metric, ...]:
    """What comes first in a report and on a model card."""
    return tuple(row for row in METRICS if row.display == "headline")


def documented(group: str) -> str:
    """The metrics of a group as a Markdown table, a family of keys in one line."""
    lines = ["| column | unit | meaning |", "|---|---|---|"]
    for key, row in _rows().items():
        if row["group"] == group:
            better = f"{row['better']} is better" if "better" in row else ""
            unit = ", ".join(filter(None, (row.get("unit"), better)))
            meaning = f"{row['definition']} {row.get('details', '')}".strip().replace("|", "\\|")
            lines.append(f"| `{key}` | {unit} | {meaning} |")
    return "\n".join(lines)


def filled(document: str) -> str:
    """A document with its tables written anew.

    A table stands between ``<!-- metrics: GROUP -->`` and ``<!-- end of metrics -->``.
    """
    return re.sub(
        r"(<!-- metrics: ([a-z]+) -->).*?(<!-- end of metrics -->)",
        lambda found: f"{found[1]}\n\n{documented(found[2])}\n\n{found[3]}",
        document,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")
