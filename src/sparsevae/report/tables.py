"""Metrics in, the tables of a report out: numbers become words here and nowhere else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsevae.evaluation.pictures import SIGMAS
from sparsevae.metrics.intervals import mean_interval
from sparsevae.report.columns import Column
from sparsevae.report.figures.grouping import Row, by_model_and_size, model_title
from sparsevae.report.groups import GROUPS, HEADLINE, PARAMETERS

BLANK = "–"
FLOOR = "mean image"  # the trivial row whose reconstruction is the collapse floor
TRIVIAL_COLUMNS = {
    "clean": "mse",
    "0.3": "mse_noise_0.3",
    "0.3 clipped": "mse_noise_0.3_clipped",
    "salt and pepper 0.3": "mse_salt_pepper_0.3",
    "occlusion 0.3": "mse_occlusion_0.3",
}
COMPARED = ("doing nothing", "PCA-50")
BySeed = Mapping[Any, float]


@dataclass(frozen=True)
class Cell:
    """What is printed, and whether it is the best of its block or not told apart from it."""

    text: str
    best: bool = False


@dataclass(frozen=True)
class Line:
    """One row of a table; the flag says what a reader must know of it."""

    title: str
    cells: tuple[Cell, ...]
    flag: str = ""


@dataclass(frozen=True)
class Block:
    """Rows that are compared with each other."""

    heading: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Table:
    """Columns and blocks of rows."""

    columns: tuple[Column, ...]
    blocks: tuple[Block, ...]


def headline(rows: Iterable[Row], references: Mapping[str, Any]) -> Table:
    """What matters first of all models, and below it what is reached without a model.

    Args:
        rows: metrics of runs.
        references: of the study.
    """
    return _table(list(rows), HEADLINE, references)


def groups(rows: Iterable[Row], references: Mapping[str, Any]) -> dict[str, Table]:
    """All numbers by what they are about; a number that no run has is left out."""
    found = list(rows)
    tables = {name: _table(found, columns, references) for name, columns in GROUPS.items()}
    return {name: table for name, table in tables.items() if table.columns}


def parameters(rows: Iterable[Row]) -> Table:
    """What the models are made of and how long they train."""
    return _table(list(rows), PARAMETERS, {}, flagged=False)


def noise(row: Row, references: Mapping[str, Any]) -> list[list[str]]:
    """A small table of MSE ×1000 on the whole test set against the noise level.

    Returns:
        The headings, then one line for the model and one for each trivial denoiser.
    """
    keys = {"clean": "mse", **{f"{sigma}": f"mse_noise_{sigma}" for sigma in SIGMAS}}
    known = references.get("denoising", {})
    lines = [
        ["MSE ×1000", *("clean" if name == "clean" else f"σ = {name}" for name in keys)],
        [model_title(row["model"]), *(_thousand(row.get(key)) for key in keys.values())],
    ]
    return lines + [
        [name, *(_thousand(known[name].get(key)) for key in keys)]
        for name in COMPARED
        if name in known
    ]


def _thousand(value: float | None) -> str:
    return BLANK if value is None else f"{1000 * value:.1f}"


def _table(
    rows: Sequence[Row],
    columns: Iterable[Column],
    references: Mapping[str, Any],
    *,
    flagged: bool = True,
) -> Table:
    shown = tuple(column for column in columns if any(_known(row, column) for row in rows))
    seeds = by_model_and_size(rows)
    blocks = []
    for size in dict.fromkeys(size for _, size in seeds):
        models = {model_title(name): found for (name, at), found in seeds.items() if at == size}
        blocks.append(Block(f"J = {size}", compared(models, shown, flagged=flagged)))
    trivial = tuple(
        Line(name, tuple(Cell(written(column, _known(row, column))) for column in shown))
        for name, row in trivial_rows(references).items()
        if any(_known(row, column) for column in shown)
    )
    return Table(shown, (*blocks, Block("without a model", trivial)) if trivial else (*blocks,))


def compared(
    rows: Mapping[str, Sequence[Row]],
    columns: Sequence[Column],
    *,
    flagged: bool = True,
    judged: bool = True,
) -> tuple[Line, ...]:
    """A line for every title, with the seeds of each, the best of each column marked.

    Args:
        rows: metrics by the title of the line, one row a seed.
        columns: of the table.
        flagged: whether a collapsed decoder is said.
        judged: whether the lines may be compared at all.
    """
    bests = {column.key: best(rows, column) if judged else set() for column in columns}
    return tuple(
        Line(
            title,
            tuple(
                Cell(_over_seeds(column, found), title in bests[column.key]) for column in columns
            ),
            collapsed(found) if flagged else "",
        )
        for title, found in rows.items()
    )


def _over_seeds(column: Column, rows: Sequence[Row]) -> str:
    """A number over seeds; says of how many where not all have it."""
    values = list(_by_seed(rows, column).values())
    some = 0 < len(values) < len(rows)
    return written(column, values) + (f" ({len(values)} of {len(rows)} seeds)" if some else "")


def best(rows: Mapping[str, Sequence[Row]], column: Column) -> set[str]:
    """The titles with the best mean, and those that their seeds do not tell apart from it.

    Two are not told apart when the 95 % interval of their difference, paired by seed, holds 0.

    Returns:
        Nothing where the column has no better way, or where all would be among the best.
    """
    values = {title: _by_seed(found, column) for title, found in rows.items()}
    known = {title: seeds for title, seeds in values.items() if seeds}
    if not column.better or len(known) < 2:
        return set()
    sign = 1 if column.better == "lower" else -1
    means = {
        title: sign * mean_interval(list(seeds.values())).mean for title, seeds in known.items()
    }
    first = min(means, key=lambda title: means[title])
    found = {title for title in known if _tied(known[first], known[title])}
    return found if len(found) < len(known) else set()


def _tied(one: BySeed, other: BySeed) -> bool:
    """Whether the seeds that both have leave their order open; a lone seed decides as it is."""
    differences = [one[seed] - other[seed] for seed in one if seed in other]
    if not differences:
        return True
    interval = mean_interval(differences)
    if interval.low is None or interval.high is None:
        return interval.mean == 0 or max(len(one), len(other)) > 1
    return interval.low <= 0 <= interval.high


def collapsed(rows: Sequence[Row]) -> str:
    """Words for runs of one model whose decoder has collapsed; empty where none has."""
    count = sum(bool(row.get("collapsed_decoder")) for row in rows)
    if count == 0:
        return ""
    return "collapsed decoder" + (f" in {count} of {len(rows)} seeds" if len(rows) > 1 else "")


def _known(row: Row, column: Column) -> list[float]:
    value = row.get(column.key)
    return [] if value is None else [column.scale * value]


def _by_seed(rows: Iterable[Row], column: Column) -> dict[Any, float]:
    return {row["seed"]: value for row in rows for value in _known(row, column)}


def written(column: Column, values: Sequence[float]) -> str:
    """Mean ± half the 95 % interval over seeds; the number alone where they do not differ."""
    if not values:
        return BLANK
    interval = mean_interval(values)
    reach = interval.half_width
    digits = max(column.digits, 1) if reach else column.digits
    text = f"{interval.mean:,.{digits}f}" + (f" ± {reach:,.{digits}f}" if reach else "")
    return text.replace("-", "−")


def trivial_rows(references: Mapping[str, Any]) -> dict[str, Row]:
    """The references of a data set under the names that metrics of runs have."""
    if not references:
        return {}
    rows: dict[str, dict[str, Any]] = {}
    for name, row in references["denoising"].items():
        rows[name] = {key: row[column] for column, key in TRIVIAL_COLUMNS.items() if column in row}
    for name, row in references.get("usefulness", {}).items():
        rows[name] = {**rows.get(name, {}), **row}
    floor = {**rows.pop(FLOOR, {}), "reconstruction": references["collapse_floor"]}
    return {
        "perfect reconstruction": {"reconstruction": references["perfect_score"]},
        **{name: rows[name] for name in sorted(rows, key=_place)},
        f"{FLOOR} (collapse floor)": floor,
    }


def _place(name: str) -> tuple[int, int]:
    """Where a trivial row stands: the images themselves, then PCA by its size, then filters."""
    known = ("doing nothing", "raw pixels")
    if name.startswith("PCA-"):
        return len(known), int(name.removeprefix("PCA-"))
    return (known.index(name), 0) if name in known else (len(known) + 1, 0)
