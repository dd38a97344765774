"""Posteriors with exact zeros beside the spike and slab: counts, cut normals, Laplace, eased.

All but the last score their own draws; the base measure is Lebesgue + δ₀, or counts.

Shape legend: B images in a batch, J latent dimensions, N arrivals of a Poisson process.
"""

import math
from abc import abstractmethod
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import constraints

from sparsevae.models.distributions import CLAMP, OPEN, Posterior, SpikeAndSlab
from sparsevae.models.schedules import Progress

ARRIVALS = 24  # beyond the .999 quantile of Poisson(10)
TINY = 1e-12
FAR = -10.0  # deviations; below, differences are rounding, and a series leaves 1e-4 of them over


class Scored(Posterior):
    """A posterior by the probability of its zeros, and mean and deviation of what is not 0.

    Args:
        logits: log-odds of a dimension that is on, shape ``(B, J)``.
        loc: its mean where it is on.
        scale: its standard deviation where it is on.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)
    has_rsample = True

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.loc, self.scale = logits, loc, scale
        super().__init__(loc.shape, validate_args=False)

    @abstractmethod
    def log_prob(self, value: Tensor) -> Tensor:
        """Log-density of every dimension of codes, shape of ``value``."""

    @property
    def spike_probability(self) -> Tensor:
        """γ, shape ``(B, J)``."""
        return torch.sigmoid(self.logits)

    @property
    def mean(self) -> Tensor:
        """γ times the mean where on, shape ``(B, J)``."""
        return self.spike_probability * self.loc

    @property
    def code(self) -> Tensor:
        """1[γ > ½] times the mean where on, shape ``(B, J)``."""
        return torch.where(self.spike_probability > 0.5, self.loc, torch.zeros_like(self.loc))

    def gated(self) -> SpikeAndSlab:
        """The spike and slab with the same zeros, mean and variance."""
        return SpikeAndSlab(self.logits, self.loc, self.scale)


class Counts(Scored):
    """Poisson(λ), drawn with a gradient through arrival times.

    Args:
        rate: λ > 0, shape ``(B, J)``.
        temperature: τ; 0 draws whole numbers.
    """

    def __init__(self, rate: Tensor, temperature: Progress = 0.0) -> None:
        self.rate, self.temperature = rate, temperature
        on = -torch.expm1(-rate)
        loc = rate / on
        variance = (rate * (1 + rate) / on - loc**2).clamp_min(TINY)
        super().__init__(torch.log(torch.expm1(rate)), loc, variance.sqrt())

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Σ_n S((1 − t_n)/τ), S(v) = 3w² − 2w³ with w = clip(½v + ½), t_n the n-th arrival."""
        shape = self._extended_shape(sample_shape)
        if isinstance(self.temperature, float) and self.temperature == 0.0:
            return torch.poisson(self.rate.detach().expand(shape))
        gaps = torch.empty((*shape, ARRIVALS), device=self.rate.device).exponential_()
        before = 1 - gaps.cumsum(-1) / self.rate[..., None]
        w = (0.5 * before / self.temperature + 0.5).clamp(0.0, 1.0)
        return (w**2 * (3 - 2 * w)).sum(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log-probability of whole numbers."""
        return torch.xlogy(value, self.rate) - self.rate - torch.lgamma(value + 1)


def _log_density(x: Tensor) -> Tensor:
    """Log-density of N(0, 1), shape of ``x``."""
    return -0.5 * x**2 - 0.5 * math.log(2 * math.pi)


def _beyond(x: Tensor) -> Tensor:
    """E[ε + x | ε > −x] for x ≤ −10, three terms of its series, shape of ``x``."""
    small = x**-2
    return -(1 - 2 * small + 10 * small**2) / x


def _log_below(x: Tensor) -> Tensor:
    """Log P(ε ≤ x) of N(0, 1), whose slope is finite however small it is, shape of ``x``."""
    near, deep = x.clamp(min=FAR), x.clamp(max=FAR)
    tail = _log_density(deep) - torch.log(_beyond(deep) - deep)
    return torch.where(x < FAR, tail, torch.special.log_ndtr(near))


class CutNormal(Scored):
    """The law of y·1[y > t] with y ~ N(μ, s²).

    Args:
        mu: μ, shape ``(B, J)``.
        sigma: s > 0, shape ``(B, J)``.
        level: t ≥ 0, shape ``(J,)``.
        temperature: of the straight-through gradient of the step.
    """

    def __init__(self, mu: Tensor, sigma: Tensor, level: Tensor, temperature: float = 0.5) -> None:
        self.mu, self.sigma, self.level, self.temperature = mu, sigma, level, temperature
        self.depth = (mu - level) / sigma
        self.log_on, self.log_off = _log_below(self.depth), _log_below(-self.depth)
        far, near, deep = self.depth < FAR, self.depth.clamp(min=FAR), self.depth.clamp(max=FAR)
        mills = (_log_density(near) - torch.special.log_ndtr(near)).exp()
        self.mills = torch.where(far, _beyond(deep) - deep, mills)  # E[ε | on]
        above = torch.where(far, _beyond(deep), mills + near)  # E[y − t | on] / s
        narrow = deep**-2 - 6 * deep**-4
        left = torch.where(far, narrow, (1 - mills * (mills + near)).clamp_min(CLAMP))
        super().__init__(self.log_on - self.log_off, level + sigma * above, sigma * left.sqrt())

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """y·1[y > t], the step with the slope of σ((y − t)/τ)."""
        y = self.mu + self.sigma * torch.randn(
            self._extended_shape(sample_shape), device=self.mu.device
        )
        soft = torch.sigmoid((y - self.level) / self.temperature)
        return y * ((y > self.level).to(y.dtype) + (soft - soft.detach()))

    def log_prob(self, value: Tensor) -> Tensor:
        """Log N(z; μ, s²) where on, log P(y ≤ t) where 0."""
        slab = _log_density((value - self.mu) / self.sigma) - torch.log(self.sigma)
        return torch.where(value != 0, slab, self.log_off.expand(value.shape))

    def kl_from_standard(self) -> Tensor:
        """KL from the law of y·1[y > t] with y ~ N(0, 1), nats, shape ``(B, J)``.

        It is never above KL(N(μ, s²) ‖ N(0, 1)), that of the latent before the step.
        """
        mu, s, on = self.mu, self.sigma, self.log_on.exp()
        first = on * self.mills  # E[ε; on]
        second = on - self.depth * first  # E[ε²; on]
        square = on * mu**2 + 2 * mu * s * first + s**2 * second  # E[y²; on]
        slab = -on * torch.log(s) - 0.5 * second + 0.5 * square
        prior_off = torch.special.log_ndtr(self.level)
        kl: Tensor = slab + self.log_off.exp() * (self.log_off - prior_off)
        return kl


class SpikeAndLaplace(Scored):
    """γ Laplace(μ, b) + (1−γ) δ₀: a Laplace variable after a soft threshold of λ, γ = e^(−λ/b).

    Args:
        logits: log-odds of γ, shape ``(B, J)``.
        mu: μ, shape ``(B, J)``.
        width: b > 0, shape ``(B, J)``.
    """

    def __init__(self, logits: Tensor, mu: Tensor, width: Tensor) -> None:
        self.width = width
        super().__init__(logits, mu, math.sqrt(2) * width)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """±max(bE − λ, 0) + μ·1[bE > λ] with E ~ Exp(1); straight through where μ steps in."""
        shape = self._extended_shape(sample_shape)
        size = torch.empty(shape, device=self.loc.device).exponential_()
        sign = torch.where(torch.rand(shape, device=self.loc.device) < 0.5, -1.0, 1.0)
        excess = size - F.softplus(-self.logits)  # E − λ/b
        soft = torch.sigmoid(excess)
        on = (excess > 0).to(soft.dtype) + (soft - soft.detach())
        return sign * self.width * excess.relu() + self.loc * on

    def log_prob(self, value: Tensor) -> Tensor:
        """Log γ + log Laplace(z; μ, b) where on, log(1−γ) where 0."""
        slab = -(value - self.loc).abs() / self.width - torch.log(2 * self.width)
        off = F.logsigmoid(-self.logits).expand(value.shape)
        return torch.where(value != 0, F.logsigmoid(self.logits) + slab, off)

    def kl(self, prior: "SpikeAndLaplace") -> Tensor:
        """KL from a prior whose slabs are Laplace(0, 1), nats, shape ``(B, J)``."""
        far = self.loc.abs()
        slab = far + self.width * (-far / self.width).exp() - torch.log(self.width) - 1
        spike = self.spike_probability * (slab + self.logits - prior.logits)
        return spike - F.softplus(self.logits) + F.softplus(prior.logits)


class Eased(Posterior):
    """The law of (1−s)·u with u ~ N(μ, s²) and s ≤ 1; exactly 0 where s = 1.

    Args:
        mu: μ, shape ``(B, J)``.
        log_variance: log s² ≤ 0, shape ``(B, J)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)
    has_rsample = True

    def __init__(self, mu: Tensor, log_variance: Tensor) -> None:
        self.mu, self.log_variance = mu, log_variance
        s = (0.5 * log_variance).exp()
        self.loc, self.scale = (1 - s) * mu, (1 - s) * s
        super().__init__(mu.shape, validate_args=False)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """(1−s)(μ + sε), shape ``sample_shape + (B, J)``."""
        noise = torch.randn(self._extended_shape(sample_shape), device=self.loc.device)
        return self.loc + self.scale * noise

    @property
    def mean(self) -> Tensor:
        """(1−s)μ, shape ``(B, J)``."""
        return self.loc

    @property
    def code(self) -> Tensor:
        """(1−s)μ, shape ``(B, J)``."""
        return self.loc

    @property
    def spike_probability(self) -> Tensor:
        """1 where s < 1, else 0; without a gradient, shape ``(B, J)``."""
        return (self.log_variance < 0).to(self.loc.dtype)

    def gated(self) -> SpikeAndSlab:
        """The same with gates that are always open or always shut."""
        return SpikeAndSlab(OPEN * (2 * self.spike_probability - 1), self.loc, self.scale)
