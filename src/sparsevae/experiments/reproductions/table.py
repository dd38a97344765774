"""Ours beside the published values, as rows, JSON and Markdown."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sparsevae.experiments.reproductions.reproduction import Reproduction, Value
from sparsevae.models import MODELS
from sparsevae.runs.folder import RunFolder, finished_runs, versions
from sparsevae.storage.files import write_json, write_text

HEAD = ("data", "setting", "model", "J", "quantity", "published", "ours", "note")


@dataclass(frozen=True)
class Row:
    """A value and what our runs give.

    Attributes:
        value: what is compared.
        dataset: its name.
        ours: mean over seeds in the published unit; None where the metric is blank.
        deviation: sample standard deviation over seeds; None with less than two.
        seeds: number of runs.
    """

    value: Value
    dataset: str
    ours: float | None
    deviation: float | None
    seeds: int


def compare(reproduction: Reproduction, out: Path) -> list[Row]:
    """The rows of a reproduction whose runs are done.

    Args:
        reproduction: with at least one study.
        out: its folder, with one folder a study.

    Raises:
        RunFolderError: a study has no finished runs.
    """
    runs = {study: finished_runs(out / study) for study in reproduction.studies}
    return [_row(value, runs[value.study]) for value in reproduction.values]


def _row(value: Value, runs: Sequence[RunFolder]) -> Row:
    wanted = (value.model, value.latents)
    chosen = [run.metrics for run in runs if (run.config.model, run.config.latents) == wanted]
    given = [metrics.get(value.metric) for metrics in chosen]
    numbers = [value.factor * number for number in given if number is not None]
    return Row(
        value,
        runs[0].config.dataset,
        float(np.mean(numbers)) if numbers else None,
        float(np.std(numbers, ddof=1)) if len(numbers) > 1 else None,
        len(numbers),
    )


def write_table(reproduction: Reproduction, out: Path) -> Path:
    """Write table.json and table.md.

    Returns:
        The path of table.md.

    Raises:
        RunFolderError: a study has no finished runs.
        OutputError: the folder cannot be written to.
    """
    rows = compare(reproduction, out)
    about = {name: getattr(reproduction, name) for name in ("source", "defects", "differences")}
    studies = {key: study.model_dump(mode="json") for key, study in reproduction.studies.items()}
    content = {
        "name": reproduction.name,
        **about,
        "rows": [{**asdict(row)["value"], **_ours(row)} for row in rows],
        "studies": studies,
        "versions": versions(),
    }
    write_json(out / "table.json", content)
    path = out / "table.md"
    write_text(path, markdown(reproduction, rows))
    return path


def _ours(row: Row) -> dict[str, object]:
    return {name: entry for name, entry in asdict(row).items() if name != "value"}


def markdown(reproduction: Reproduction, rows: Sequence[Row]) -> str:
    """The table with its source, the known defects and the differences as lists."""
    lines = [f"# {reproduction.name}", "", reproduction.source, "", _line(HEAD)]
    lines += [_line(["---"] * len(HEAD)), *(_line(_cells(row)) for row in rows)]
    for title, sentences in (
        ("Known defects of the published values", reproduction.defects),
        ("What is done otherwise here", reproduction.differences),
    ):
        lines += ["", f"## {title}", "", *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cells(row: Row) -> list[str]:
    value, deviation = row.value, row.deviation
    ours = _number(row.ours) + ("" if deviation is None else f" ± {deviation:.2g}")
    ours += f" ({row.seeds} seeds)" if row.seeds > 1 else ""
    title = MODELS[value.model].title
    place = (row.dataset, value.study, title, str(value.latents))
    return [*place, value.quantity, _number(value.published), ours, value.note]


def _number(value: float | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.4g}"
