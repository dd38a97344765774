"""What a model expects where rows have gaps.

Codes z₁ … z_K are drawn from q(z | what is there) and weighted by how well they explain it, which
tends to the posterior itself as K grows:

    E[x | what is there] ≈ Σ_k w_k E[x|z_k],  w_k ∝ p(what is there|z_k) p(z_k) / q(z_k).

Source: Mattei and Frellsen 2019, "MIWAE: deep generative modelling and imputation of incomplete
data sets", equation 12.

A code of few dimensions leaves something of every column over, and what it leaves of one may
follow from what it leaves of others. With residuals r = x − E[x | what is there], hidden elements
h and seen ones o of a row,

    x̂_h = E[x_h | x_o] + Cov(r_h, r_o) (Cov(r_o, r_o) + λ diag)⁻¹ r_o,

the covariances taken from training rows of which further elements were hidden.

Shape legend: N rows of D elements, K codes drawn for each, J latent dimensions.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from sparsevae.evaluation.bound import density_of, drawn_and_scored
from sparsevae.evaluation.passes import fixed_noise
from sparsevae.models import Model
from sparsevae.models.distributions import Mixture
from sparsevae.networks.kernels.divergence import doubled
from sparsevae.storage.arrays import Floats

DRAWS = 100
DECODED = 2**22  # numbers that are decoded at once
HIDDEN, ROUNDS, ROWS = (
    0.2,
    4,
    4000,
)  # share hidden, times over, and rows in all that are learned of
ELEMENTS, SOLVED = 256, 2**22  # with more of them residuals are left; numbers of systems at once
RIDGES = (0.3, 1.0, 3.0)  # λ
SEED = 30  # of what is hidden
LEAST = 1e-6


@torch.no_grad()
def expected(model: Model, x: Floats, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """The mean of every element given what is there of its row, scaled, shape ``(N, D)``.

    Of a model whose prior has no density, or that is no bound, it is the mean of p(x | code).

    Args:
        model: in evaluation mode, of rows that may have gaps.
        x: scaled rows, NaN at gaps, shape ``(N, D)``.
        draws: K.
        seed: of the draws.
    """
    where = next(model.parameters()).device
    weighted = model.has_bound and model.prior.can_draw
    prior = density_of(model) if weighted else None
    group, parts = _rows_at_once(model, draws), [np.empty((0, x.shape[1]), np.float32)]
    with fixed_noise(seed):
        for start in range(0, len(x), group):
            rows = torch.from_numpy(x[start : start + group]).to(where)
            mean = _mean(model, rows, draws, prior) if weighted else model.reconstruct(rows)
            parts.append(mean.cpu().numpy())
    return np.concatenate(parts)


def _rows_at_once(model: Model, draws: int) -> int:
    """Rows whose draws are held at once, by the widest of what there is of a draw."""
    layers = (max(p.shape) for p in model.decoder.parameters() if p.ndim > 1)
    return max(1, DECODED // (draws * max(*model.shape, 2 * model.latents, *layers)))


def _mean(model: Model, x: Tensor, draws: int, prior: Mixture | None) -> Tensor:
    codes, log_q, log_p = drawn_and_scored(model, model.posterior(x), draws, prior)
    observed = model.likelihood(codes)
    seen = observed.log_prob(x.repeat_interleave(draws, 0))
    joint = doubled(seen) + doubled(log_p) - doubled(log_q)
    weights = joint.view(len(x), draws).softmax(1)
    means = observed.mean.view(len(x), draws, -1)
    return (weights[:, :, None].to(means.dtype) * means).sum(1)


def can_impute(model: Model) -> bool:
    """Whether a model's rows may have gaps, and are short enough for covariances of residuals."""
    return model.family.reading == "gaps" and model.shape[0] <= ELEMENTS


