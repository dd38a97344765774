"""A model and data in, one row of metrics and the numbers behind the pictures out.

Shape legend: N images, J latent dimensions.
"""

import math
from typing import Any

import numpy.typing as npt
import torch

from sparsevae.data import Dataset
from sparsevae.evaluation import pictures
from sparsevae.evaluation.bound import measure_bound
from sparsevae.evaluation.classifier import classifier
from sparsevae.evaluation.factors import measure_factors
from sparsevae.evaluation.geometry import measure_geometry
from sparsevae.evaluation.passes import (
    Floats,
    Measured,
    ablation_rises,
    mean_image,
    measure,
    unit,
)
from sparsevae.evaluation.probes import measure_usefulness
from sparsevae.evaluation.quality import measure_quality
from sparsevae.metrics import bounds, sparseness, sparsity
from sparsevae.metrics.collapse import COLLAPSE_SHARE, FLAT_DECODER
from sparsevae.models import Model

Array = npt.NDArray[Any]

OF_CLASSES = (
    "selectivity",
    "selectivity_all",
    "selectivity_permuted",
    "spike_class_information",
    "spike_class_information_max",
)


def _bound(model: Model, found: Measured) -> dict[str, Any]:
    """The terms of the bound and of the objective; a model without a prior has no bound."""
    reconstruction, kl = float(found.reconstruction.mean()), float(found.kl.mean())
    gamma, expected = torch.from_numpy(found.gamma), torch.from_numpy(found.expected)
    penalty = float(model.sparsity_penalty(gamma, expected))
    return {
        "negative_elbo": reconstruction + kl if model.has_bound else None,
        "reconstruction": reconstruction,
        "kl": kl if model.has_bound else None,
        "sparsity_penalty": penalty,
        "prior_perplexity": model.prior.perplexity(),
        "loss": reconstruction + float(model.kl_weight(1.0)) * kl + penalty,
    }


def _sparsity(found: Measured, rises: Floats, labels: Array | None) -> dict[str, Any]:
    """How sparse the codes are; what needs classes is blank without labels."""
    used = sparsity.used_mask(rises)
    row: dict[str, Any] = {
        "used_dimensions": int(used.sum()),
        "on_in_1pct": sparsity.on_in_one_percent(found.gamma),
        "active_per_image": sparsity.active_per_image(found.gamma),
        "sum_gamma": float(found.gamma.sum(1).mean()),
        "always_on": sparsity.always_on(found.gamma),
        "dead": sparsity.dead(found.gamma, used),
        "exact_zeros": sparsity.exact_zeros(found.code),
        "support_entropy": sparseness.support_entropy(found.gamma),
        "gate_entropy": sparseness.gate_entropy(found.gamma),
    }
    if labels is None:
        return {**row, **dict.fromkeys(OF_CLASSES)}
    row["selectivity"] = sparsity.selectivity(found.gamma, labels, used)
    row["selectivity_all"] = sparsity.selectivity(found.gamma, labels)
    row["selectivity_permuted"] = sparsity.permuted_selectivity(found.gamma, labels, used)
    information = sparseness.class_information(found.gamma, labels)
    mean, largest = sparseness.mean_and_largest(information, used)
    return {**row, "spike_class_information": mean, "spike_class_information_max": largest}


def essentials(
    model: Model, found: Measured, rises: Floats, labels: Array | None
) -> dict[str, Any]:
    """What decides whether a sparse model works: the terms of its bound, and its gates.

    Args:
        model: in evaluation mode.
        found: the result of :func:`sparsevae.evaluation.passes.measure`.
        rises: the result of :func:`sparsevae.evaluation.passes.ablation_rises`, shape ``(J,)``.
        labels: shape ``(N,)``; without them what needs classes is None.
    """
    return {**_bound(model, found), **_sparsity(found, rises, labels)}


def evaluate(model: Model, dataset: Dataset) -> tuple[dict[str, Any], dict[str, Array]]:
    """Measure a trained model on the test split.

    Args:
        model: on any device, in evaluation mode.
        dataset: its test split is what is measured; the mean training image is what a
            collapsed decoder would print.

    Returns:
        Metrics by name (None where a metric is not defined for the model), and arrays: what
        pictures draw (:mod:`sparsevae.evaluation.pictures`) is made from the same measurements.
    """
    x, labels = unit(dataset.test), dataset.test.labels
    found = measure(model, x)
    rises = ablation_rises(model, x, found)
    judge = classifier(dataset)
    arrays = pictures.gather(model, dataset, x, found, rises)
    row = {
        **essentials(model, found, rises, labels),
        **measure_bound(model, x),
        **measure_quality(model, x, found, judge),
        **measure_usefulness(model, dataset, found),
        **measure_geometry(model, labels, found, arrays, judge),
    }
    row["active_units"] = sparsity.active_units(found.mean) if model.has_bound else None
    scored = not model.family.normalised
    floor = bounds.collapse_floor(mean_image(dataset.train), x) if scored else math.nan
    row["collapsed_decoder"] = bool(
        row["reconstruction"] > COLLAPSE_SHARE * floor or row["pixel_variance"] < FLAT_DECODER
    )
    row.update({f"parameters_{part}": n for part, n in model.parameter_counts().items()})
    accuracy = judge.accuracy(dataset.test) if judge and labels is not None else None
    row["classifier_accuracy"] = accuracy
    known, matched = measure_factors(found.code, sparsity.used_mask(rises), dataset)
    return {**row, **known}, {**arrays, **matched}
