"""Denoising with what a code leaves over: the decoded row and a filtered residual.

A row comes as y = x + n. With f the row decoded from the code of y, element by element

    x = f + b(f) + d(f)·r,    n = a(f) + e,    r ~ N(0, C),  C = VVᵀ + diag ψ,    Var e = v(f),

where d·r and the noise e have the covariance c(f), since the code has seen the noise. The estimate
is the best affine one given y,

    x̂ = f + b + (DCD + K) (DCD + 2K + N)⁻¹ (y − f − a − b),

with D, K and N diagonal. For constant a, b, c, d and v it is the Wiener filter of the residual;
the curves say that next to nothing is missing where a decoder is sure of black or white.

Shape legend: N rows, flat with D elements; K bins of f, R loadings.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from sparsevae.data import corruptions
from sparsevae.evaluation.passes import BATCH, batched, fixed_noise
from sparsevae.models import Model
from sparsevae.storage.arrays import Floats

SIGMAS = (0.1, 0.3, 0.5)  # where statistics are taken; between two of them they are mixed
BINS, LOADINGS = 32, 128
ROWS, MOST_VALUES = 4000, 2**24  # of the training rows that statistics are taken from
SEED = 20  # of their noise, which nothing is measured with
STEPS, PRECISION = 60, 1e-3  # of conjugate gradients, and the remainder that ends them
LEAST_VARIANCE, TINY = 1e-6, 1e-30
CLIPPED = " clipped"


@dataclass(frozen=True)
class Residuals:
    """What residuals of noisy training rows are like at one level of noise.

    Attributes:
        curves: b, d², a, v and c by bin of f, shape ``(5, K)``.
        loadings: V, shape ``(D, R)``.
        specific: ψ, shape ``(D,)``.
        distance: mean of (y − f)² over rows and elements, 0-d.
    """

    curves: Tensor
    loadings: Tensor
    specific: Tensor
    distance: Tensor


def can_denoise(model: Model) -> bool:
    """Whether noise that is added to a model's rows leaves rows of their kind: not of counts."""
    return model.family.domain in ("unit", "real")