@dataclass(frozen=True)
class Imputer:
    """What residuals of the elements that a model saw say of those that it did not see.

    Attributes:
        cross: Cov(r_h, r_o), row h and column o, shape ``(D, D)``; 0 where it is of no use.
        seen: Cov(r_o, r_o) + λ diag, shape ``(D, D)``.
    """

    file: ClassVar = "imputer.safetensors"

    cross: Tensor
    seen: Tensor

    @classmethod
    def learned(cls, model: Model, x: Floats) -> "Imputer":
        """Covariances of residuals; λ is the best for one half of the rows by the other's.

        Args:
            model: in evaluation mode, of rows that may have gaps.
            x: scaled training rows, NaN at gaps, shape ``(N, D)``; the first 4,000 are used.
        """
        x, generator = x[:ROWS], np.random.default_rng(SEED)
        blocks = model.blocks.cpu().numpy()
        residuals, hidden = [], []
        for _ in range(min(ROUNDS, max(1, ROWS // max(1, len(x))))):
            gaps = (generator.random((len(x), len(blocks))) < HIDDEN).repeat(blocks, 1)
            residuals.append(x - expected(model, np.where(gaps, np.nan, x), seed=SEED))
            hidden.append(gaps)
        r, h = torch.from_numpy(np.stack(residuals)).double(), torch.from_numpy(np.stack(hidden))
        halves = [(r[:, part::2].flatten(0, 1), h[:, part::2].flatten(0, 1)) for part in (0, 1)]
        errors = [_left(halves, ridge) for ridge in RIDGES]
        fitted = cls.of_residuals(r.flatten(0, 1), h.flatten(0, 1), RIDGES[int(np.argmin(errors))])
        useful = min(errors) < _left(halves, None)
        return fitted if useful else cls(torch.zeros_like(fitted.cross), fitted.seen)

    @classmethod
    def of_residuals(cls, r: Tensor, hidden: Tensor, ridge: float) -> "Imputer":
        """Covariances, each over the rows that have both elements.

        Args:
            r: residuals, NaN where nothing is known, shape ``(N, D)``.
            hidden: which of them the model did not see, shape ``(N, D)``.
            ridge: λ.
        """
        there = ~r.isnan()
        r = r.masked_fill(~there, 0.0)
        h, o = (there & hidden).to(r.dtype), (there & ~hidden).to(r.dtype)
        cross = (h * r).T @ (o * r) / (h.T @ o).clamp_min(1)
        seen = (o * r).T @ (o * r) / (o.T @ o).clamp_min(1)
        seen = seen + torch.diag(ridge * seen.diagonal() + LEAST)
        return cls(cross.float(), seen.float())

    def rest(self, r: Tensor) -> Tensor:
        """What is to be expected of hidden residuals, 0 elsewhere, shape ``(N, D)``.

        Args:
            r: residuals of what is seen, NaN elsewhere, shape ``(N, D)``.
        """
        parts = [torch.empty_like(r[:0])]
        for some in r.split(max(1, SOLVED // self.seen.numel())):
            there = (~some.isnan()).to(some.dtype)
            matrix = self.seen.to(some) * there[:, :, None] * there[:, None, :]
            matrix = matrix + torch.diag_embed(1 - there)
            solved = torch.linalg.solve(matrix, some.nan_to_num(0.0))
            parts.append((1 - there) * (solved @ self.cross.to(some).T))
        return torch.cat(parts)

    def tensors(self) -> dict[str, Tensor]:
        """Both matrices, for a file."""
        return dict(vars(self))

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], elements: int) -> "Imputer":
        """What :meth:`tensors` gave, held against the length of a row.

        Raises:
            LookupError: a matrix is missing.
            ValueError: a matrix has another shape than it should.
        """
        found = cls(tensors["cross"].float(), tensors["seen"].float())
        if any(matrix.shape != (elements, elements) for matrix in vars(found).values()):
            raise ValueError("matrices")
        return found


def imputed(
    model: Model, x: Floats, imputer: Imputer | None, *, draws: int = DRAWS, seed: int = 0
) -> Floats:
    """Scaled rows with an estimate at every gap, all else as it is, shape ``(N, D)``.

    Args:
        model: in evaluation mode, of rows that may have gaps.
        x: scaled rows, NaN at gaps, shape ``(N, D)``.
        imputer: of the model's residuals; None leaves them out.
        draws: K.
        seed: of the draws.
    """
    mean = expected(model, x, draws=draws, seed=seed)
    if imputer is not None:
        mean = mean + imputer.rest(torch.from_numpy(x - mean).double()).float().numpy()
    return np.where(np.isnan(x), mean, x)


def _left(halves: list[tuple[Tensor, Tensor]], ridge: float | None) -> float:
    """Squared hidden residuals of each half less what the other half makes of them, their mean."""
    squares = []
    for (r, hidden), other in zip(halves, reversed(halves), strict=True):
        left = r
        if ridge is not None:
            left = r - Imputer.of_residuals(*other, ridge).rest(r.masked_fill(hidden, torch.nan))
        squares.append(left[hidden & ~r.isnan()].square())
    return float(torch.cat(squares).mean())
