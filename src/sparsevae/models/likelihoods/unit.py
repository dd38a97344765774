"""Families on [0, 1]: the grey Bernoulli score and the continuous Bernoulli density.

Shape legend: B rows in a batch; a row has shape (C, H, W) or (D,).
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sparsevae.models.likelihoods.base import Likelihood
from sparsevae.networks import kernels

SMALL = 0.5  # half-logits below it take the Taylor series, above it the closed form


class GreyBernoulli(Likelihood):
    """Bernoulli with logits, scored on grey values in [0, 1].

    The score x log p + (1−x) log(1−p) is the field's reference for MNIST. On grey values
    it is not normalised, so it is a score and not a density.

    Args:
        logits: shape ``(B, C, H, W)`` or ``(B, D)``.
    """

    domain = "unit"
    normalised = continuous = False

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape)

    @property
    def mean(self) -> Tensor:
        """Expected values in [0, 1], shape of the logits."""
        return torch.sigmoid(self.logits)

    def element_log_prob(self, value: Tensor) -> Tensor:
        """Value x: x log p + (1−x) log(1−p)."""
        return -F.binary_cross_entropy_with_logits(self.logits, value, reduction="none")

    def log_prob(self, value: Tensor) -> Tensor:
        """The sum over elements in one pass, shape ``(B,)``."""
        return kernels.bernoulli_score(self.logits, value)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Zeros and ones of shape ``sample_shape + (B, C, H, W)``."""
        return torch.bernoulli(self.mean.expand(self._extended_shape(sample_shape)))


class DrawnBernoulli(GreyBernoulli):
    """Bernoulli with logits of pixels that are drawn from their grey values: dynamic binarisation.

    Every training step draws black or white anew, from the generator of its epoch; rows are
    measured on one draw (Salakhutdinov and Murray 2008; Burda et al. 2016). It is a probability.

    Args:
        logits: shape ``(B, C, H, W)`` or ``(B, D)``.
    """

    normalised = draws = True


class ContinuousBernoulli(Likelihood):
    """The density on [0, 1] proportional to e^{lx} (Loaiza-Ganem and Cunningham 2019).

    With h = l/2 the normalised log-density is 2h(x − ½) − log(sinh(h)/h); both it and the
    mean are even or odd in h, and a series in h² holds where the closed form divides by 0.

    Args:
        logits: l, shape ``(B, C, H, W)`` or ``(B, D)``.
    """

    domain = "unit"

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits
        super().__init__(logits.shape)

    @property
    def mean(self) -> Tensor:
        """½ + ½(coth h − 1/h), values in [0, 1], shape of the logits."""
        half = 0.5 * self.logits
        small, large = _split(half)
        series = small / 3 - small**3 / 45 + 2 * small**5 / 945
        closed = 1 / torch.tanh(large) - 1 / large
        return 0.5 + 0.5 * torch.where(half.abs() < SMALL, series, torch.sign(half) * closed)

    def element_log_prob(self, value: Tensor) -> Tensor:
        """l(x − ½) − log(sinh(h)/h)."""
        half = 0.5 * self.logits
        small, large = _split(half)
        series = small**2 / 6 - small**4 / 180 + small**6 / 2835
        closed = large + torch.log(-torch.expm1(-2 * large)) - torch.log(2 * large)
        return self.logits * (value - 0.5) - torch.where(half.abs() < SMALL, series, closed)

    def sample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Values in [0, 1] by the inverse distribution function, at −|l| and mirrored."""
        logits = self.logits.expand(self._extended_shape(sample_shape))
        uniform, falling = torch.rand_like(logits), -logits.abs().clamp(min=1e-3)
        low = torch.log1p(uniform * torch.expm1(falling)) / falling
        return torch.where(logits > 0, 1 - low, low)


def _split(half: Tensor) -> tuple[Tensor, Tensor]:
    """Values h where they are small, and |h| elsewhere; harmless numbers in the other places."""
    is_small = half.abs() < SMALL
    return torch.where(is_small, half, 0.0), torch.where(is_small, 1.0, half.abs())
