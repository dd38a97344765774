"""Priors of codes with exact zeros that are no mixtures of spike-and-slabs, or no density.

Shape legend: B images in a batch, J latent dimensions.
"""

from statistics import NormalDist

import torch
from torch import Tensor, nn

from sparsevae.models.priors.base import Divergence, Encode, NoPrior, Prior
from sparsevae.models.schedules import Progress
from sparsevae.models.sparse_distributions import Counts, CutNormal, Eased, SpikeAndLaplace

LEAST = 0.1  # of a level at the start: at 0 its step has no slope
SPEED = 10.0  # of thresholds, in those of weights
SHIFT = 0.01  # the most by which a step moves all thresholds, in those of 1 + θ
ABOVE = 0.5  # deviations, where thresholds start: a third of the values lie above


class PoissonPrior(Prior):
    """p(z) = Π_j Poisson(r_j) with a trained rate for every dimension.

    Args:
        latents: J.
        share: of codes that are not 0 at the start.
    """

    name = "poisson"

    def __init__(self, latents: int, share: float) -> None:
        super().__init__()
        start = torch.full((latents,), share).neg().log1p().neg().log()  # 1 − e^−r = share
        self.log_rate = nn.Parameter(start)

    def kl(self, posterior: Counts, x: Tensor, encoder: Encode, progress: Progress) -> Divergence:
        """Σ_j r_j (1 + e^u (u − 1)) with u = log(rate_j / r_j), shape ``(B,)``."""
        prior = self.log_rate.exp()
        u = posterior.rate.log() - self.log_rate
        kl = prior * (1 + u.exp() * (u - 1))
        gamma = -torch.expm1(-prior)
        return Divergence(kl.clamp_min(0.0).sum(-1), gamma.expand(len(x), -1))

    def factors(self) -> Counts:
        """Poisson(r)."""
        return Counts(self.log_rate.exp())


class CutStandardNormal(Prior):
    """p(z): the law of y·1[y > t] with y ~ N(0, I) and a trained level t_j.

    Args:
        latents: J.
        share: of a dimension's values that lie above t at the start, at most ½.
    """

    name = "cut normal"

    def __init__(self, latents: int, share: float) -> None:
        super().__init__()
        start = max(LEAST, NormalDist().inv_cdf(1 - share))
        self.raw = nn.Parameter(torch.full((latents,), start))

    @property
    def level(self) -> Tensor:
        """T = |raw|, shape ``(J,)``."""
        return self.raw.abs()

    def kl(
        self, posterior: CutNormal, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j of the closed form, shape ``(B,)``."""
        kl = posterior.kl_from_standard().clamp_min(0.0).sum(-1)
        return Divergence(kl, self.factors().spike_probability.expand(len(x), -1))

    def factors(self) -> CutNormal:
        """The prior itself, batch shape ``(J,)``."""
        zero = torch.zeros_like(self.raw)
        return CutNormal(zero, zero + 1, self.level)


class LaplaceSlabs(Prior):
    """p(z) = Π_j [γ_j Laplace(0, 1) + (1−γ_j) δ₀] with a trained γ_j for every dimension.

    Args:
        latents: J.
        share: where every γ_j starts.
    """

    name = "laplace slabs"

    def __init__(self, latents: int, share: float) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.full((latents,), share).logit())

    def kl(
        self, posterior: SpikeAndLaplace, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j of the closed form, shape ``(B,)``."""
        prior = self.factors()
        gamma = prior.spike_probability.expand(len(x), -1)
        return Divergence(posterior.kl(prior).sum(-1), gamma)

    def factors(self) -> SpikeAndLaplace:
        """The prior itself, batch shape ``(J,)``."""
        zero = torch.zeros_like(self.logits)
        return SpikeAndLaplace(self.logits, zero, zero + 1)


class Thresholds(NoPrior):
    """No density, but the trained threshold θ_j of every dimension, shape ``(J,)``.

    Thresholds start low, and the constraint raises those of dimensions that help least: one
    that starts where few values lie above it may never be on enough to be worth its price.

    Args:
        latents: J.
        target_active: how many dimensions should be on an image; every step raises all
            thresholds a little while more are on, else lowers them. A large step would lower
            those of dimensions that are on for others that have just been shut.
    """

    name = "thresholds"

    def __init__(self, latents: int, target_active: float) -> None:
        super().__init__()
        self.target_active = target_active
        self.raw = nn.Parameter(torch.full((latents,), ABOVE / SPEED))

    def start(self, loc: Tensor, scale: Tensor) -> None:
        """Put every θ_j above values of that mean and deviation, each ``(J,)``."""
        self.raw.copy_(ABOVE / SPEED * scale + loc / SPEED)

    @property
    def levels(self) -> Tensor:
        """θ, shape ``(J,)``: moves faster than weights, so that it follows the multiplier."""
        return SPEED * self.raw

    @torch.no_grad()
    def update(self, active: Tensor) -> None:
        """One step of all thresholds towards the target."""
        error = (active / self.target_active - 1).clamp(-1.0, 1.0)
        self.raw.add_(SHIFT / SPEED * error * (1 + self.levels.abs()))


class EasedNormal(Prior):
    """N(0, I) for u, of which the decoder sees (1−s(x))·u: no density of what is decoded."""

    name = "vaease"
    bounds = False

    def kl(self, posterior: Eased, x: Tensor, encoder: Encode, progress: Progress) -> Divergence:
        """½ Σ_j (s² + μ² − log s² − 1), shape ``(B,)``."""
        log_variance, mu = posterior.log_variance, posterior.mu
        kl = 0.5 * (log_variance.exp() + mu**2 - log_variance - 1).sum(-1)
        return Divergence(kl, x.new_zeros(len(x), 0))
