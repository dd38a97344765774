"""How good a model's images are, as columns: errors, structure, sharpness, Fréchet distances.

Shape legend: N images of shape (C, H, W), or rows of a table.
"""

from collections.abc import Iterator
from itertools import chain

import numpy as np

from sparsevae.data import corruptions
from sparsevae.evaluation.meter import DAMAGED, NOISY
from sparsevae.evaluation.one_pass import Pass
from sparsevae.evaluation.passes import batched, fixed_noise
from sparsevae.evaluation.pictures import NOISE_SEED
from sparsevae.metrics import images, keys
from sparsevae.metrics.table import DENOISED, LEVELS
from sparsevae.storage.arrays import Floats, Row

SAMPLE_SEED = 0


def gaussian_noise(x: Floats, *, clipped: bool) -> Iterator[tuple[str, Floats]]:
    """Names and noisy rows, at each level as they come and, of rows in [0, 1], clipped to it."""
    noise = corruptions.gaussian(np.zeros_like(x), 1.0, NOISE_SEED)
    for level in LEVELS:
        noisy = x + np.float32(level) * noise
        yield f"noise_{level}", noisy
        if clipped:
            yield f"noise_{level}_clipped", np.clip(noisy, 0, 1)


def damaged_pixels(x: Floats) -> Iterator[tuple[str, Floats]]:
    """Names and images with black and white pixels, and with a black square."""
    for kind, level, damaged in corruptions.damages(x, LEVELS, NOISE_SEED):
        yield f"{kind}_{level}", damaged


def closeness(clean: images.Similarity, restored: Floats, ending: str = "") -> Row:
    """The columns ``mse``, ``psnr`` and ``ssim`` of restored images, against the clean ones."""
    error = images.mse(clean.images, restored)
    decibels = images.psnr(error)
    return {
        f"{keys.MSE}{ending}": error,
        f"{keys.PSNR}{ending}": decibels if np.isfinite(decibels) else None,
        f"{keys.SSIM}{ending}": clean.to(restored),
    }


def quality_columns(one: Pass) -> Row:
    """The columns of this module for a model.

    For rows of a table, and for values that are not in [0, 1], there are errors only, and counts
    have no noise that is added; without labelled training images there is no classifier and there
    are no Fréchet distances.
    """
    model, x, decoded, tick = one.model, one.x, one.decoded, one.meter.tick
    explained = images.explained_variance(x, decoded)
    row: Row = {
        keys.PIXEL_VARIANCE: one.pixel_variance,
        keys.EXPLAINED_VARIANCE: explained if np.isfinite(explained) else None,
    }
    unit = model.family.domain == "unit"
    if x.ndim != 4 or not unit:
        nothing = bool(np.isnan(x).all())
        row[keys.MSE] = None if nothing else images.mse(x, decoded)
        if nothing or model.family.domain == "counts":
            return row
        for place, (name, noisy) in enumerate(gaussian_noise(x, clipped=unit)):
            row[f"{keys.MSE}_{name}"] = images.mse(x, one.restored(name, noisy))
            tick((place + 1) / NOISY)
        return row
    clean = images.Similarity(x)
    row.update(closeness(clean, decoded))
    row[keys.SHARPNESS] = images.sharpness(decoded, x)
    damaged = chain(gaussian_noise(x, clipped=True), damaged_pixels(x))
    for place, (name, noisy) in enumerate(damaged):
        row.update(closeness(clean, one.restored(name, noisy), f"_{name}"))
        tick((place + 1) / DAMAGED)
    return {**row, **distances(one)}


def denoised_columns(one: Pass) -> Row:
    """Errors of rows without their noise, by the model's own denoiser, which is given σ."""
    row: Row = {}
    if one.denoiser is None:
        return row
    noise = corruptions.gaussian(np.zeros_like(one.x), 1.0, NOISE_SEED)
    for sigma in DENOISED:
        noisy = one.x + np.float32(sigma) * noise
        key = keys.corrupted(keys.MSE, keys.DENOISED, sigma)
        decoded = one.restored(f"noise_{sigma}", noisy)
        restored = one.denoiser.restored(one.model, noisy, sigma, clipped=False, decoded=decoded)
        row[key] = images.mse(one.x, restored)
        if one.model.family.domain == "unit":
            cut = noisy.clip(0, 1)
            restored = one.denoiser.restored(one.model, cut, sigma, clipped=True)
            key = keys.corrupted(keys.MSE, keys.DENOISED, sigma, clipped=True)
            row[key] = images.mse(one.x, restored)
    return row


def distances(one: Pass) -> Row:
    """Fréchet distances in the classifier's features, of decoded images and of samples.

    Samples are the mean images of N codes drawn from the prior; without a prior there are none.
    """
    row: Row = dict.fromkeys((keys.FRECHET, keys.FRECHET_SAMPLES))
    if one.classifier is None:
        return row
    model, x, classifier = one.model, one.scaled, one.classifier
    features = classifier.features_of(x)
    row[keys.FRECHET] = images.frechet_distance(features, classifier.features_of(one.decoded))
    if model.prior.can_draw:
        with fixed_noise(SAMPLE_SEED):
            codes = model.draw_codes(len(x)).cpu().numpy()
        drawn = classifier.features_of(batched(model.decode, codes, model))
        row[keys.FRECHET_SAMPLES] = images.frechet_distance(features, drawn)
    return row
