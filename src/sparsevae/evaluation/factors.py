"""A model on data with known factors: how its code matches them, as a row of metrics.

Shape legend: N images, J latent dimensions, K factors.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sparsevae.data import Dataset
from sparsevae.metrics import disentanglement

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.floating]


def measure_factors(
    codes: Floats, used: npt.NDArray[np.bool_], dataset: Dataset
) -> tuple[dict[str, float], dict[str, Array]]:
    """Compare codes with the factors of the test images.

    Args:
        codes: of the test images, shape ``(N, J)``.
        used: dimensions that the decoder needs, shape ``(J,)``; the others neither count for
            the blocks nor vote.
        dataset: with the factors of its test split, or without any.

    Returns:
        Metrics by name, and ``factor_correlation`` of shape ``(K, J)``; both empty for data
        without known factors.
    """
    values = dataset.test.factors
    if values is None:
        return {}, {}
    present = ~np.isnan(values)
    sources, factors = np.where(present, values, 0.0), disentanglement.binned(values, present)
    latents = disentanglement.binned(codes, codes != 0)
    correlation = disentanglement.correlations(codes, sources)
    shuffled = np.random.default_rng(0).permutation(codes)
    by_chance = disentanglement.correlations(shuffled, sources)
    groups = dataset.factor_groups.values()
    dci = disentanglement.dci(codes, factors)
    row = {
        "block_share": disentanglement.block_share(correlation, groups, used),
        "block_share_chance": disentanglement.block_share(by_chance, groups, used),
        "mig": disentanglement.mutual_information_gap(latents, factors),
        "sap": disentanglement.separated_predictability(codes, sources),
        **{f"dci_{part}": value for part, value in dci._asdict().items()},
        "factor_vae_score": disentanglement.factor_vae_score(codes, factors, used),
    }
    return row, {"factor_correlation": correlation.astype(np.float32)}


def ceiling(dataset: Dataset) -> Mapping[str, float]:
    """The row of a code that is the factors themselves, 0 where absent; it must have some."""
    assert dataset.test.factors is not None
    sources = np.nan_to_num(dataset.test.factors)
    return measure_factors(sources, np.ones(sources.shape[1], dtype=bool), dataset)[0]
