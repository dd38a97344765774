"""What every dimension stands for, gathered from rows in one pass whose memory does not grow.

Only entries of codes that are not 0 are looked at, so tens of thousands of dimensions cost what
their open gates cost.

Shape legend: N rows, J latent dimensions, T top rows a dimension, S sampled values, C classes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

from sparsevae.data.dataset import Labels
from sparsevae.storage.arrays import Array, Floats

TOP, SAMPLED = 12, 96
PAIRED = 20_000  # rows whose pairs of open gates are counted
CHUNK = 512  # dimensions whose partners are looked for at once
PARTNERS, JOINT = 5, 5  # partners that are named, and rows that two must share
LARGEST_PROFILE = 2**24  # J·C; with more classes there is no profile
SEED = 0

Indices = npt.NDArray[np.int64]


@dataclass
class Best:
    """The K entries of largest key of every dimension, among all that were offered.

    Attributes:
        keys: descending, −∞ where there are fewer, shape ``(J, K)``.
        rows: where the entries stand, shape ``(J, K)``.
        values: the entries, shape ``(J, K)``.
    """

    keys: Floats
    rows: Indices
    values: Floats

    @classmethod
    def of(cls, latents: int, kept: int) -> "Best":
        """Nothing offered yet."""
        shape = (latents, kept)
        keys = np.full(shape, -np.inf, np.float32)
        return cls(keys, np.full(shape, -1, np.int64), np.zeros(shape, np.float32))

    def offer(self, dimensions: Indices, keys: Floats, rows: Indices, values: Floats) -> None:
        """Entries of dimensions, each of shape ``(E,)``, in any order."""
        kept = self.keys.shape[1]
        order = np.lexsort((-keys, dimensions))
        j = dimensions[order]
        touched, first = np.unique(j, return_index=True)
        rank = np.arange(len(j)) - first[np.searchsorted(touched, j)]
        order, rank = order[rank < kept], rank[rank < kept]
        place = np.searchsorted(touched, dimensions[order]), rank
        new = Best.of(len(touched), kept)
        new.keys[place], new.rows[place] = keys[order], rows[order]
        new.values[place] = values[order]
        kept_now: tuple[Array, ...] = (self.keys, self.rows, self.values)
        added: tuple[Array, ...] = (new.keys, new.rows, new.values)
        both = [np.concatenate([a[touched], b], 1) for a, b in zip(kept_now, added, strict=True)]
        best = np.argsort(-both[0], axis=1, kind="stable")[:, :kept]
        for own, merged in zip(kept_now, both, strict=True):
            own[touched] = np.take_along_axis(merged, best, 1)


@dataclass(frozen=True)
class Cards:
    """Statistics of every dimension over N rows.

    Attributes:
        rows: N.
        on: rows with an entry that is not 0, shape ``(J,)``.
        top: entries of largest size.
        sample: entries drawn at random from those that are not 0.
        partners: dimensions that are on together most surely, −1 for none, shape ``(J, 5)``.
        together: share of a dimension's rows in which each partner is on, shape ``(J, 5)``.
        paired: rows that the partners are from.
        profile: rows with an entry, by class, shape ``(J, C)``; C is 0 without labels.
        totals: rows of each class, shape ``(C,)``.
    """

    rows: int
    on: Indices
    top: Best
    sample: Best
    partners: Indices
    together: Floats
    paired: int
    profile: Indices
    totals: Indices


def gather(
    codes: Iterator[Floats], latents: int, labels: Labels | None = None, classes: int = 0
) -> Cards:
    """Statistics of codes that come a block at a time.

    Args:
        codes: blocks of shape ``(n, J)``, in the order of the rows.
        latents: J.
        labels: class of every row, shape ``(N,)``; None without.
        classes: C.
    """
    top, sample = Best.of(latents, TOP), Best.of(latents, SAMPLED)
    on = np.zeros(latents, np.int64)
    classes = classes if labels is not None and latents * classes <= LARGEST_PROFILE else 0
    profile, seen = np.zeros((latents, classes), np.int64), 0
    patterns, rng = list[Array](), np.random.default_rng(SEED)
    for block in codes:
        rows, j = np.nonzero(block)
        values = block[rows, j]
        top.offer(j, np.abs(values), rows + seen, values)
        sample.offer(j, rng.random(len(j), np.float32), rows + seen, values)
        on += np.bincount(j, minlength=latents)
        if classes and labels is not None:
            np.add.at(profile, (j, labels[rows + seen]), 1)
        if seen < PAIRED:
            patterns.append(sparse.csr_array((block[: PAIRED - seen] != 0).astype(np.float32)))
        seen += len(block)
    pattern = sparse.csr_array(sparse.vstack(patterns))
    partners, together = co_activation(pattern)
    return Cards(
        seen,
        on,
        top,
        sample,
        partners,
        together,
        pattern.shape[0],
        profile,
        np.bincount(labels, minlength=classes) if classes and labels is not None else on[:0],
    )


def co_activation(pattern: Array) -> tuple[Indices, Floats]:
    """Which gates are open together: the partners of largest correlation, 0 and 1 as numbers.

    Args:
        pattern: a sparse array of 0 and 1, shape ``(N, J)``.

    Returns:
        Partners, −1 where fewer than five share five rows and are correlated, and the share of a
        dimension's rows in which each is on, both ``(J, 5)``.
    """
    rows, latents = pattern.shape
    share = np.asarray(pattern.sum(0)).ravel() / max(1, rows)
    spread = np.sqrt(share * (1 - share))
    partners = np.full((latents, PARTNERS), -1, np.int64)
    together = np.zeros((latents, PARTNERS), np.float32)
    kept = min(PARTNERS, latents)
    turned = sparse.csr_array(pattern.T)
    for start in range(0, latents, CHUNK):
        chunk = slice(start, min(start + CHUNK, latents))
        joint = (turned[chunk] @ pattern).toarray()
        covariance = joint / max(1, rows) - share[chunk, None] * share
        norm = spread[chunk, None] * spread
        score = np.divide(covariance, norm, out=np.zeros_like(covariance), where=norm > 0)
        score[joint < JOINT] = 0.0
        score[np.arange(len(score)), np.arange(start, start + len(score))] = 0.0
        best = np.argpartition(-score, kept - 1, axis=1)[:, :kept]
        best = np.take_along_axis(
            best, np.argsort(-np.take_along_axis(score, best, 1), 1, kind="stable"), 1
        )
        good = np.take_along_axis(score, best, 1) > 0
        own = np.maximum(share[chunk, None] * rows, 1)
        partners[chunk, :kept] = np.where(good, best, -1)
        together[chunk, :kept] = np.where(good, np.take_along_axis(joint, best, 1) / own, 0)
    return partners, together
