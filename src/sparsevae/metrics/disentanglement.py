"""How latent dimensions match known factors of variation.

Shape legend: N images, J latent dimensions, K factors. A factor may be absent from an image: its
bin is then 0, its value in a vector of sources 0 as well.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Bins = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

BINS = 20
FOREST: dict[str, Any] = {
    "n_estimators": 10,
    "min_samples_leaf": 4,
    "max_features": None,  # a split that may not see all latents spreads importance over them
    "random_state": 0,
}
LEARNED_FROM = 2500  # images at most that a forest learns from, and is scored on
VOTES = 800  # of each half of the FactorVAE score, as Kim and Mnih took
VOTERS = 200  # images a vote


def binned(values: Floats, present: Mask) -> Bins:
    """Columns as bins: 0 where absent, else 1 to 20, each with a like number of present values.

    Args:
        values: of latents or factors, shape ``(N, K)``.
        present: which of them are there; for codes, which differ from 0; shape ``(N, K)``.
    """
    bins = np.zeros(values.shape, dtype=np.int64)
    for column, value, there in zip(bins.T, values.T, present.T, strict=True):
        if there.any():
            edges = np.quantile(value[there], np.linspace(0, 1, BINS + 1)[1:-1])
            column[there] = 1 + np.searchsorted(edges, value[there], side="right")
    return bins


def entropies(bins: Bins) -> Floats:
    """Entropy of every column, nats, shape ``(K,)``."""
    return np.diagonal(mutual_information(bins, bins)).copy()


def mutual_information(latents: Bins, factors: Bins) -> Floats:
    """I(z_j; v_k) of the empirical distribution, nats.

    Its bias is about (bins − 1)²/2N upwards.

    Args:
        latents: shape ``(N, J)``.
        factors: shape ``(N, K)``.

    Returns:
        Shape ``(J, K)``.
    """
    return np.array([[_information(z, v) for v in factors.T] for z in latents.T])


def _information(first: Bins, second: Bins) -> float:
    size = int(second.max()) + 1
    joint = np.bincount(first * size + second, minlength=size * (int(first.max()) + 1))
    p = joint.reshape(-1, size) / len(first)
    independent = np.outer(p.sum(1), p.sum(0))
    some = p > 0
    return float((p[some] * np.log(p[some] / independent[some])).sum())


def gap(scores: Floats) -> Floats:
    """The best latent's score less the second best's, a factor: shape ``(J, K)`` → ``(K,)``."""
    ordered = np.sort(np.concatenate([scores, np.zeros_like(scores[:1])]), axis=0)
    return np.asarray(ordered[-1] - ordered[-2])


def mutual_information_gap(latents: Bins, factors: Bins) -> float:
    """MIG: mean over factors of the gap of I(z_j; v_k), in units of H(v_k), at most 1.

    Source: Chen et al. 2018, "Isolating sources of disentanglement", equation 6. Factors that are
    present together share that bit, so that even the factors themselves stay below 1. A factor
    that does not vary has nothing to share and does not count.

    Args:
        latents: the bin of every code, shape ``(N, J)``.
        factors: the bin of every factor, shape ``(N, K)``.

    Returns:
        Between 0 and 1; 0 where no factor varies.
    """
    spread = entropies(factors)
    if not (spread > 0).any():
        return 0.0
    gaps = gap(mutual_information(latents, factors))[spread > 0]
    return float((gaps / spread[spread > 0]).mean())


def correlations(codes: Floats, sources: Floats) -> Floats:
    """|correlation| of sources and latents; 0 for a column that is constant.

    Source: Tonolini et al. 2019, section 4 (Smiley).

    Args:
        codes: shape ``(N, J)``.
        sources: shape ``(N, K)``.

    Returns:
        Shape ``(K, J)``.
    """
    both = [values - values.mean(0, dtype=np.float64) for values in (sources, codes)]
    length = [np.linalg.norm(values, axis=0) for values in both]
    scale = np.outer(*length)
    product = np.abs(both[0].T @ both[1])
    return np.asarray(np.divide(product, scale, out=np.zeros_like(scale), where=scale > 0))


def separated_predictability(codes: Floats, sources: Floats) -> float:
    """SAP: mean over factors of the gap of R², that of a line from one latent to one source.

    Source: Kumar et al. 2018, "Variational inference of disentangled latent concepts", section 3,
    for continuous factors.

    Args:
        codes: shape ``(N, J)``.
        sources: shape ``(N, K)``.
    """
    return float(gap(correlations(codes, sources).T ** 2).mean())


def block_share(correlation: Floats, groups: Iterable[slice], chosen: Mask) -> float:
    """How block-diagonal a matrix of correlations is, whatever the order of the latents.

    For each latent the share of its squared correlation that lies in its best group of sources,
    averaged over latents.

    Args:
        correlation: of :func:`correlations`, shape ``(K, J)``.
        groups: columns of sources that belong together.
        chosen: latents to average over, shape ``(J,)``; those without any correlation drop out.

    Returns:
        1 where every latent keeps to one group; 0 when no latent is left.
    """
    squared = correlation**2
    total = squared.sum(0)
    kept = chosen & (total > 0)
    best = np.max([squared[group].sum(0) for group in groups], axis=0)
    return float((best[kept] / total[kept]).mean()) if kept.any() else 0.0


class DCI(NamedTuple):
    """Three scores, each at most 1.

    Attributes:
        disentanglement: how few factors a latent is used for.
        completeness: how few latents a factor needs.
        informativeness: how well the latents tell the factors, the accuracy.
    """

    disentanglement: float
    completeness: float
    informativeness: float


def dci(codes: Floats, factors: Bins) -> DCI:
    """DCI with random forests that tell a factor's bin from the code.

    Source: Eastwood and Williams 2018, "A framework for the quantitative evaluation of
    disentangled representations", section 2 and, for the forests, section 4.2.
    Informativeness is the mean accuracy on images that the forests have not learned from.

    Args:
        codes: shape ``(N, J)``.
        factors: shape ``(N, K)``.
    """
    from sklearn.ensemble import RandomForestClassifier

    half = min(LEARNED_FROM, len(codes) // 2)
    test = slice(half, 2 * half)
    importance, accuracy = [], []
    for factor in factors.T:
        forest = RandomForestClassifier(**FOREST).fit(codes[:half], factor[:half])
        importance.append(forest.feature_importances_)
        accuracy.append(forest.score(codes[test], factor[test]))
    table = np.stack(importance, axis=1)  # (J, K)
    return DCI(disentanglement(table), completeness(table), float(np.mean(accuracy)))


def disentanglement(importance: Floats) -> float:
    """1 − entropy of a latent's importances, base K; latents weighed by their importance.

    Args:
        importance: of every latent for every factor, not negative, shape ``(J, K)``.
    """
    weights = importance.sum(1) / max(importance.sum(), np.finfo(float).tiny)
    return float(weights @ _concentration(importance))


def completeness(importance: Floats) -> float:
    """1 − entropy of a factor's importances, base J; mean over factors; (J, K) as above."""
    return float(_concentration(importance.T).mean())


