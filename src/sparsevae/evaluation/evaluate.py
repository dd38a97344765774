"""A model and rows in, numbers out: one pass over the rows, read by groups of metrics."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sparsevae.data import Dataset, Split
from sparsevae.data.dataset import Factors, Labels
from sparsevae.data.scaling import GREY, Scaling
from sparsevae.errors import ConfigurationError
from sparsevae.evaluation import pictures
from sparsevae.evaluation.bound import bound_columns
from sparsevae.evaluation.denoising import Denoiser
from sparsevae.evaluation.diagnostics import Diagnosis, examine
from sparsevae.evaluation.meter import Meter, Report, costs
from sparsevae.evaluation.one_pass import Pass
from sparsevae.evaluation.paths import geometry_columns
from sparsevae.evaluation.probes import probe_columns
from sparsevae.evaluation.quality import denoised_columns, quality_columns
from sparsevae.evaluation.scope import left_out, scope_columns
from sparsevae.evaluation.sparsity import sparsity_columns
from sparsevae.metrics import keys
from sparsevae.metrics.collapse import COLLAPSE_SHARE, FLAT_DECODER
from sparsevae.metrics.table import METRICS, Metric
from sparsevae.models import Model
from sparsevae.storage.arrays import Array, Row, Rows


def _parameters(one: Pass) -> Row:
    return {f"parameters_{part}": n for part, n in one.model.parameter_counts().items()}


def _factors(one: Pass) -> Row:
    return one.factor_match[0]


def _collapse(one: Pass) -> Row:
    reconstruction = float(one.measured.reconstruction.mean())
    too_high = reconstruction > COLLAPSE_SHARE * one.collapse_floor
    return {keys.COLLAPSED_DECODER: bool(too_high or one.pixel_variance < FLAT_DECODER)}


GROUPS: dict[str, Callable[[Pass], Row]] = {
    "parameters": _parameters,
    "scope": scope_columns,
    "bound": bound_columns,
    "quality": quality_columns,
    "denoising": denoised_columns,
    "sparsity": sparsity_columns,
    "probes": probe_columns,
    "geometry": geometry_columns,
    "factors": _factors,
    "diagnostics": _collapse,
}
PICTURES = "pictures"  # a group of arrays, without metrics
ALL_GROUPS = (*GROUPS, PICTURES)
NEEDED: dict[str, tuple[str, ...]] = {  # parts that are measured when a group first asks
    "bound": ("codes",),
    "quality": ("codes", "decoded", "classifier"),
    "sparsity": ("codes", "ablation"),
    "probes": ("codes",),
    "geometry": ("codes", "classifier", "ablation"),
    "factors": ("codes", "ablation"),
    "diagnostics": ("codes", "decoded", "ablation"),
    PICTURES: ("codes", "ablation"),
}
_FURTHER: dict[str, tuple[Metric, Callable[[Pass], Any]]] = {}


@dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Attributes:
        metrics: by key, None where one is not defined; see :mod:`sparsevae.metrics.table`.
        arrays: what pictures draw, see :mod:`sparsevae.evaluation.pictures`; with the group
            "factors" also ``factor_correlation``.
        diagnosis: of the group "diagnostics", otherwise None.
        denoiser: of the group "denoising", where there are training rows of measurements.
        notes: what was left out because there is too much of it, or too little, a sentence each.
    """

    metrics: Row
    arrays: dict[str, Array] = field(default_factory=dict)
    diagnosis: Diagnosis | None = None
    denoiser: Denoiser | None = None
    notes: tuple[str, ...] = ()


