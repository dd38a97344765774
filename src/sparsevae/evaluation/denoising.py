"""Denoising with what a code leaves over: the decoded row and a filtered residual.

A row comes as y = x + n. With f the row decoded from the code of y, element by element

    x = f + b(f) + d(f)·r,    n = a(f) + w(f)·e,    (r, e) ~ N(0, VVᵀ + Ψ)  jointly,

since the code has seen the noise: Ψ is diagonal in r and in e, and across such that the
correlation of r and e in an element is c(f). The estimate is the best
affine one given y, with R = d·r and E = w·e,

    x̂ = f + b + Cov(R, R + E) Cov(R + E, R + E)⁻¹ (y − f − a − b).

With V of r and of e, B = d V_r + w V_e and a diagonal Λ, the covariance is BBᵀ + Λ, and by the
Woodbury identity there are as many unknowns a row as loadings, φ = (I + BᵀΛ⁻¹B)⁻¹BᵀΛ⁻¹(y − …).

For constant a, b, d and w it is the Wiener filter of the residual; the curves say that next to
nothing is missing where a decoder is sure of black or white.

Shape legend: N rows, flat with D elements; K bins of f, Q loadings.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from sparsevae.data import corruptions
from sparsevae.data.scaling import Domain
from sparsevae.evaluation.passes import BATCH, batched, fixed_noise
from sparsevae.models import Model
from sparsevae.storage.arrays import Floats

SIGMAS: Mapping[Domain, tuple[float, ...]] = {
    "unit": (0.1, 0.3, 0.5),
    "real": (0.1, 0.3, 0.5, 1.0, 2.0),
}
"""Noise with which statistics are taken; between two levels they are mixed."""
MIDDLE = 0.3  # the level of which all models have statistics
BINS, LOADINGS, MOST_LOADED = 32, 128, 2**18  # numbers of all loadings
ROWS, MOST_VALUES = 4000, 2**24  # of the training rows that statistics are taken from
SEED = 20  # of their noise, which nothing is measured with
STEPS, PRECISION = 60, 1e-3  # of conjugate gradients, and the remainder that ends them
LEAST_VARIANCE, TINY = 1e-6, 1e-30
CLIPPED = " clipped"


def rows_needed(model: Model) -> int:
    """How many clean rows are learned from: 4,000, or fewer of large ones."""
    return max(2, min(ROWS, MOST_VALUES // math.prod(model.shape)))


@dataclass(frozen=True)
class Residuals:
    """What residuals of noisy training rows are like at one level of noise.

    Attributes:
        curves: b, d, a, w and c by bin of f, shape ``(5, K)``.
        loadings: V, of r and below it of e, shape ``(2, D, Q)``.
        specific: Ψ of r and of e, shape ``(2, D)``.
        distance: mean of (y − f)² over rows and elements, 0-d.
    """

    curves: Tensor
    loadings: Tensor
    specific: Tensor
    distance: Tensor


def can_denoise(model: Model) -> bool:
    """Whether noise that is added to a model's rows leaves rows of their kind: not of counts."""
    return model.family.domain in SIGMAS and model.family.reading == "plain"


