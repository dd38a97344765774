"""Families of measurements and counts: Gaussians and the Poisson.

Shape legend: B rows in a batch; a row has shape (C, H, W) or (D,).
"""

import math
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevae.models.likelihoods.base import Likelihood
from sparsevae.networks import Trained

LARGEST_LOG_RATE = 10.0  # beyond it a Poisson's rate grows linearly: finite in float32


class Gaussian(Likelihood):
    """N(μ, σ²) with its σ element by element.

    Args:
        loc: μ, shape ``(B, C, H, W)`` or ``(B, D)``.
        scale: σ > 0, of the same shape, in units of the scaled data.
    """

    domain = "real"

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        self.loc, self.scale = loc, scale
        super().__init__(loc.shape)

    @property
    def mean(self) -> Tensor:
        """μ."""
        return self.loc

    def element_log_prob(self, value: Tensor) -> Tensor:
        """−(x − μ)²/(2σ²) − log σ − ½ log 2π."""
        standard = (value - self.loc) / self.scale
        return -0.5 * standard**2 - torch.log(self.scale) - 0.5 * math.log(2 * math.pi)

    def divergence_from_first(self) -> Tensor:
        """Σ log σ/σ₀ + (σ₀² + (μ₀ − μ)²)/(2σ²) − ½, nats, shape ``(B,)``."""
        widths = 0.5 * ((self.scale[:1] / self.scale) ** 2 - 1)
        return super().divergence_from_first() + widths.flatten(1).sum(1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """μ + σε, shape ``sample_shape + (B, C, H, W)``."""
        shape = self._extended_shape(sample_shape)
        return torch.normal(self.loc.expand(shape), self.scale.expand(shape))


class FixedGaussian(Gaussian):
    """N(μ, σ²) with one σ for all elements.

    Args:
        raw: μ, shape ``(B, C, H, W)`` or ``(B, D)``.
        scale: σ > 0, in units of the scaled data.
    """

    def __init__(self, raw: Tensor, scale: float = 1.0) -> None:
        super().__init__(raw, torch.full_like(raw, scale))


class LearnedGaussian(Gaussian):
    """N(μ, σ²) with μ and σ = floor + softplus(r) of every element from the decoder.

    The floor bounds the density: without it an element that the decoder knows by heart, such
    as a constant column, would gain without end.

    Args:
        raw: μ and r, stacked along axis 1.
        floor: the smallest σ > 0, in units of the scaled data.
    """

    outputs = 2

    def __init__(self, raw: Tensor, floor: float = 0.2) -> None:
        loc, free = raw.chunk(2, 1)
        super().__init__(loc, floor + F.softplus(free))


class SharedGaussian(LearnedGaussian):
    """N(μ, σ²) with μ from the decoder and one trained σ = floor + softplus(r) for all elements.

    Its score of a row is the squared error in units of σ², so that no element is given up for
    another as it is where every element's σ follows the code.

    Args:
        raw: μ and r, stacked along axis 1.
        floor: the smallest σ > 0, in units of the scaled data.
    """

    outputs = 1
    trained: ClassVar[Trained] = "one"

    def __init__(self, raw: Tensor, floor: float = 0.01) -> None:
        super().__init__(raw, floor)


class DiagonalGaussian(SharedGaussian):
    """N(μ, σ²) with μ from the decoder and a trained σ of its own for every element.

    It is factor analysis with a decoder in place of the loadings.

    Args:
        raw: μ and r, stacked along axis 1.
        floor: the smallest σ > 0, in units of the scaled data.
    """

    trained = "element"


class Poisson(Likelihood):
    """Counts with rate e^r; beyond r = 10 the rate goes on along its tangent.

    Args:
        log_rate: r, shape ``(B, C, H, W)`` or ``(B, D)``.
    """

    domain = "counts"
    continuous = False

    def __init__(self, log_rate: Tensor) -> None:
        inside = log_rate.clamp(max=LARGEST_LOG_RATE)
        self.log_rate = inside + torch.log1p(log_rate - inside)
        super().__init__(log_rate.shape)

    @property
    def mean(self) -> Tensor:
        """The rate, shape of the log-rate."""
        return torch.exp(self.log_rate)

    def element_log_prob(self, value: Tensor) -> Tensor:
        """Count x: x log rate − rate − log x!."""
        return value * self.log_rate - self.mean - torch.lgamma(value + 1)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Counts of shape ``sample_shape + (B, C, H, W)``."""
        return torch.poisson(self.mean.expand(self._extended_shape(sample_shape)))