def evaluate(
    model: Model,
    x: Rows,
    labels: Labels | None = None,
    *,
    train: Split | None = None,
    groups: Iterable[str] = ALL_GROUPS,
    scaling: Scaling | None = None,
    factors: Factors | None = None,
    factor_groups: Iterable[slice] = (),
    classifier_file: Path | None = None,
    progress: Report | None = None,
    refine: int = 0,
) -> Evaluation:
    """Measure a trained model on rows, as much as is asked for.

    Of more rows, classes or dimensions than :mod:`sparsevae.evaluation.limits` allows a fixed
    sample is measured; the group "scope" and the notes say so.

    Args:
        model: on any device, in evaluation mode.
        x: raw rows where a scaling is given, otherwise float rows as the model takes them (or
            bytes of grey levels), shape ``(N, *shape)``.
        labels: class of every row, shape ``(N,)``.
        train: training rows, from which probes and the classifier learn, and whose mean is what a
            collapsed decoder prints. What needs them is None without.
        groups: of :data:`ALL_GROUPS`; a group that is left out costs nothing.
        scaling: of the raw rows. A density is then that of the raw rows.
        factors: what the rows were drawn from, shape ``(N, K)``, NaN where a factor is absent.
        factor_groups: columns of factors that belong together.
        classifier_file: where the classifier is kept between calls; nowhere when None.
        progress: called with the share of the work that is done, from 0 to 1.
        refine: gradient steps on every row's posterior, which codes, gates and bounds are then of;
            see :mod:`sparsevae.evaluation.refinement`.

    Raises:
        ConfigurationError: an unknown group.

    Example:
        >>> import numpy as np
        >>> from sparsevae.models import build
        >>> network = build("vsc", (5,), 3, widths=(4,), arguments={}).eval()
        >>> x = np.random.default_rng(0).random((20, 5), np.float32)
        >>> round(evaluate(network, x, groups=("sparsity",)).metrics["active_per_image"]) <= 3
        True
    """
    if scaling is None and x.dtype == "uint8":
        scaling = GREY
    return evaluate_pass(
        Pass.over(
            model,
            x,
            labels,
            train=train,
            scaling=scaling,
            factors=factors,
            factor_groups=tuple(factor_groups),
            classifier_file=classifier_file,
            meter=Meter(progress or (lambda share: None)),
            refine=refine,
        ),
        groups,
    )


def evaluate_dataset(
    model: Model,
    dataset: Dataset,
    groups: Iterable[str] = ALL_GROUPS,
    classifier_file: Path | None = None,
    progress: Report = lambda share: None,
) -> Evaluation:
    """:func:`evaluate` on the test split of a data set, with its training split."""
    meter = Meter(progress)
    one = Pass.of(model, dataset, classifier_file=classifier_file, meter=meter)
    return evaluate_pass(one, groups)


def evaluate_pass(one: Pass, groups: Iterable[str] = ALL_GROUPS) -> Evaluation:
    """:func:`evaluate` on a pass that is there already."""
    chosen = tuple(groups)
    for name in chosen:
        if name not in ALL_GROUPS:
            raise ConfigurationError(
                f"Groups of metrics are {', '.join(ALL_GROUPS)}; there is no {name!r}."
            )
    meter, seconds = one.meter, costs(one.extent)
    parts = {part for name in chosen for part in (name, *NEEDED.get(name, ()))}
    meter.expect({name: seconds[name] for name in parts if name in seconds})
    row: Row = {}
    for name in (name for name in chosen if name in GROUPS and name != "diagnostics"):
        with meter.part(name):
            row |= _columns(one, name)
    arrays: dict[str, Array] = {}
    if PICTURES in chosen:
        with meter.part(PICTURES):
            arrays = pictures.gather(one)
    if "factors" in chosen:
        arrays |= one.factor_match[1]
    diagnosis = None
    if "diagnostics" in chosen:
        with meter.part("diagnostics"):
            row |= _columns(one, "diagnostics")
            diagnosis = examine(one)
    notes = left_out(one, row)
    meter.finish()
    denoiser = one.denoiser if "denoising" in chosen else None
    return Evaluation(row, arrays, diagnosis, denoiser, notes)


def _columns(one: Pass, group: str) -> Row:
    """The metrics of a group, those that were registered included."""
    further = {key: f(one) for key, (metric, f) in _FURTHER.items() if metric.group == group}
    return {**GROUPS[group](one), **further}


def register(metric: Metric, function: Callable[[Pass], Any]) -> None:
    """Add a metric to the table and to what :func:`evaluate` returns.

    Args:
        metric: its row; the group says when it is computed.
        function: a plain number of a pass, or None where it is not defined.

    Raises:
        ConfigurationError: the key is taken, or there is no such group.
    """
    if metric.group not in GROUPS or any(row.key == metric.key for row in METRICS):
        raise ConfigurationError(
            f"The metric {metric.key!r} needs a key of its own and a group of {', '.join(GROUPS)}."
        )
    METRICS.append(metric)
    _FURTHER[metric.key] = metric, function