@dataclass(frozen=True)
class Denoiser:
    """A model's residuals at a few levels of noise, and what follows for other levels.

    Attributes:
        edges: between bins of the decoded value, shape ``(K−1,)``.
        clean: mean of (x − f)² over clean rows and elements, 0-d.
        levels: by name, such as "0.3" and, for values in [0, 1], "0.3 clipped".
    """

    file: ClassVar = "denoiser.safetensors"

    edges: Tensor
    clean: Tensor
    levels: Mapping[str, Residuals]

    @classmethod
    def learned(cls, model: Model, x: Floats) -> "Denoiser":
        """Take the statistics of a model's residuals.

        Args:
            model: in evaluation mode.
            x: clean training rows as the model takes them, shape ``(N, *shape)``; the first
                4,000 at most are used.
        """
        x = x[: rows_needed(model)]
        decoded = _decoded(model, x)
        clean = (decoded - _flat(x)).square().mean()
        some = decoded.flatten()[:: 1 + decoded.numel() // 2**20]
        edges = torch.quantile(some, torch.linspace(0, 1, BINS + 1)[1:-1]).unique()
        endings = ("", CLIPPED) if model.family.domain == "unit" else ("",)
        noise = corruptions.gaussian(np.zeros_like(x), 1.0, SEED)
        levels = {
            f"{sigma}{ending}": _residuals(model, x, noise, edges, sigma, clip=ending == CLIPPED)
            for sigma in SIGMAS[model.family.domain]
            for ending in endings
        }
        return cls(edges, clean, levels)

    @property
    def sigmas(self) -> list[float]:
        """The levels, ascending."""
        return sorted({float(name.removesuffix(CLIPPED)) for name in self.levels})

    def restored(
        self,
        model: Model,
        y: Floats,
        sigma: Floats | float,
        *,
        clipped: bool,
        decoded: Floats | None = None,
    ) -> Floats:
        """Rows without their noise, as the model takes rows, shape ``(N, *shape)``.

        Args:
            model: whose residuals these are.
            y: noisy rows as the model takes rows, shape ``(N, *shape)``.
            sigma: of the noise in units of the model's rows; a number, or shape ``(1, *shape)``.
            clipped: whether what left [0, 1] was cut off.
            decoded: what is decoded of every row's code where that is known; not of clipped rows,
                which are coded otherwise.
        """
        spread = torch.from_numpy(np.broadcast_to(np.float32(sigma), (1, *y.shape[1:])).copy())
        sigmas = spread.flatten(1)
        level = float(sigmas.square().mean().sqrt())
        known, share = self._at(level, clipped), sigmas / max(level, LEAST_VARIANCE)
        parts = []
        for at in range(0, len(y), BATCH):
            batch = _centred(y[at : at + BATCH], spread.numpy() if clipped else None)
            known_f = None if decoded is None else _flat(decoded[at : at + BATCH])
            f = _decoded(model, batch) if known_f is None else known_f
            curves = known.curves[:, torch.bucketize(f, self.edges, out_int32=True)]
            parts.append(_estimate(_flat(batch), f, known, curves, share))
        x = torch.cat(parts).reshape(y.shape).numpy() if parts else y
        return x.clip(0, 1) if model.family.domain == "unit" else x

    def sigma(self, model: Model, y: Floats, *, clipped: bool) -> float:
        """The noise's standard deviation, from how far rows lie from what is decoded of them.

        Args:
            model: whose residuals these are.
            y: noisy rows as the model takes rows, all with the same noise, ``(N, *shape)``.
            clipped: whether what left [0, 1] was cut off.
        """
        seen = float((_decoded(model, y) - _flat(y)).square().mean())
        levels = (float(self._at(s, clipped).distance) for s in self.sigmas)
        known, squares = [float(self.clean), *levels], np.square([0.0, *self.sigmas])
        steps = np.maximum.accumulate(known)
        slope = (squares[-1] - squares[-2]) / max(steps[-1] - steps[-2], LEAST_VARIANCE)
        beyond = max(0.0, seen - steps[-1]) * slope
        return float(np.sqrt(np.interp(seen, steps, squares) + beyond))

    def tensors(self) -> dict[str, Tensor]:
        """Everything, for a file; loadings in half precision."""
        parts = {
            f"{name}/{part}": tensor.half() if part == "loadings" else tensor
            for name, level in self.levels.items()
            for part, tensor in vars(level).items()
        }
        return {"edges": self.edges, "clean": self.clean, **parts}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], shape: Sequence[int]) -> "Denoiser":
        """What :meth:`tensors` gave, held against the shape of a row.

        Raises:
            LookupError: something is missing.
            ValueError: something has another shape than it should.
        """
        parts, elements = tuple(field.name for field in fields(Residuals)), math.prod(shape)
        names = {key.split("/")[0] for key in tensors if "/" in key} | {"0.1"}
        levels = {
            name: Residuals(*(tensors[f"{name}/{part}"].float() for part in parts))
            for name in sorted(names)
        }
        edges = tensors["edges"].float()
        for level in levels.values():
            if level.curves.shape != (5, len(edges) + 1) or level.specific.shape != (2, elements):
                raise ValueError("curves or elements")
            if level.loadings.ndim != 3 or level.loadings.shape[:2] != (2, elements):
                raise ValueError("loadings")
        return cls(edges, tensors["clean"].float(), levels)

    def small(self, loadings: int) -> dict[str, Floats]:
        """Arrays for noise as it comes: curves of all levels, the middle level's first loadings.

        Args:
            loadings: how many; what the others say of an element becomes its own.
        """
        levels = [self.levels[f"{sigma}"] for sigma in self.sigmas]
        middle = self.levels[f"{MIDDLE}"]
        kept, left = middle.loadings[:, :, :loadings], middle.loadings[:, :, loadings:]
        halves = (part.numpy().astype(np.float16) for part in kept)
        return {
            "edges": self.edges.numpy(),
            "curves": torch.stack([level.curves for level in levels]).numpy(),
            **dict(zip(("residual", "noise"), halves, strict=True)),
            "own": (middle.specific + left.square().sum(2)).numpy(),
        }

    def _at(self, sigma: float, clipped: bool) -> Residuals:
        """Residuals at any level: curves between two levels, loadings of the nearest one."""
        sigmas = self.sigmas
        ending = CLIPPED if clipped and f"{sigmas[0]}{CLIPPED}" in self.levels else ""
        inside = float(np.clip(sigma, sigmas[0], sigmas[-1]))
        upper = int(np.searchsorted(sigmas, inside))
        lower = max(0, upper - 1)
        low, high = (self.levels[f"{sigmas[place]}{ending}"] for place in (lower, upper))
        share = (inside - sigmas[lower]) / (sigmas[upper] - sigmas[lower] or 1.0)
        curves = torch.lerp(low.curves, high.curves, share)
        ratio = sigma / inside  # beyond the levels noise grows or shrinks as a whole
        curves = curves * torch.tensor([1, 1, ratio, ratio, 1])[:, None]
        near = high if share > 0.5 else low
        distance = torch.lerp(low.distance, high.distance, share)
        return Residuals(curves, near.loadings, near.specific, distance)


