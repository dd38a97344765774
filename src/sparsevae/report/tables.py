"""Columns in, the tables of a page out: numbers become words here and nowhere else."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sparsevae.evaluation.pictures import SIGMAS
from sparsevae.metrics import keys, table
from sparsevae.metrics.intervals import mean_interval
from sparsevae.metrics.table import Metric
from sparsevae.report.figures.frontier import Point, qualities, undominated
from sparsevae.report.study import by_model_and_size, kind_name, model_title
from sparsevae.storage.arrays import Row

BLANK = "–"
MODELS = "Models"  # the group that says nothing of how well one does
FLOOR = "mean image"  # the baseline whose reconstruction is the collapse floor
CLIPPED = keys.corrupted(keys.MSE, keys.NOISE, 0.3, clipped=True)
BASELINE_COLUMNS = (  # of the denoisers, and of the metrics that they stand beside
    ("clean", keys.MSE),
    ("0.3", keys.corrupted(keys.MSE, keys.NOISE, 0.3)),
    ("0.3 clipped", CLIPPED),
    ("0.3", keys.corrupted(keys.MSE, keys.DENOISED, 0.3)),
    ("0.3 clipped", keys.corrupted(keys.MSE, keys.DENOISED, 0.3, clipped=True)),
    ("salt and pepper 0.3", keys.corrupted(keys.MSE, keys.SALT_PEPPER, 0.3)),
    ("occlusion 0.3", keys.corrupted(keys.MSE, keys.OCCLUSION, 0.3)),
)
GROUPS = {  # of the table of metrics, by what a page calls them
    "Likelihood": ("bound",),
    "Images": ("quality", "denoising"),
    "Sparsity": ("sparsity",),
    "Use of the codes": ("probes",),
    "Geometry": ("geometry",),
    "Known factors": ("factors",),
    MODELS: ("parameters", "run"),
}
FIRST = {  # what a page opens with, each in words that ask for nothing
    keys.NEGATIVE_ELBO: "How badly a model explains images that it has not seen, in nats (natural "
    "units of information) an image. The AE does not give it.",
    keys.MSE: "Squared error between an image and its reconstruction, mean over pixels.",
    CLIPPED: "The same where the model sees the image with noise of standard deviation σ and has "
    "to give the clean one.",
    keys.USED_DIMENSIONS: "Latent dimensions that the decoder makes use of: without one of them "
    "the reconstruction gets worse.",
    keys.ACTIVE_PER_IMAGE: "Dimensions that are on for an image, on average. A dimension is on "
    "with probability γ; it counts from γ = ½. Models that cannot switch dimensions off have "
    "γ = 1.",
    keys.SELECTIVITY: "How much dimensions tell classes apart by being on or off: 0 not at all, 1 "
    "where one is on for all images of a class and for none of another.",
    keys.probe(1000): "Test images that a linear classifier gets right from the codes alone, "
    "after 1,000 labelled examples.",
}
FURTHER = {
    "code": "What an image is encoded to without chance: f(x) for the AE, μ for the VAE, and for "
    "VSC μ where γ > ½, else 0.",
    "γ, μ": "Probability that a dimension is on (that of its spike) and its mean where it is on "
    "(that of its slab); γ is 1 for models that cannot switch dimensions off.",
    "agreement of seeds": "How alike the gates of two seeds are once their dimensions are "
    "matched: mean Jaccard index of the images that they are on for; beside it, what chance "
    "gives.",
    "collapsed decoder": "Said of a run whose reconstruction is above 95 % of the collapse floor, "
    "or whose decoded images vary less than 5 % as much as the data (variance of pixels).",
    "collapse floor": "Reconstruction of a decoder that prints the mean training image, "
    "whatever the code.",
    "perfect reconstruction": "The score of the image itself, above 0 because pixels are grey.",
    "PCA-16, PCA-50": "Projection of the noisy image on the first principal components of the "
    "clean training images. A model denoises well when it beats PCA-50.",
}
BESIDE = ("doing nothing", "raw pixels", "PCA-16", "PCA-50", FLOOR)  # in the first table
NOISY = ("doing nothing", "PCA-50")  # below the pictures of reconstructions
BySeed = Mapping[Any, float]


@dataclass(frozen=True)
class Cell:
    """What is printed.

    Attributes:
        text: the number in words.
        best: whether it is the best of its block or not told apart from it.
        first: whether it is the best.
    """

    text: str
    best: bool = False
    first: bool = False


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

    columns: tuple[Metric, ...]
    blocks: tuple[Block, ...]


def headline(rows: Iterable[Row], baselines: Mapping[str, Any], featured: int) -> Table:
    """What matters first of all models, and below it a few baselines.

    Args:
        rows: metrics of runs.
        baselines: of the study.
        featured: the latent size that comes first.
    """
    ordered = sorted(rows, key=lambda row: int(row["latents"]) != featured)
    sizes = list(dict.fromkeys(int(row["latents"]) for row in ordered))
    beside = {
        name: row for name, row in baseline_rows(baselines).items() if _plain(name) in BESIDE
    }
    return _table(ordered, headline_columns(), beside, sizes)


def headline_columns() -> list[Metric]:
    """The columns that a page opens with."""
    return [table.metric(key) for key in FIRST]


def groups(rows: Iterable[Row], baselines: Mapping[str, Any]) -> dict[str, Table]:
    """All numbers by what they are about; a number that no run has is left out."""
    rows, beside = list(rows), baseline_rows(baselines)
    tables = {
        name: _table(rows, table.printed(*own), beside, flagged=name != MODELS)
        for name, own in GROUPS.items()
    }
    return {name: made for name, made in tables.items() if made.columns}


def glossary() -> dict[str, dict[str, str]]:
    """The definition of every number of a page, by group and title, and of other words."""
    groups = {
        name: {row.title: row.definition for row in table.printed(*own)}
        for name, own in GROUPS.items()
    }
    return {
        name: {term: _unbroken(meaning) for term, meaning in terms.items()}
        for name, terms in {**groups, "Other words": FURTHER}.items()
    }


def _unbroken(text: str) -> str:
    """The same with spaces that do not break where a line must not end."""
    return text.replace(" %", "\u00a0%").replace(" > ", "\u00a0>\u00a0")


def noise(row: Row, baselines: Mapping[str, Any]) -> list[list[str]]:
    """A small table of MSE ×1000 on the whole test set against the noise level.

    Returns:
        The headings, then one line for the model and one for each of two baselines.
    """
    columns = {
        "clean": keys.MSE,
        **{f"{s}": keys.corrupted(keys.MSE, keys.NOISE, s) for s in SIGMAS},
    }
    denoising = baselines.get("denoising", {})
    heads = ["MSE ×1000", *("clean" if name == "clean" else f"σ = {name}" for name in columns)]
    kind = kind_name(row["model"], row.get("varied", ""))
    own = [model_title(kind), *(_thousand(row.get(key)) for key in columns.values())]
    beside = (
        [name, *(_thousand(denoising[name].get(key)) for key in columns)]
        for name in NOISY
        if name in denoising
    )
    return [heads, own, *beside]


def frontier(points: Sequence[Point]) -> list[list[str]]:
    """A small table: a line a point of a frontier, with what was asked for and what was got."""
    drawn = qualities(points)
    heads = [
        "model",
        "asked",
        "got",
        "Σγ",
        *(quality.title for quality in drawn),
        "not dominated in",
    ]
    lines = [
        [
            model_title(point.curve),
            BLANK if point.asked is None else f"{point.asked:g}",
            f"{point.active.mean:.1f}",
            BLANK if point.expected is None else f"{point.expected:.1f}",
            *(_of_point(point, quality) for quality in drawn),
            ", ".join(
                quality.title
                for quality in drawn
                if quality.key in point.values and undominated(point, points, quality)
            )
            or BLANK,
        ]
        for point in points
    ]
    return [heads, *lines]


def _of_point(point: Point, quality: Metric) -> str:
    value = point.values.get(quality.key)
    if value is None:
        return BLANK
    return f"{quality.scale * value.mean:,.{quality.digits}f}".replace("-", "−")


def _thousand(value: float | None) -> str:
    return BLANK if value is None else f"{1000 * value:.1f}"


def _table(
    rows: Sequence[Row],
    columns: Iterable[Metric],
    beside: Mapping[str, Row],
    sizes: Sequence[int] | None = None,
    *,
    flagged: bool = True,
) -> Table:
    """A block of every latent size, and one of baselines; columns that no run has are left out."""
    columns = known(columns, rows)
    seeds = by_model_and_size(rows)
    blocks = []
    for size in sizes or dict.fromkeys(size for _, size in seeds):
        models = {model_title(name): own for (name, at), own in seeds.items() if at == size}
        blocks.append(Block(dimensions(size), compared(models, columns, flagged=flagged)))
    lines = tuple(
        Line(name, tuple(Cell(written(column, _known(row, column))) for column in columns))
        for name, row in beside.items()
        if any(_known(row, column) for column in columns)
    )
    return Table(columns, (*blocks, Block("without a model", lines)) if lines else (*blocks,))


def known(columns: Iterable[Metric], rows: Sequence[Row]) -> tuple[Metric, ...]:
    """The columns that some run has."""
    return tuple(column for column in columns if any(_known(row, column) for row in rows))


def dimensions(size: int) -> str:
    """A latent size in words.

    Example:
        >>> dimensions(1), dimensions(1024)
        ('1 latent dimension', '1,024 latent dimensions')
    """
    return f"{size:,} latent dimension{'s' if size != 1 else ''}"


def compared(
    rows: Mapping[str, Sequence[Row]],
    columns: Sequence[Metric],
    *,
    flagged: bool = True,
    comparable: bool = True,
) -> tuple[Line, ...]:
    """A line for every title, with the seeds of each, the best of each column marked.

    Args:
        rows: metrics by the title of the line, one row a seed.
        columns: of the table.
        flagged: whether a collapsed decoder is said.
        comparable: whether one of the lines may be called the best.
    """
    bests = {column.key: best(rows, column) if comparable else [] for column in columns}

    def cell(title: str, column: Metric) -> Cell:
        among = bests[column.key]
        return Cell(_over_seeds(column, rows[title]), title in among, among[:1] == [title])

    return tuple(
        Line(
            title,
            tuple(cell(title, column) for column in columns),
            collapsed(seeds) if flagged else "",
        )
        for title, seeds in rows.items()
    )


def _over_seeds(column: Metric, rows: Sequence[Row]) -> str:
    """A number over seeds; says of how many where not all have it."""
    values = list(_by_seed(rows, column).values())
    some = 0 < len(values) < len(rows)
    return written(column, values) + (f" ({len(values)} of {len(rows)} seeds)" if some else "")


def best(rows: Mapping[str, Sequence[Row]], column: Metric) -> list[str]:
    """The title with the best mean, and after it those that their seeds do not tell apart from it.

    Two are not told apart when the 95 % interval of their difference, paired by seed, holds 0.

    Returns:
        Nothing where the column has no better way, or where all would be among the best.
    """
    values = {title: _by_seed(seeds, column) for title, seeds in rows.items()}
    given = {title: seeds for title, seeds in values.items() if seeds}
    if not column.better or len(given) < 2:
        return []
    sign = 1 if column.better == "lower" else -1
    means = {
        title: sign * mean_interval(list(seeds.values())).mean for title, seeds in given.items()
    }
    first, *others = sorted(means, key=lambda title: means[title])
    tied = [title for title in others if _tied(given[first], given[title])]
    return [first, *tied] if len(tied) < len(others) else []


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
    count = sum(bool(row.get(keys.COLLAPSED_DECODER)) for row in rows)
    if count == 0:
        return ""
    return "collapsed decoder" + (f" in {count} of {len(rows)} seeds" if len(rows) > 1 else "")


def _known(row: Row, column: Metric) -> list[float]:
    value = row.get(column.key)
    return [] if value is None else [column.scale * value]


def _by_seed(rows: Iterable[Row], column: Metric) -> dict[Any, float]:
    return {row["seed"]: value for row in rows for value in _known(row, column)}


def written(column: Metric, values: Sequence[float]) -> str:
    """Mean ± half the 95 % interval over seeds; the number alone where they do not differ."""
    if not values:
        return BLANK
    interval = mean_interval(values)
    reach = interval.half_width
    digits = max(column.digits, 1) if reach else column.digits
    text = f"{interval.mean:,.{digits}f}" + (f" ± {reach:,.{digits}f}" if reach else "")
    return text.replace("-", "−")


def baseline_rows(baselines: Mapping[str, Any]) -> dict[str, Row]:
    """The baselines of a data set under the names that metrics of runs have."""
    if not baselines:
        return {}
    rows: dict[str, Row] = {
        name: {key: row[column] for column, key in BASELINE_COLUMNS if column in row}
        for name, row in baselines["denoising"].items()
    }
    for name, row in baselines.get("probes", baselines.get("usefulness", {})).items():
        rows[name] = {**rows.get(name, {}), **row}
    floor = {**rows.pop(FLOOR, {}), "reconstruction": baselines["collapse_floor"]}
    return {
        "perfect reconstruction": {"reconstruction": baselines["perfect_score"]},
        **{name: rows[name] for name in sorted(rows, key=_place)},
        f"{FLOOR} (collapse floor)": floor,
    }


def _plain(name: str) -> str:
    return name.removesuffix(" (collapse floor)")


def _place(name: str) -> tuple[int, int]:
    """Where a baseline stands: the images themselves, then PCA by its size, then filters."""
    first = ("doing nothing", "raw pixels")
    if name.startswith("PCA-"):
        return len(first), int(name.removeprefix("PCA-"))
    return (first.index(name), 0) if name in first else (len(first) + 1, 0)