@dataclass(frozen=True)
class Denoiser:
    """A model's residuals at a few levels of noise, and what follows for other levels.

    Attributes:
        edges: between bins of the decoded value, shape ``(K−1,)``.
        clean: mean of (x − f)² over clean rows and elements, 0-d.
        levels: by name, such as "0.3" and, for values in [0, 1], "0.3 clipped".
    """

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
        x = x[: max(2, min(ROWS, MOST_VALUES // x[0].size))]
        decoded = _decoded(model, x)
        clean = (decoded - _flat(x)).square().mean()
        some = decoded.flatten()[:: 1 + decoded.numel() // 2**20]
        edges = torch.quantile(some, torch.linspace(0, 1, BINS + 1)[1:-1]).unique()
        endings = ("", CLIPPED) if model.family.domain == "unit" else ("",)
        levels = {
            f"{sigma}{ending}": _residuals(model, x, edges, sigma, clip=ending == CLIPPED)
            for sigma in SIGMAS
            for ending in endings
        }
        return cls(edges, clean, levels)

    def restored(self, model: Model, y: Floats, sigma: Floats | float, *, clipped: bool) -> Floats:
        """Rows without their noise, as the model takes rows, shape ``(N, *shape)``.

        Args:
            model: whose residuals these are.
            y: noisy rows as the model takes rows, shape ``(N, *shape)``.
            sigma: of the noise in units of the model's rows; a number, or shape ``(1, *shape)``.
            clipped: whether what left [0, 1] was cut off.
        """
        spread = torch.from_numpy(np.broadcast_to(np.float32(sigma), (1, *y.shape[1:])).copy())
        variance = _flat(spread.numpy()).square()
        level = float(variance.mean().sqrt())
        known, share = self._at(level, clipped), variance / max(level, LEAST_VARIANCE) ** 2
        parts = []
        for at in range(0, len(y), BATCH):
            batch = _centred(y[at : at + BATCH], spread.numpy() if clipped else None)
            f = _decoded(model, batch)
            curves = known.curves[:, torch.bucketize(f, self.edges)]
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
        known = [float(self.clean), *(float(self._at(s, clipped).distance) for s in SIGMAS)]
        squares = np.square([0.0, *SIGMAS])
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
        names = {key.split("/")[0] for key in tensors if "/" in key} | {f"{s}" for s in SIGMAS}
        levels = {
            name: Residuals(*(tensors[f"{name}/{part}"].float() for part in parts))
            for name in sorted(names)
        }
        edges = tensors["edges"].float()
        for level in levels.values():
            if level.curves.shape != (5, len(edges) + 1) or level.specific.shape != (elements,):
                raise ValueError("curves or elements")
            if level.loadings.ndim != 2 or len(level.loadings) != elements:
                raise ValueError("loadings")
        return cls(edges, tensors["clean"].float(), levels)

    def _at(self, sigma: float, clipped: bool) -> Residuals:
        """Residuals at any level: curves between two levels, loadings of the nearest one."""
        ending = CLIPPED if clipped and f"{SIGMAS[0]}{CLIPPED}" in self.levels else ""
        inside = float(np.clip(sigma, SIGMAS[0], SIGMAS[-1]))
        upper = int(np.searchsorted(SIGMAS, inside))
        lower = max(0, upper - 1)
        low, high = (self.levels[f"{SIGMAS[place]}{ending}"] for place in (lower, upper))
        gap = SIGMAS[upper] - SIGMAS[lower] or 1.0
        share = (inside - SIGMAS[lower]) / gap
        curves = torch.lerp(low.curves, high.curves, share)
        ratio = sigma / inside  # beyond the levels noise grows or shrinks as a whole
        curves = curves * torch.tensor([1, 1, ratio, ratio**2, ratio**2])[:, None]
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


def _residuals(model: Model, x: Floats, edges: Tensor, sigma: float, *, clip: bool) -> Residuals:
    y = corruptions.gaussian(x, sigma, SEED, clip=clip)
    distance = (_decoded(model, y) - _flat(y)).square().mean()
    y = _centred(y, np.full_like(y[:1], sigma) if clip else None)
    f = _decoded(model, y)
    left, noise = _flat(x) - f, _flat(y) - _flat(x)
    place = torch.bucketize(f, edges).flatten()
    bins = len(edges) + 1
    count = torch.bincount(place, minlength=bins) + 1

    def by_bin(values: Tensor) -> Tensor:
        """The mean in every bin, one value of the common mean among them, ``(K,)``."""
        total = torch.bincount(place, values.flatten().double(), bins) + values.double().mean()
        return (total / count).float()

    b, a = by_bin(left), by_bin(noise)
    left -= b[place].view_as(left)
    noise -= a[place].view_as(noise)
    spread, v, c = by_bin(left**2), by_bin(noise**2), by_bin(left * noise)
    spread = spread.clamp_min(LEAST_VARIANCE)
    r = left / spread.sqrt()[place].view_as(left)
    with fixed_noise(SEED):
        _, scale, axes = torch.svd_lowrank(r, min(LOADINGS, *r.shape), niter=4)
    loadings = axes * (scale / len(r) ** 0.5)
    specific = (r.square().mean(0) - loadings.square().sum(1)).clamp_min(LEAST_VARIANCE)
    return Residuals(torch.stack([b, spread, a, v, c]), loadings, specific, distance)


def _estimate(y: Tensor, f: Tensor, known: Residuals, curves: Tensor, share: Tensor) -> Tensor:
    """x̂ of a batch, ``(B, D)``.

    Args:
        y: noisy rows, ``(B, D)``.
        f: what is decoded of them, ``(B, D)``.
        known: with V and ψ.
        curves: b, d², a, v and c of every element, ``(5, B, D)``.
        share: of every element's noise variance in the mean one, ``(1, D)``.
    """
    b, spread, a, v, c = curves
    d, specific = spread.sqrt(), spread * known.specific
    diagonal = specific + (share * (v + 2 * c)).clamp_min(LEAST_VARIANCE)

    def shared(u: Tensor) -> Tensor:
        """D·VVᵀ·D u."""
        return d * (((d * u) @ known.loadings) @ known.loadings.T)

    u = _solved(lambda p: shared(p) + diagonal * p, y - f - share.sqrt() * a - b, diagonal)
    return f + b + shared(u) + (specific + share * c) * u


def _solved(matrix: Callable[[Tensor], Tensor], right: Tensor, diagonal: Tensor) -> Tensor:
    """Solutions of a symmetric system a row, by conjugate gradients, shape ``(B, D)``.

    Args:
        matrix: the product of every row's matrix and a vector.
        right: right sides, ``(B, D)``.
        diagonal: what gradients are divided by, ``(B, D)``.
    """
    solution, left = torch.zeros_like(right), right.clone()
    direction = left / diagonal
    product = (left * direction).sum(1, keepdim=True)
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