def _flat(x: Floats) -> Tensor:
    return torch.from_numpy(x.reshape(len(x), -1))


def _decoded(model: Model, y: Floats) -> Tensor:
    """What is decoded of every row's code, ``(N, D)``."""
    return _flat(batched(model.reconstruct, y, model))


def _centred(y: Floats, sigma: Floats | None) -> Floats:
    """Rows whose noise has mean 0 around black and white, although it was cut off there.

    Noise that ended below black had the mean −σ√(2/π) before it was cut off, and above white as
    much: there it is put back. An encoder then sees no haze over a black ground.

    Args:
        y: noisy rows, ``(B, *shape)``.
        sigma: of the noise, ``(1, *shape)``; None where nothing was cut off.
    """
    if sigma is None:
        return y
    beyond = sigma * np.float32((2 / np.pi) ** 0.5)
    return np.where(y <= 0, -beyond, np.where(y >= 1, 1 + beyond, y))


def _residuals(
    model: Model, x: Floats, noise: Floats, edges: Tensor, sigma: float, *, clip: bool
) -> Residuals:
    y = x + np.float32(sigma) * noise
    y = y.clip(0.0, 1.0) if clip else y
    f = _decoded(model, y)
    distance = (f - _flat(y)).square().mean()
    if clip:
        y = _centred(y, np.full_like(y[:1], sigma))
        f = _decoded(model, y)
    place = torch.bucketize(f, edges).flatten()
    bins = len(edges) + 1
    count = torch.bincount(place, minlength=bins) + 1

    def by_bin(values: Tensor) -> Tensor:
        """The mean in every bin, one value of the common mean among them, ``(K,)``."""
        total = torch.bincount(place, values.flatten().double(), bins) + values.double().mean()
        return (total / count).float()

    def standardised(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Mean and standard deviation by bin, and the values without both."""
        mean = by_bin(values)
        values = values - mean[place].view_as(values)
        deviation = by_bin(values**2).clamp_min(LEAST_VARIANCE).sqrt()
        return mean, deviation, values / deviation[place].view_as(values)

    b, d, r = standardised(_flat(x) - f)
    a, w, e = standardised(_flat(y) - _flat(x))
    with fixed_noise(SEED):
        most = min(LOADINGS, max(1, MOST_LOADED // r.shape[1]), *r.shape)
        _, scale, axes = torch.svd_lowrank(r, most, niter=4)
    scale = (scale / len(r) ** 0.5).clamp_min(LEAST_VARIANCE)
    of_e = e.T @ (r @ (axes / scale)) / len(r)
    chance = (2 * math.log(e.shape[1]) / len(e)) ** 0.5  # the largest of D correlations of nothing
    loadings = torch.stack([axes * scale, of_e.where(of_e.abs() > chance, 0.0)])
    own = torch.stack([r, e]).square().mean(1) - loadings.square().sum(2)
    curves = torch.stack([b, d, a, w, by_bin(r * e)])
    return Residuals(curves, loadings, own.clamp_min(LEAST_VARIANCE), distance)


def _estimate(y: Tensor, f: Tensor, known: Residuals, curves: Tensor, share: Tensor) -> Tensor:
    """The estimate for a batch, ``(B, D)``.

    Args:
        y: noisy rows, ``(B, D)``.
        f: what is decoded of them, ``(B, D)``.
        known: with V and Ψ.
        curves: b, d, a, w and c of every element, ``(5, B, D)``.
        share: of every element's σ in the level's, ``(1, D)``.
    """
    b, d, a, w, c = curves.unbind(0)
    w = share * w
    of_r, of_e = known.loadings.unbind(0)
    seen = of_e.any(1).nonzero().squeeze(1)  # elements, few, whose noise the code has seen
    own_r, own_e = known.specific.unbind(0)
    most = (1 - PRECISION) * (own_r * own_e).sqrt()  # more no covariance of two numbers can be
    mixed = d * w * torch.clamp(c - (of_r * of_e).sum(1), -most, most)
    diagonal = d**2 * own_r + w**2 * own_e + 2 * mixed

    left = y - f - share * a - b
    d_seen, w_seen, of_e, of_r_seen = d[:, seen], w[:, seen], of_e[seen], of_r[seen]
    weights, inverse = d**2 / diagonal, 1 / diagonal[:, seen]
    crossed, squared = d_seen * w_seen * inverse, w_seen**2 * inverse

    def matrix(factors: Tensor) -> Tensor:
        """(I + BᵀΛ⁻¹B) φ, ``(B, Q)``."""
        rows, extra = factors @ of_r.T, factors @ of_e.T
        also = crossed * rows[:, seen] + squared * extra
        rows *= weights
        return factors + rows @ of_r + (crossed * extra) @ of_r_seen + also @ of_e

    scaled = left / diagonal
    right = (d * scaled) @ of_r + (w_seen * scaled[:, seen]) @ of_e
    squares = 1 + weights @ of_r**2 + 2 * crossed @ (of_r_seen * of_e) + squared @ of_e**2
    factors = _solved(matrix, right, squares)
    of_rows = d * (factors @ of_r.T)
    left = (left - of_rows).index_add_(1, seen, -w_seen * (factors @ of_e.T))
    return f + b + of_rows + (d**2 * own_r + mixed) * left / diagonal


def _solved(matrix: Callable[[Tensor], Tensor], right: Tensor, diagonal: Tensor) -> Tensor:
    """Solutions of a symmetric system a row, by conjugate gradients, shape ``(B, Q)``.

    Args:
        matrix: the product of every row's matrix and a vector.
        right: right sides, ``(B, Q)``.
        diagonal: of every row's matrix, ``(B, Q)``.
    """
    solution, left = torch.zeros_like(right), right.clone()
    scaled = left / diagonal
    direction, product = scaled, (left * scaled).sum(1, keepdim=True)
    enough = PRECISION**2 * product
    for _ in range(STEPS):
        if bool((product <= enough).all()):
            break
        moved = matrix(direction)
        step = product / (direction * moved).sum(1, keepdim=True).clamp_min(TINY)
        solution += step * direction
        left -= step * moved
        scaled = left / diagonal
        after = (left * scaled).sum(1, keepdim=True)
        direction = scaled + (after / product.clamp_min(TINY)) * direction
        product = after
    return solution
