"""How images change through a model's code space, and what classes' codes have in common.

Two kinds of paths are walked. *Between classes*: the straight line between the mean codes of
every two classes, 32 steps. *Grid*: the 33 rows and 33 columns of the plane of the two dimensions
that the decoder needs most, which are the picture's, the other dimensions as in the picture. An
axis runs evenly from the lowest to the highest value of the picture's axis; the picture's first
column of a gated dimension, the gate switched off, is the value 0 and lies among them. So every
model's paths have equally many steps of equal size in its own code, from one end of what it uses
to the other, and the step from "off" to "on" is not longer than any other.

Images are compared by the features of a classifier of the data
(:mod:`sparsevae.evaluation.classifier`), whose unit is the spread of the training images. It tells
classes apart, so all transitions look more sudden in its features than in pixels, for every model.

Shape legend: N images, J latent dimensions, K classes, P paths, T steps, F features.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.evaluation.classifier import Classifier
from sparsevae.evaluation.passes import Array, Floats, Measured, batched
from sparsevae.metrics import geometry, sparsity
from sparsevae.models import Model

Row = dict[str, Any]
Classes = npt.NDArray[np.int64]

STEPS = 32
OF_CLASSES = ("class_overlap", "activation_variation")
OF_PATHS = ("path_length", "path_peak_to_mean")
OF_GRID = ("grid_length", "grid_peak_to_mean", "grid_classes")


def present_means(values: Floats, labels: Classes) -> Floats:
    """Mean of every column over each class that has images, shape ``(K, J)``."""
    means = sparsity.class_means(values, labels, int(labels.max()) + 1)
    return np.asarray(means[np.isfinite(means).all(1)], dtype=np.float32)


def class_paths(means: Floats) -> Floats:
    """Codes on the lines between every two class means, shape ``(P, T + 1, J)``."""
    starts, ends = np.triu_indices(len(means), 1)
    return geometry.straight_paths(means[starts], means[ends], STEPS)


def plane(arrays: dict[str, Array]) -> Floats:
    """Codes on the plane of a run's picture, evenly spaced, shape ``(T + 1, T + 1, J)``.

    Args:
        arrays: the numbers behind the pictures, see :mod:`sparsevae.evaluation.pictures`.
    """
    base, dimensions = arrays["base_codes"][0], arrays["grid_dimensions"]
    codes = np.tile(base, (STEPS + 1, STEPS + 1, 1)).astype(np.float32)
    for axis, dimension in enumerate(dimensions):
        values = np.nan_to_num(arrays["axis_values"][dimension])
        places = np.linspace(values.min(), values.max(), STEPS + 1)
        codes[:, :, dimension] = places[:, None] if axis == 0 else places
    return codes


def measure_geometry(
    model: Model,
    labels: Classes | None,
    found: Measured,
    arrays: dict[str, Array],
    classifier: Classifier | None,
) -> Row:
    """The columns of this module for a model.

    Args:
        model: in evaluation mode.
        labels: of the test images, shape ``(N,)``; None leaves what needs classes blank.
        found: the result of :func:`sparsevae.evaluation.passes.measure` for the test images.
        arrays: the numbers behind the run's pictures.
        classifier: of the data; None leaves paths and grid blank.
    """
    row: Row = dict.fromkeys((*OF_PATHS, *OF_GRID, *OF_CLASSES))
    row["activation_level"] = geometry.activation_level(found.code)
    if labels is not None:
        sizes = present_means(np.abs(found.code), labels)
        row["class_overlap"] = geometry.class_overlap(sizes)
        row["activation_variation"] = geometry.activation_variation(sizes)
    means = found.code[:0] if labels is None else present_means(found.code, labels)
    if len(means) > 1 and classifier is not None:
        lines = class_paths(means)
        features = classifier.features_of(_decoded(model, lines))
        row.update(_along(features.reshape(*lines.shape[:2], features.shape[-1]), OF_PATHS))
    if classifier is not None and model.latents > 1 and "grid" in arrays:
        row.update(_on_grid(model, plane(arrays), classifier))
    return row


def _decoded(model: Model, codes: Floats) -> Floats:
    return batched(model.decode, codes.reshape(-1, codes.shape[-1]), model)


def _along(features: Floats, names: tuple[str, ...]) -> Row:
    """Length and evenness of paths, features of shape ``(P, T + 1, F)``."""
    return dict(
        zip(names, (geometry.path_length(features), geometry.peak_to_mean(features)), strict=True)
    )


def _on_grid(model: Model, codes: Floats, classifier: Classifier) -> Row:
    """The columns of a grid, whose rows and columns are paths."""
    shown = _decoded(model, codes)
    features = classifier.features_of(shown).reshape(*codes.shape[:2], -1)
    lines = np.concatenate([features, features.swapaxes(0, 1)])
    return {
        **_along(lines, OF_GRID[:2]),
        "grid_classes": len(np.unique(classifier.labels_of(shown))),
    }