def _concentration(rows: Floats) -> Floats:
    """1 − entropy of every row in units of its maximum; 0 for a row of zeros."""
    total = rows.sum(1, keepdims=True)
    p = np.divide(rows, total, out=np.zeros(rows.shape), where=total > 0)
    logs = np.log(p, out=np.zeros_like(p), where=p > 0)
    shares = 1 + (p * logs).sum(1) / np.log(max(2, rows.shape[1]))
    return np.where(total[:, 0] > 0, shares, 0.0)


def factor_vae_score(codes: Floats, factors: Bins, chosen: Mask, seed: int = 0) -> float:
    """Accuracy of telling which factor was held fixed from the latent that varied least.

    Source: Kim and Mnih 2018, "Disentangling by factorising", section 4. The factor is held in
    one bin and is always present: where it is absent, all factors that come with it are fixed too.
    A factor that is always absent is not asked about.

    Args:
        codes: shape ``(N, J)``.
        factors: shape ``(N, K)``.
        chosen: latents that may vote, shape ``(J,)``; constant ones never do.
        seed: of the votes.

    Returns:
        Between 1/K or so (chance) and 1; 0 when no latent may vote, or on no factor.
    """
    chosen = chosen & (codes.max(0) > codes.min(0))
    factors = factors[:, (factors > 0).any(0)]
    if not (chosen.any() and factors.size):
        return 0.0
    scaled = codes[:, chosen] / codes[:, chosen].std(0, dtype=np.float64)
    random = np.random.default_rng(seed)
    tables = np.zeros((2, scaled.shape[1], factors.shape[1]), dtype=np.int64)
    for table in tables:  # the first says which factor a latent stands for, the second tests it
        for _ in range(VOTES):
            k = int(random.integers(factors.shape[1]))
            there = factors[:, k]
            alike = np.flatnonzero(there == random.choice(there[there > 0]))
            batch = scaled[random.choice(alike, VOTERS)]
            table[batch.var(0).argmin(), k] += 1
    stands_for = tables[0].argmax(1)
    return float(tables[1][np.arange(len(stands_for)), stands_for].sum() / VOTES)
