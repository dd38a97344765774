"""Many runs in one figure: training, quality against latent size and against noise."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, MaxNLocator

from sparsevae.evaluation.pictures import SIGMAS
from sparsevae.metrics import keys
from sparsevae.metrics.intervals import mean_interval
from sparsevae.metrics.table import metric
from sparsevae.report import plots
from sparsevae.report.figures.sheet import Sheet
from sparsevae.report.study import Run, by_model_and_size, in_order, model_place, model_title
from sparsevae.storage.arrays import Row

Points = Iterable[tuple[float, list[float]]]  # a place on the x axis and one value a seed

WIDTH = 11.0  # inches
TERMS = {
    "objective": "objective",
    "reconstruction": "reconstruction",
    "kl": "KL",
    "penalty": "sparsity penalty",
}
QUALITIES = (
    *(keys.NEGATIVE_ELBO, keys.MSE, keys.USED_DIMENSIONS, keys.ACTIVE_PER_IMAGE),
    *(keys.SELECTIVITY, keys.probe(1000)),
)
TITLES = {keys.USED_DIMENSIONS: "used dimensions"}  # what a column's title leaves out
ACROSS = 3  # panels of different numbers beside each other
MOST = 4  # panels of latent sizes beside each other
ENTRIES = 8  # of a legend beside each other
BASELINES = {
    "doing nothing": ":",
    "mean image": (0, (1, 4)),
    "Wiener filter 3x3": "-.",
    "PCA-50": "--",
}


def training_curves(runs: Iterable[Run]) -> Sheet:
    """The terms of the loss over the epochs: one row of panels a latent size, one line a run.

    A term that is 0 throughout is not drawn.

    Args:
        runs: with their history.
    """
    runs = list(runs)
    sizes = sorted({run.config.latents for run in runs})
    models = {run.kind for run in runs}
    terms = [term for term in TERMS if any(_present(run.history, term) for run in runs)]
    sheet = Sheet(WIDTH, 2.2 * len(sizes) + 0.5)
    axes = sheet.subplots(len(sizes), len(terms), squeeze=False, sharex=True)
    for run in runs:
        style: dict[str, Any] = {
            "color": plots.model_colour(model_place(run.kind, models)),
            "label": run.title,
            "linewidth": 1.2,
        }
        epochs = [row["epoch"] for row in run.history]
        for ax, term in zip(axes[sizes.index(run.config.latents)], terms, strict=True):
            if _present(run.history, term):
                ax.plot(epochs, [row[term] for row in run.history], **style)
    for size, line in zip(sizes, axes, strict=True):
        for ax, term in zip(line, terms, strict=True):
            plots.headed(plots.tidy(ax), f"{TERMS[term]}, J = {size}")
        line[0].set_ylabel("nats per image")
    for ax in axes[-1]:
        ax.set_xlabel("epoch")
        ax.xaxis.set_major_locator(MaxNLocator(6, integer=True, steps=[1, 2, 5, 10]))
    legend(sheet, axes.flat)
    return sheet


def _present(history: Iterable[Row], term: str) -> bool:
    """Whether a model's loss has a term; where it has none, 0 is written."""
    return any(row[term] != 0 for row in history)


