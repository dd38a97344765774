"""How good a model's images are, as columns: errors, structure, sharpness, Fréchet distances.

Shape legend: N images of shape (C, H, W), or rows of a table.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from sparsevae.data import corruptions
from sparsevae.evaluation.classifier import Classifier
from sparsevae.evaluation.passes import Floats, Measured, batched, fixed_noise
from sparsevae.evaluation.pictures import NOISE_SEED
from sparsevae.metrics import images
from sparsevae.models import Model

Row = dict[str, Any]

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5)  # σ, share of pixels, share of the shorter side
SAMPLE_SEED = 0


def gaussian_noise(x: Floats) -> Iterator[tuple[str, Floats]]:
    """Names and noisy rows, at each level as they come and clipped to [0, 1]."""
    for level in LEVELS:
        noisy = corruptions.gaussian(x, level, NOISE_SEED)
        yield f"noise_{level}", noisy
        yield f"noise_{level}_clipped", np.clip(noisy, 0, 1)


def damaged_pixels(x: Floats) -> Iterator[tuple[str, Floats]]:
    """Names and images with black and white pixels, and with a black square."""
    for kind, level, damaged in corruptions.damages(x, LEVELS, NOISE_SEED):
        yield f"{kind}_{level}", damaged


def closeness(x: Floats, restored: Floats, ending: str = "") -> Row:
    """The columns ``mse``, ``psnr`` and ``ssim`` of restored images, against the clean ones."""
    error = images.mse(x, restored)
    decibels = images.psnr(error)
    return {
        f"mse{ending}": error,
        f"psnr{ending}": decibels if np.isfinite(decibels) else None,
        f"ssim{ending}": images.ssim(x, restored),
    }


def measure_quality(
    model: Model, x: Floats, found: Measured, classifier: Classifier | None
) -> Row:
    """The columns of this module for a model.

    Args:
        model: in evaluation mode.
        x: test images as the model takes them, shape ``(N, *shape)``.
        found: the result of :func:`sparsevae.evaluation.passes.measure` for ``x``.
        classifier: of the data; without one there are no Fréchet distances.

    Returns:
        Columns by name. For rows of a table, and for values that are not in [0, 1], there are
        errors only.
    """
    restored = batched(model.decode, found.code, model)
    row: Row = {"pixel_variance": images.variance_share(restored, x)}
    if x.ndim != 4 or model.family.domain != "unit":
        row["mse"] = images.mse(x, restored)
        for name, noisy in gaussian_noise(x):
            row[f"mse_{name}"] = images.mse(x, batched(model.reconstruct, noisy, model))
        return row
    row.update(closeness(x, restored))
    row["sharpness"] = images.sharpness(restored, x)
    for damaged in (gaussian_noise(x), damaged_pixels(x)):
        for name, noisy in damaged:
            row.update(closeness(x, batched(model.reconstruct, noisy, model), f"_{name}"))
    return {**row, **distances(model, x, restored, classifier)}


def distances(model: Model, x: Floats, restored: Floats, classifier: Classifier | None) -> Row:
    """Fréchet distances in the classifier's features, of restored images and of samples.

    Samples are the mean images of N codes drawn from the prior; without a prior there are none.
    """
    if classifier is None:
        return {"frechet_classifier": None, "frechet_classifier_samples": None}
    features = classifier.features_of(x)
    row = {
        "frechet_classifier": images.frechet_distance(features, classifier.features_of(restored)),
        "frechet_classifier_samples": None,
    }
    if model.prior.has_density:
        with fixed_noise(SAMPLE_SEED):
            codes = model.draw_codes(len(x)).cpu().numpy()
        drawn = classifier.features_of(batched(model.decode, codes, model))
        row["frechet_classifier_samples"] = images.frechet_distance(features, drawn)
    return row
