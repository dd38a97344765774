"""Metrics in, the tables of a report out: numbers become words here and nowhere else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsevae.figures.grouping import Row, by_model_and_size, mean_and_deviation, model_title
from sparsevae.pictures import SIGMAS
from sparsevae.report.columns import PARAMETERS, SPARSITY, SUMMARY, Column

BLANK = "–"
FLOOR = "mean image"  # the trivial row whose reconstruction is the collapse floor
TRIVIAL_COLUMNS = {"clean": "mse", "0.3": "mse_noise_0.3", "0.3 clipped": "mse_noise_0.3_clipped"}
COMPARED = ("doing nothing", "PCA-50")


@dataclass(frozen=True)
class Cell:
    """What is printed, and whether it is the best of its block."""

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


def summary(rows: Iterable[Row], references: Mapping[str, Any]) -> Table:
    """Scores of all models, and below them what is reached without a model.

    Args:
        rows: metrics of runs.
        references: of the study.
    """
    table = _table(rows, SUMMARY)
    trivial = tuple(
        Line(name, tuple(Cell(_text(column, _known(row, column))) for column in SUMMARY))
        for name, row in _trivial_rows(references).items()
    )
    without = (Block("without a model", trivial),) if trivial else ()
    return Table(table.columns, table.blocks + without)


def sparsity(rows: Iterable[Row]) -> Table:
    """How sparse the codes are, and for whom."""
    return _table(rows, SPARSITY)


def parameters(rows: Iterable[Row]) -> Table:
    """What the models are made of and how long they train."""
    return _table(rows, PARAMETERS, flagged=False)


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


def _table(rows: Iterable[Row], columns: tuple[Column, ...], *, flagged: bool = True) -> Table:
    groups = by_model_and_size(rows)
    sizes = dict.fromkeys(size for _, size in groups)
    blocks = []
    for size in sizes:
        seeds = {model: found for (model, at), found in groups.items() if at == size}
        blocks.append(Block(f"J = {size}", _lines(seeds, columns, flagged)))
    return Table(columns, tuple(blocks))


def _lines(
    seeds: Mapping[str, list[Row]], columns: tuple[Column, ...], flagged: bool
) -> tuple[Line, ...]:
    bests = {column.key: _best(seeds, column) for column in columns}
    return tuple(
        Line(
            model_title(model),
            tuple(
                Cell(_text(column, _known_all(rows, column)), model in bests[column.key])
                for column in columns
            ),
            collapsed(rows) if flagged else "",
        )
        for model, rows in seeds.items()
    )


def _best(seeds: Mapping[str, list[Row]], column: Column) -> list[str]:
    """The models with the best mean; none where there is nothing to compare."""
    means = {
        model: mean_and_deviation(values)[0]
        for model, rows in seeds.items()
        if (values := _known_all(rows, column))
    }
    if not column.better or len(set(means.values())) < 2:
        return []
    best = (min if column.better == "lower" else max)(means.values())
    return [model for model, mean in means.items() if mean == best]


def collapsed(rows: Sequence[Row]) -> str:
    """Words for runs of one model whose decoder has collapsed; empty where none has."""
    count = sum(bool(row.get("collapsed_decoder")) for row in rows)
    if count == 0:
        return ""
    return "collapsed decoder" + (f" in {count} of {len(rows)} seeds" if len(rows) > 1 else "")


def _known(row: Row, column: Column) -> list[float]:
    value = row.get(column.key)
    return [] if value is None else [column.scale * value]


def _known_all(rows: Iterable[Row], column: Column) -> list[float]:
    return [value for row in rows for value in _known(row, column)]


def _text(column: Column, values: Sequence[float]) -> str:
    """Mean ± standard deviation over seeds; the number alone where they do not differ."""
    if not values:
        return BLANK
    mean, deviation = mean_and_deviation(values)
    if deviation == 0:
        return f"{mean:,.{column.digits}f}"
    digits = max(column.digits, 1)
    return f"{mean:,.{digits}f} ± {deviation:,.{digits}f}"


def _trivial_rows(references: Mapping[str, Any]) -> dict[str, Row]:
    """The references of a data set under the names that metrics of runs have."""
    if not references:
        return {}
    rows: dict[str, dict[str, float]] = {
        name: {key: row[column] for column, key in TRIVIAL_COLUMNS.items() if column in row}
        for name, row in references["denoising"].items()
    }
    rows[FLOOR] = {**rows.get(FLOOR, {}), "reconstruction": references["collapse_floor"]}
    names = {FLOOR: f"{FLOOR} (collapse floor)"}
    return {
        "perfect reconstruction": {"reconstruction": references["perfect_score"]},
        **{names.get(name, name): row for name, row in rows.items()},
    }
