"""What a reproduction is: runs, published values, and a table of ours beside theirs."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from sparsevae.models import MODELS
from sparsevae.runs.folder import RunFolder, finished_runs, versions
from sparsevae.storage.arrays import Row
from sparsevae.storage.files import write_json, write_text
from sparsevae.training.config import StudyConfig

HEAD = ("data", "setting", "model", "J", "quantity", "published", "ours", "note")


@dataclass(frozen=True)
class Value:
    """One number of ours, in the unit of the published one beside it.

    Attributes:
        study: which of the reproduction's studies it is from.
        model: a row of the table of models.
        latents: J.
        metric: a name in metrics.json.
        quantity: what it is, and its unit.
        published: the published number; words where there is only a figure or a remark, None
            where nothing was given.
        factor: what the metric is multiplied by to have the published unit.
        note: one remark about this value.
    """

    study: str
    model: str
    latents: int
    metric: str
    quantity: str
    published: float | str | None = None
    factor: float = 1.0
    note: str = ""


def nothing(out: Path) -> None:
    """What a reproduction without pictures draws."""


def no_more(run: RunFolder) -> Row:
    """What is measured besides metrics.json, where that has all that is compared."""
    return {}


def no_notes(out: Path) -> tuple[str, ...]:
    """What is said of a table that speaks for itself."""
    return ()


@dataclass(frozen=True)
class Reproduction:
    """A named list of runs, and a table.

    Attributes:
        name: what the command line knows it by.
        source: whose results they are, one sentence.
        studies: grids of runs by the name of their folder.
        values: rows of the table.
        defects: what is known to be wrong with the published values, a sentence each.
        differences: what we do otherwise, a sentence each.
        draw: draws pictures into the folder when all runs are done.
        measure: columns of a run that metrics.json does not have.
        notes: sentences under the table, from the folder.
        wide: whether the table has one line a model, and a column a quantity.
    """

    name: str
    source: str
    studies: Mapping[str, StudyConfig]
    values: tuple[Value, ...]
    defects: tuple[str, ...]
    differences: tuple[str, ...]
    draw: Callable[[Path], None] = nothing
    measure: Callable[[RunFolder], Row] = no_more
    notes: Callable[[Path], tuple[str, ...]] = no_notes
    wide: bool = False


@dataclass(frozen=True)
class Compared:
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

    def content(self) -> Row:
        """As ``table.json`` has it."""
        content = asdict(self)
        return {**content.pop("value"), **content}


def compare(reproduction: Reproduction, out: Path) -> list[Compared]:
    """The rows of a reproduction whose runs are done.

    Args:
        reproduction: with at least one study.
        out: its folder, with one folder a study.

    Raises:
        RunFolderError: a study has no finished runs.
    """
    runs = {
        study: [(run, {**run.metrics, **reproduction.measure(run)}) for run in finished_runs(path)]
        for study, path in ((study, out / study) for study in reproduction.studies)
    }
    return [_row(value, runs[value.study]) for value in reproduction.values]


def _row(value: Value, runs: Sequence[tuple[RunFolder, Row]]) -> Compared:
    wanted = (value.model, value.latents)
    chosen = [row for run, row in runs if (run.config.model, run.config.latents) == wanted]
    given = (metrics.get(value.metric) for metrics in chosen)
    numbers = [value.factor * number for number in given if number is not None]
    return Compared(
        value,
        runs[0][0].config.dataset,
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
    rows, notes = compare(reproduction, out), reproduction.notes(out)
    about = {name: getattr(reproduction, name) for name in ("source", "defects", "differences")}
    studies = {key: study.model_dump(mode="json") for key, study in reproduction.studies.items()}
    content = {
        "name": reproduction.name,
        **about,
        "rows": [row.content() for row in rows],
        "notes": list(notes),
        "studies": studies,
        "versions": versions(),
    }
    write_json(out / "table.json", content)
    path = out / "table.md"
    write_text(path, markdown(reproduction, rows, notes))
    return path


def markdown(
    reproduction: Reproduction, rows: Sequence[Compared], notes: Sequence[str] = ()
) -> str:
    """The table with its source, notes, the known defects and the differences as lists."""
    head, cells = _wide(rows) if reproduction.wide else (HEAD, [_cells(row) for row in rows])
    lines = [f"# {reproduction.name}", "", reproduction.source, "", _line(head)]
    lines += [_line(["---"] * len(head)), *map(_line, cells)]
    for note in notes:
        lines += ["", note]
    for title, sentences in (
        ("Known defects of the published values", reproduction.defects),
        ("What is done otherwise here", reproduction.differences),
    ):
        lines += ["", f"## {title}", "", *(f"- {sentence}" for sentence in sentences)]
    return "\n".join(lines) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _wide(rows: Sequence[Compared]) -> tuple[tuple[str, ...], list[list[str]]]:
    """Head and cells of a table with a column a quantity; published numbers in brackets."""
    quantities = list(dict.fromkeys(row.value.quantity for row in rows))
    head = ("setting", "model", "J", "seeds", *quantities)
    lines: dict[tuple[str, ...], dict[str, str]] = {}
    for row in rows:
        value, theirs = row.value, row.value.published
        place = (value.study, MODELS[value.model].title, str(value.latents), str(row.seeds))
        cell = _ours(row) + ("" if theirs is None else f" ({_number(theirs)})")
        lines.setdefault(place, {})[value.quantity] = cell
    return head, [
        [*place, *(cells.get(name, "–") for name in quantities)] for place, cells in lines.items()
    ]


def _ours(row: Compared) -> str:
    return _number(row.ours) + ("" if row.deviation is None else f" ± {row.deviation:.2g}")


def _cells(row: Compared) -> list[str]:
    value = row.value
    ours = _ours(row) + (f" ({row.seeds} seeds)" if row.seeds > 1 else "")
    title = MODELS[value.model].title
    place = (row.dataset, value.study, title, str(value.latents))
    return [*place, value.quantity, _number(value.published), ours, value.note]


def _number(value: float | str | None) -> str:
    if value is None:
        return "–"
    return value if isinstance(value, str) else f"{value:.4g}"
