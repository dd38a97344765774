"""What codes are good for, as columns: classes from few labels, clusters, uneven entries.

Shape legend: N images, J latent dimensions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from sparsevae.data import Dataset
from sparsevae.evaluation.passes import Floats, Measured, batched, unit
from sparsevae.metrics import clusters, probes, sparseness
from sparsevae.models import Model

Row = dict[str, Any]

GATED_MEAN = "_gamma_mu"  # ends the names of columns of γμ, which stand beside the code's


@dataclass(frozen=True)
class Labelled:
    """Codes with the class of each.

    Attributes:
        train: of the training images of :func:`sparsevae.metrics.probes.probe_draws`, S seeds of
            n images, shape ``(S, n, J)``.
        train_labels: shape ``(S, n)``.
        test: of the test images, shape ``(N, J)``.
        test_labels: shape ``(N,)``.
    """

    train: Floats
    train_labels: probes.Labels
    test: Floats
    test_labels: probes.Labels


def unevenness(codes: Floats) -> Row:
    """The measures of sparseness that need neither gates nor labels."""
    return {
        "hoyer": sparseness.hoyer(codes),
        "population_sparseness": sparseness.population_sparseness(codes),
        "lifetime_sparseness": sparseness.lifetime_sparseness(codes),
    }


def class_scores(codes: Labelled | None, ending: str = "") -> Row:
    """What codes say of their classes.

    Args:
        codes: None where there are none: every column is None then.
        ending: of the names ``probe_n``, ``knn_n``, ``silhouette`` and ``adjusted_rand``.

    Returns:
        ``probe_n`` and ``knn_n`` are mean accuracies over seeds with n labelled images, and with
        ``_sd`` behind the name their sample standard deviations; None where there are too few
        images.
    """
    row: Row = {}
    for size in probes.SIZES:
        for name, accuracies in (("probe", _probed), ("knn", _neighbours)):
            found = None if codes is None else accuracies(codes, size)
            key = f"{name}_{size}{ending}"
            row[key] = None if found is None else float(found.mean())
            row[f"{key}_sd"] = None if found is None else float(found.std(ddof=1))
    for name, score in (("silhouette", _silhouette), ("adjusted_rand", _adjusted_rand)):
        row[name + ending] = None if codes is None else score(codes)
    return row


def _probed(codes: Labelled, size: int) -> probes.Floats | None:
    training = (codes.train, codes.train_labels)
    return probes.probe_accuracies(*training, codes.test, codes.test_labels, size)


def _neighbours(codes: Labelled, size: int) -> probes.Floats | None:
    return probes.neighbour_accuracies(codes.test, codes.test_labels, size)


def _silhouette(codes: Labelled) -> float | None:
    found = clusters.silhouettes(codes.test, codes.test_labels)
    return None if found is None else float(found.mean())


def _adjusted_rand(codes: Labelled) -> float | None:
    return clusters.adjusted_rand(codes.test, codes.test_labels)


def with_classes(
    dataset: Dataset, encode: Callable[[Floats], Floats], test: Floats
) -> Labelled | None:
    """Codes of the images that probes learn from, beside those of the test images.

    Args:
        dataset: whose images and labels.
        encode: images, as a model takes them, to codes.
        test: codes of the test images.

    Returns:
        None where there are no labels, or a single class.
    """
    train_labels, test_labels = dataset.train.labels, dataset.test.labels
    if train_labels is None or test_labels is None:
        return None
    if min(len(np.unique(labels)) for labels in (train_labels, test_labels)) < 2:
        return None
    draws = probes.probe_draws(train_labels)
    train = np.stack([encode(unit(dataset.train.take(draw))) for draw in draws])
    return Labelled(train, train_labels[draws], test, test_labels)


def measure_usefulness(model: Model, dataset: Dataset, found: Measured) -> Row:
    """The columns of this module for a model.

    Args:
        model: in evaluation mode.
        dataset: its training images are what probes learn from.
        found: the result of :func:`sparsevae.evaluation.passes.measure` for the test images.

    Returns:
        Columns of the deterministic code and, ending in ``_gamma_mu``, of E_q[z] = γμ; the
        latter are None where that is the code itself, as it is without a posterior's spikes, and
        what needs classes is None without them.
    """
    code = with_classes(dataset, partial(batched, model.encode, model=model), found.code)
    mean = None
    if not np.array_equal(found.code, found.mean):
        means = partial(batched, lambda x: model.posterior(x).mean, model=model)
        mean = with_classes(dataset, means, found.mean)
    return {
        **unevenness(found.code),
        **class_scores(code),
        **class_scores(mean, GATED_MEAN),
    }
