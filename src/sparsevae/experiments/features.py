"""Rows that are sums of few known features, with the statistics of SynthSAEBench.

Rates follow a power law; features stand in trees, where a child fires with its parent alone and
of siblings one at most; firing is correlated; what a feature weighs differs from row to row.
After Chanin and Garriga-Alonso 2026, "SynthSAEBench" (arXiv:2602.14687), written anew.

Shape legend: M features in D dimensions, N rows, R rows in a block.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from sparsevae.storage.arrays import Array, Floats
from sparsevae.training.streams import RESIDENT

BLOCK = 1024  # R
EXPONENT, MOST, LEAST = 0.5, 0.4, 5e-4  # of the rates
BRANCHES, DEPTH = 4, 3  # of a tree
RANK, CORRELATION = 25, 0.1  # of what decides which features fire together
MEAN, LAST_MEAN = 5.0, 4.0  # of what the most and the least frequent feature weigh
SPREAD = 0.5  # mean and deviation of the deviations of that
BIAS = 0.5  # length


@dataclass(frozen=True)
class Features:
    """M features in D dimensions, and the law by which they fire.

    Attributes:
        count: M.
        dimensions: D.
        trees: how many features are roots of trees, the most frequent ones.
        seed: of directions, weights and correlations.
    """

    count: int = 1024
    dimensions: int = 128
    trees: int = 8
    seed: int = 42

    @property
    def key(self) -> str:
        """SHA-256 of everything that decides the rows."""
        text = json.dumps([asdict(self), EXPONENT, MOST, LEAST, BRANCHES, DEPTH, RANK, BLOCK])
        return hashlib.sha256(text.encode()).hexdigest()

    @cached_property
    def parents(self) -> npt.NDArray[np.int64]:
        """The parent of every feature, level by level; −1 where there is none, shape ``(M,)``."""
        parents = np.full(self.count, -1)
        first, level = self.trees, np.arange(self.trees)
        for _ in range(DEPTH):
            children = np.repeat(level, BRANCHES)[: self.count - first]
            parents[first : first + len(children)] = children
            level, first = first + np.arange(len(children)), first + len(children)
        return parents

    @cached_property
    def rates(self) -> npt.NDArray[np.float64]:
        """How often features are meant to fire, shape ``(M,)``, falling."""
        law = (1.0 + np.arange(self.count)) ** -EXPONENT
        rates: npt.NDArray[np.float64] = LEAST + (MOST - LEAST) * (law - law[-1]) / (
            law[0] - law[-1]
        )
        return rates

    @cached_property
    def chances(self) -> npt.NDArray[np.float64]:
        """How often features would fire if it were not for parents and siblings, shape ``(M,)``.

        Raised so that what is left is about :attr:`rates`, where that is possible.
        """
        of_parent = np.where(self.parents < 0, 1.0, self.rates[self.parents])
        siblings = np.bincount(self.parents[self.parents >= 0], minlength=self.count)
        total = np.zeros(self.count)
        inside = self.parents >= 0
        np.add.at(total, self.parents[inside], self.rates[inside])
        others = np.where(inside, total[self.parents] - self.rates, 0.0)
        several = inside & (siblings[self.parents] > 1)
        factor = np.where(several, 1 + others / of_parent, 1.0) / of_parent
        return np.asarray(np.minimum(self.rates * factor, 1.0))

    @cached_property
    def atoms(self) -> Tensor:
        """The direction of every feature, of length 1, shape ``(M, D)``."""
        return F.normalize(self._normal(0, self.count, self.dimensions), dim=1)

    @cached_property
    def bias(self) -> Tensor:
        """What every row has besides, shape ``(D,)``."""
        return BIAS * F.normalize(self._normal(1, self.dimensions), dim=0)

    def _normal(self, part: int, *shape: int) -> Tensor:
        generator = torch.Generator().manual_seed(self.seed * 8 + part)
        return torch.randn(*shape, generator=generator)

    @cached_property
    def _law(self) -> tuple[Tensor, ...]:
        """Thresholds, common factors, own deviations, means and deviations of weights."""
        limit = torch.from_numpy(self.chances).clamp(1e-12, 1.0)
        thresholds = torch.special.ndtri(1 - limit).float()
        factors = CORRELATION * self._normal(2, self.count, RANK)
        length = factors.square().sum(1, keepdim=True)
        factors = factors * (0.99 / length.clamp_min(0.99)).sqrt()
        own = (1 - factors.square().sum(1)).sqrt()
        means = torch.linspace(MEAN, LAST_MEAN, self.count)
        spreads = (SPREAD + SPREAD * self._normal(3, self.count)).abs()
        return thresholds, factors, own, means, spreads

    @torch.no_grad()
    def draw(self, rows: int, generator: torch.Generator) -> Tensor:
        """What every feature weighs, 0 where it does not fire, shape ``(N, M)``.

        Args:
            rows: N.
            generator: on the device where they are drawn.
        """
        device = generator.device

        def normal(*shape: int) -> Tensor:
            return torch.randn(*shape, generator=generator, device=device)

        thresholds, factors, own, means, spreads = (part.to(device) for part in self._law)
        on = normal(rows, RANK) @ factors.T + own * normal(rows, self.count) > thresholds
        weights = (means + spreads * normal(rows, self.count)).relu()
        values = torch.where(on, weights, 0.0)
        return self._in_trees(values, generator)

    def _in_trees(self, values: Tensor, generator: torch.Generator) -> Tensor:
        """Shut children of what does not fire, and all but one, drawn evenly, of siblings."""
        first, level = self.trees, slice(0, self.trees)
        for _ in range(DEPTH):
            last = min(first + BRANCHES * (level.stop - level.start), self.count)
            held = values[:, first:last]
            parents = torch.from_numpy(self.parents[first:last]).to(values.device)
            held = held * (values[:, parents] > 0)
            padded = F.pad(held, (0, -held.shape[1] % BRANCHES))
            groups = padded.view(len(values), -1, BRANCHES)
            lots = torch.rand(groups.shape, generator=generator, device=values.device)
            lots = torch.where(groups > 0, lots, -1.0)
            chosen = lots == lots.amax(2, keepdim=True)
            values[:, first:last] = (groups * chosen).flatten(1)[:, : held.shape[1]]
            first, level = last, slice(first, last)
        return values

    def rows(self, values: Tensor) -> Tensor:
        """Rows of what features weigh, shape ``(N, D)``."""
        return values @ self.atoms.to(values.device) + self.bias.to(values.device)


@dataclass(frozen=True, eq=False)
class DrawnRows:
    """N rows that are drawn where they are read, block by block; the same ones every time.

    Attributes:
        features: whose sums they are.
        count: N.
        seed: of the draws; block b follows from it and b.
        device: where they are drawn.
    """

    features: Features
    count: int
    seed: int
    device: str = "cpu"
    dtype: np.dtype[Any] = field(default_factory=lambda: np.dtype(np.float32))
    ndim: int = 2

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, D)``."""
        return (self.count, self.features.dimensions)

    @property
    def size(self) -> int:
        """How many numbers the rows have."""
        return self.count * self.features.dimensions

    def __len__(self) -> int:
        return self.count

    def weights(self, block: int) -> Tensor:
        """What features weigh in the rows of a block, shape ``(R, M)``."""
        (own,) = np.random.SeedSequence((self.seed, block)).generate_state(1)
        return self.features.draw(BLOCK, torch.Generator(self.device).manual_seed(int(own)))

    def weighted(self, rows: int) -> Iterator[tuple[Tensor, Floats]]:
        """Weights and rows of the first blocks, as many as have that many rows."""
        for block in range(-(-rows // BLOCK)):
            weights = self.weights(block)
            yield weights, np.asarray(self.features.rows(weights).cpu().numpy())

    @cached_property
    def _all(self) -> Floats:
        """All rows at once, where they are few enough to be held."""
        found = np.empty(self.shape, np.float32)
        for start in range(0, self.count, BLOCK):
            found[start : start + BLOCK] = self._drawn(start // BLOCK)[: self.count - start]
        return found

    def _drawn(self, block: int) -> Floats:
        return np.asarray(self.features.rows(self.weights(block)).cpu().numpy())

    def __getitem__(self, chosen: Any, /) -> Array:
        everything = chosen == slice(None) if isinstance(chosen, slice) else False
        if "_all" in self.__dict__ or (everything and 4 * self.size <= RESIDENT):
            return np.asarray(self._all[chosen])
        places = np.arange(self.count)[chosen] if isinstance(chosen, slice) else chosen
        blocks, inside = np.divmod(np.asarray(places), BLOCK)
        found = np.empty((len(inside), self.features.dimensions), np.float32)
        for block in np.unique(blocks):
            here = blocks == block
            found[here] = self._drawn(int(block))[inside[here]]
        return found