def quality_against_latents(rows: Sequence[Row]) -> Sheet:
    """Scores and dimensions at work against the latent size: means over seeds, 95 % intervals.

    Args:
        rows: metrics of runs; a panel leaves out the models that its number is not defined for,
            and a number that none of them has is left out.
    """
    groups = by_model_and_size(rows)
    models, sizes = in_order(model for model, _ in groups), sorted({size for _, size in groups})
    known = [metric(key) for key in QUALITIES if _values(rows, key, 1)]
    lines = -(-len(known) // ACROSS)
    sheet = Sheet(WIDTH, 2.6 * lines + 0.4)
    axes = [sheet.add_subplot(lines, ACROSS, place + 1) for place in range(len(known))]
    for ax, number in zip(axes, known, strict=True):
        for model in models:
            seeds = {size: groups.get((model, size), []) for size in sizes}
            points = (
                (size, _values(own, number.key, number.scale)) for size, own in seeds.items()
            )
            _draw(ax, points, model, model_place(model, models))
        ax.set_xscale("log", base=2)
        ax.set_xticks(sizes, [str(size) for size in sizes])
        ax.minorticks_off()
        ax.set_xlabel("latent dimensions J")
        title = TITLES.get(number.key, number.title)
        plots.headed(plots.tidy(ax), ", ".join(filter(None, (title, number.unit))))
    legend(sheet, axes)
    return sheet


def quality_against_noise(rows: Sequence[Row], baselines: Mapping[str, Any]) -> Sheet:
    """MSE to the clean image against the noise level, one panel a latent size.

    Args:
        rows: metrics of runs; the noise is not clipped.
        baselines: of the study; its "denoising" rows are drawn in grey beside the models.
    """
    groups = by_model_and_size(rows)
    models, sizes = in_order(model for model, _ in groups), sorted({size for _, size in groups})
    lines, across = -(-len(sizes) // MOST), min(len(sizes), MOST)
    sheet = Sheet(WIDTH, 3.4 * lines)
    grid = list(sheet.subplots(lines, across, squeeze=False, sharey=True).flat)
    axes = grid[: len(sizes)]
    for spare in grid[len(sizes) :]:
        spare.remove()
    noisy = {sigma: keys.corrupted(keys.MSE, keys.NOISE, sigma) for sigma in SIGMAS}
    names = {0.0: keys.MSE, **noisy}
    for ax, size in zip(axes, sizes, strict=True):
        for model in models:
            seeds = groups.get((model, size), [])
            points = ((sigma, _values(seeds, name, 1000)) for sigma, name in names.items())
            _draw(ax, points, model, model_place(model, models))
        _baseline_lines(ax, baselines.get("denoising", {}))
        ax.set(yscale="log", xlabel="noise σ", xticks=list(names))
        ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        ax.yaxis.set_major_formatter("{x:g}")
        ax.minorticks_off()
        plots.headed(plots.tidy(ax), f"J = {size}")
    for ax in axes[::across]:
        ax.set_ylabel("MSE ×1000")
    legend(sheet, axes)
    return sheet


def _values(rows: Iterable[Row], name: str, scale: float) -> list[float]:
    """One metric of every seed that it is defined for."""
    return [scale * row[name] for row in rows if row.get(name) is not None]


def _draw(ax: Axes, points: Points, model: str, index: int) -> None:
    known = [(x, mean_interval(values)) for x, values in points if values]
    if known:
        x, means, reaches = np.array([(x, mean.mean, mean.half_width) for x, mean in known]).T
        plots.mean_curve(ax, x, means, reaches, label=model_title(model), index=index)


def _baseline_lines(ax: Axes, table: Mapping[str, Mapping[str, float]]) -> None:
    """What denoises without any model; a clean image that is left as it is has no place."""
    for name, style in BASELINES.items():
        row = table.get(name, {})
        known = {0.0: row.get("clean"), **{sigma: row.get(f"{sigma}") for sigma in SIGMAS}}
        values = [(sigma, 1000 * error) for sigma, error in known.items() if error]
        if values:
            ax.plot(*zip(*values, strict=True), linestyle=style, color=plots.MUTED, label=name)


def legend(sheet: Sheet, axes: Iterable[Axes]) -> None:
    """One legend for all panels, every name in it once."""
    entries = sorted((ax.get_legend_handles_labels() for ax in axes), key=lambda e: -len(e[1]))
    named: dict[Any, Any] = {}
    for handles, names in entries:
        for name, handle in zip(names, handles, strict=True):
            named.setdefault(name, handle)
    sheet.legend(
        named.values(),
        named.keys(),
        loc="outside upper left",
        ncols=min(len(named), ENTRIES),
        fontsize=plots.TEXT,
        frameon=False,
    )
