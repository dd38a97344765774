"""The frontier: quality against the number of dimensions that are on, one curve a model.

A study draws it when it varies what decides that number. In the SVG every point has a title, so
that a browser shows its numbers.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes

from sparsevae.metrics import keys
from sparsevae.metrics.table import PROBE_SIZES, Metric, metric
from sparsevae.report import plots
from sparsevae.report.figures.comparison import legend
from sparsevae.report.figures.sheet import Sheet, svg
from sparsevae.report.study import Run, in_order, kind_name, model_place, model_title
from sparsevae.storage.arrays import Row

DECIDING = ("target_active", "active", "alpha", "weight", "beta")  # settings that move the number
QUALITIES = (
    *(keys.NEGATIVE_ELBO, keys.IMPORTANCE_WEIGHTED_BOUND, keys.MSE),
    *(keys.probe(1000), keys.SELECTIVITY),
)
WIDTH, PANEL = 11.0, 3.1  # inches
ACROSS = 3  # panels beside each other
POINT = "frontier-point-"


class Spread(NamedTuple):
    """A number over seeds: its mean, the lowest and the highest."""

    mean: float
    low: float
    high: float
    seeds: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Of one number a seed, at least one."""
        return cls(sum(values) / len(values), min(values), max(values), len(values))


@dataclass(frozen=True)
class Point:
    """One model with one setting, over its seeds.

    Attributes:
        curve: the model, with what varies beside the target.
        asked: how many dimensions should be on; None where nothing holds them.
        active: how many are with γ above ½, mean over images.
        expected: Σγ, mean over images; None where it is not known.
        values: each quality by its key; one that no seed has is left out.
    """

    curve: str
    asked: float | None
    active: Spread
    expected: float | None
    values: dict[str, Spread]


def points_of(runs: Iterable[Run], size: int) -> list[Point]:
    """The points of a latent size, by curve and then by the number that is on.

    Args:
        runs: finished ones of a study.
        size: J of those that are taken.

    Returns:
        Nothing where no model was run with several targets.
    """
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        if run.config.latents == size and run.metrics.get(keys.ACTIVE_PER_IMAGE) is not None:
            groups.setdefault((_curve(run), run.kind), []).append(run)
    kinds = [curve for curve, kind in groups if curve != kind]
    if len(kinds) == len(set(kinds)):
        return []
    points = [_point(curve, [run.metrics for run in own]) for (curve, _), own in groups.items()]
    order = in_order(point.curve for point in points)
    return sorted(points, key=lambda point: (order.index(point.curve), point.active.mean))


def _curve(run: Run) -> str:
    parts = [part for part in run.varied.split(", ") if part]
    others = [part for part in parts if part.split(" = ")[0] not in DECIDING]
    return kind_name(run.config.model, ", ".join(others))


def _point(curve: str, rows: Sequence[Row]) -> Point:
    values = {
        key: Spread.of([row[key] for row in rows if row.get(key) is not None])
        for key in (*QUALITIES, *map(keys.neighbours, PROBE_SIZES))
        if any(row.get(key) is not None for row in rows)
    }
    active = Spread.of([row[keys.ACTIVE_PER_IMAGE] for row in rows])
    gammas = [row[keys.SUM_GAMMA] for row in rows if row.get(keys.SUM_GAMMA) is not None]
    expected = sum(gammas) / len(gammas) if gammas else None
    return Point(curve, rows[0].get(keys.TARGET_ACTIVE), active, expected, values)


def qualities(points: Sequence[Point]) -> list[Metric]:
    """What is drawn: numbers that some point has, nearest neighbours of the most labels."""
    near = [key for key in map(keys.neighbours, PROBE_SIZES[::-1]) if _any(points, key)][:1]
    chosen = [*QUALITIES[:-1], *near, QUALITIES[-1]]
    return [metric(key) for key in chosen if _any(points, key)]


def _any(points: Sequence[Point], key: str) -> bool:
    return any(key in point.values for point in points)


def undominated(point: Point, points: Iterable[Point], quality: Metric) -> bool:
    """Whether no other point has as few dimensions on and is better, by means over seeds.

    Args:
        point: with the quality.
        points: that it is compared with; those without the quality do not count.
        quality: what is compared.
    """
    sign = 1 if quality.better == "lower" else -1
    own = sign * point.values[quality.key].mean
    return not any(
        other.active.mean <= point.active.mean and sign * other.values[quality.key].mean < own
        for other in points
        if quality.key in other.values
    )


def frontier(points: Sequence[Point]) -> Sheet:
    """A panel a quality; bars go from the lowest seed to the highest.

    Args:
        points: of :func:`points_of`, at least one.
    """
    drawn = qualities(points)
    lines = -(-len(drawn) // ACROSS)
    sheet = Sheet(WIDTH, PANEL * lines + 0.4)
    for place, quality in enumerate(drawn):
        ax = sheet.add_subplot(lines, ACROSS, place + 1)
        _curves(ax, points, quality, f"{POINT}{place}")
        ax.set_xscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.set_xlabel("dimensions on an image")
        way = {"lower": " ↓", "higher": " ↑"}.get(quality.better, "")
        plots.headed(plots.tidy(ax), ", ".join(filter(None, (quality.title, quality.unit))) + way)
    legend(sheet, sheet.axes)
    return sheet


def _curves(ax: Axes, points: Sequence[Point], quality: Metric, name: str) -> None:
    """Draw the curve of every model, and over each point one that is not seen but has a name."""
    curves = in_order(point.curve for point in points)
    for curve in curves:
        own = [p for p in points if p.curve == curve and quality.key in p.values]
        if not own:
            continue
        x = np.array([point.active.mean for point in own])
        values = [point.values[quality.key] for point in own]
        means = quality.scale * np.array([value.mean for value in values])
        ends = quality.scale * np.array([(value.low, value.high) for value in values]).T
        index = model_place(curve, curves)
        plots.mean_curve(ax, x, means, 0 * means, label=model_title(curve), index=index)
        ax.vlines(x, *ends, color=plots.model_colour(index), linewidth=1)
        for point, mean in zip(own, means, strict=True):
            (dot,) = ax.plot(point.active.mean, mean, marker="o", markersize=9, alpha=0)
            dot.set_gid(f"{name}-{points.index(point)}")


def titled_svg(sheet: Sheet, points: Sequence[Point]) -> str:
    """The figure as SVG, every point with a title that a browser shows.

    Args:
        sheet: of :func:`frontier`.
        points: those that it shows.
    """
    drawn = qualities(points)

    def with_title(found: re.Match[str]) -> str:
        quality, point = drawn[int(found[1])], points[int(found[2])]
        return f"{found[0]}<title>{escape(in_words(point, quality))}</title>"

    text = svg(sheet).decode("utf-8")
    return re.sub(rf'<g id="{POINT}(\d+)-(\d+)">', with_title, text)


def in_words(point: Point, quality: Metric) -> str:
    """A point in a sentence: model, target, number that is on, quality, seeds."""
    value = point.values[quality.key]
    ends = [f"{quality.scale * end:.{quality.digits}f}" for end in (value.low, value.high)]
    reach = f" from {ends[0]} to {ends[1]}" if value.seeds > 1 else ""
    asked = "" if point.asked is None else f", {point.asked:g} asked for"
    return (
        f"{model_title(point.curve)}{asked}: {point.active.mean:.1f} on, {quality.title} "
        f"{quality.scale * value.mean:.{quality.digits}f}{reach} ({value.seeds} seeds)"
    )
