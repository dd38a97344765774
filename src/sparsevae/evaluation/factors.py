"""How a model's code matches known factors, as columns.

Shape legend: N images, J latent dimensions, K factors.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from sparsevae.data.dataset import Dataset, Factors
from sparsevae.metrics import disentanglement as metrics
from sparsevae.metrics import keys
from sparsevae.storage.arrays import Array, Row


def factor_columns(
    codes: npt.NDArray[np.floating],
    used: npt.NDArray[np.bool_],
    values: Factors | None,
    groups: Iterable[slice],
) -> tuple[Row, dict[str, Array]]:
    """Compare codes with the factors that their images were drawn from.

    Args:
        codes: shape ``(N, J)``.
        used: dimensions that the decoder needs, shape ``(J,)``; the others neither count for
            the blocks nor vote.
        values: shape ``(N, K)``, NaN where a factor is absent; None where they are not known.
        groups: columns of factors that belong together; without any each is a group of its own.

    Returns:
        Metrics by name, and ``factor_correlation`` of shape ``(K, J)``; both empty for data
        without known factors.
    """
    if values is None:
        return {}, {}
    present = ~np.isnan(values)
    groups = tuple(groups) or tuple(slice(k, k + 1) for k in range(values.shape[1]))
    sources, factors = np.where(present, values, 0.0), metrics.binned(values, present)
    correlation = metrics.correlations(codes, sources)
    permuted = np.random.default_rng(0).permutation(codes)
    by_chance = metrics.correlations(permuted, sources)
    dci = metrics.dci(codes, factors)
    row = {
        keys.BLOCK_SHARE: metrics.block_share(correlation, groups, used),
        keys.BLOCK_SHARE_CHANCE: metrics.block_share(by_chance, groups, used),
        keys.MIG: metrics.mutual_information_gap(metrics.binned(codes, codes != 0), factors),
        keys.SAP: metrics.separated_predictability(codes, sources),
        keys.DCI_DISENTANGLEMENT: dci.disentanglement,
        keys.DCI_COMPLETENESS: dci.completeness,
        keys.DCI_INFORMATIVENESS: dci.informativeness,
        keys.FACTOR_VAE_SCORE: metrics.factor_vae_score(codes, factors, used),
    }
    return row, {"factor_correlation": correlation.astype(np.float32)}


def ceiling(dataset: Dataset) -> Row:
    """The row of a code that is the factors themselves, 0 where absent; it must have some."""
    values = dataset.test.factors
    assert values is not None
    every = np.ones(values.shape[1], dtype=bool)
    return factor_columns(np.nan_to_num(values), every, values, dataset.factor_groups.values())[0]
