"""How images change through a model's code space, and what classes' codes have in common.

Two kinds of paths are walked. *Between classes*: the straight line between the mean codes of two
classes, 32 steps: every two of up to 25 classes, 300 pairs of more. Where the decoder takes gates
beside codes, they are part of what is averaged and walked: hardly a mean code is 0 anywhere, and
its gates would all be open, as for no image. *Grid*: the 33 rows and 33 columns of the plane of
the two dimensions that the decoder needs most, which are the picture's, the other dimensions as in
the picture. An axis runs evenly from the lowest to the highest value of the picture's axis; the
picture's first column of a gated dimension, the gate switched off, is the value 0 and lies among
them. So every model's paths have equally many steps of equal size in its own code, from one end of
what it uses to the other, and the step from "off" to "on" is not longer than any other.

Images are compared by the features of a classifier of the data, see
:mod:`sparsevae.evaluation.classifier`, whose scale is the spread of the training images. It tells
classes apart, so all transitions look more sudden in its features than in pixels, for every model.

Shape legend: N images, J latent dimensions, K classes, P paths, T steps, F features.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from sparsevae.data.dataset import Labels
from sparsevae.evaluation.classifier import Classifier
from sparsevae.evaluation.limits import class_pairs
from sparsevae.evaluation.one_pass import Pass
from sparsevae.evaluation.passes import batched
from sparsevae.evaluation.pictures import Frame
from sparsevae.metrics import geometry, keys, sparsity
from sparsevae.models import Model
from sparsevae.storage.arrays import Floats, Row

STEPS = 32
OF_CLASSES = (keys.CLASS_OVERLAP, keys.ACTIVATION_VARIATION)
OF_PATHS = (keys.PATH_LENGTH, keys.PATH_PEAK_TO_MEAN)
OF_GRID = (keys.GRID_LENGTH, keys.GRID_PEAK_TO_MEAN, keys.GRID_CLASSES)


def present_means(values: Floats, labels: Labels) -> Floats:
    """Mean of every column over each class that has images, shape ``(K, J)``."""
    means = sparsity.class_means(values, labels, int(labels.max()) + 1)
    return np.asarray(means[np.isfinite(means).all(1)], dtype=np.float32)


def class_paths(means: Floats) -> Floats:
    """What lies on the lines between class means, shape ``(P, T + 1, J)``.

    Which: see :func:`sparsevae.evaluation.limits.class_pairs`.
    """
    starts, ends = class_pairs(len(means))
    return geometry.straight_paths(means[starts], means[ends], STEPS)


def plane(frame: Frame) -> Floats:
    """Codes on the plane of a run's picture, evenly spaced, shape ``(T + 1, T + 1, J)``."""
    codes = np.tile(frame.base_codes[0], (STEPS + 1, STEPS + 1, 1)).astype(np.float32)
    for axis, dimension in enumerate(frame.dimensions):
        values = np.nan_to_num(frame.axes[dimension])
        places = np.linspace(values.min(), values.max(), STEPS + 1)
        codes[:, :, dimension] = places[:, None] if axis == 0 else places
    return codes


def geometry_columns(one: Pass) -> Row:
    """The columns of this module for a model.

    Without labels what needs classes is None, without a classifier paths and grid are.
    """
    model, code, classifier = one.model, one.measured.code, one.classifier
    counted = one.counted
    row: Row = dict.fromkeys((*OF_PATHS, *OF_GRID, *OF_CLASSES))
    row[keys.CLASSIFIER_ACCURACY] = None
    row[keys.ACTIVATION_LEVEL] = geometry.activation_level(code)
    if counted is not None:
        sizes = present_means(np.abs(code[counted.places]), counted.labels)
        row[keys.CLASS_OVERLAP] = geometry.class_overlap(sizes)
        row[keys.ACTIVATION_VARIATION] = geometry.activation_variation(sizes)
    if classifier is None:
        return row
    if one.labels is not None:
        right = classifier.labels_of(one.scaled) == one.labels
        row[keys.CLASSIFIER_ACCURACY] = float(right.mean())
    if counted is not None and len(counted.classes) > 1:
        lines = class_paths(present_means(_taken(model, code[counted.places]), counted.labels))
        row.update(_along(_features(model, classifier, lines), OF_PATHS))
    one.meter.tick(0.5)
    if model.latents > 1 and len(model.shape) > 1:
        codes = plane(one.frame)
        features = _features(model, classifier, codes)
        lines = np.concatenate([features, features.swapaxes(0, 1)])
        row.update(_along(lines, OF_GRID[:2]))
        seen = _seen(model, classifier, classifier, codes).argmax(1)
        row[keys.GRID_CLASSES] = len(np.unique(seen))
    return row


def _taken(model: Model, code: Floats) -> Floats:
    """What the decoder takes of codes; one of somebody's own takes them as they are."""
    inputs = getattr(model.decoder, "inputs", None)
    return code if inputs is None else np.asarray(inputs(torch.as_tensor(code)))


def _seen(
    model: Model, classifier: Classifier, of: Callable[[Tensor], Tensor], codes: Floats
) -> Floats:
    """What a part of the classifier gives for decoded codes; the images are not kept."""
    where = classifier.spread.device
    flat = codes.reshape(-1, codes.shape[-1])
    return batched(lambda z: of(model.decode(z).to(where)), flat, model)


def _features(model: Model, classifier: Classifier, lines: Floats) -> Floats:
    """Features of decoded codes: ``(P, T, J)`` → ``(P, T, F)``."""
    features = _seen(model, classifier, classifier.features, lines)
    return features.reshape(*lines.shape[:2], -1)


def _along(features: Floats, names: tuple[str, ...]) -> Row:
    """Length and evenness of paths, features of shape ``(P, T + 1, F)``."""
    numbers = (geometry.path_length(features), geometry.peak_to_mean(features))
    return dict(zip(names, numbers, strict=True))
