"""Posteriors over latent codes: a point, a Gaussian, a spike and slab, and their divergences.

Shape legend: B images in a batch, J latent dimensions, U mixture components.

Every posterior is a torch distribution with batch shape ``(B, J)`` and, beside the usual
``mean`` and ``rsample``, one deterministic ``code``: the value that pictures, probes and
``transform`` use.
"""

import math
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, Normal, constraints
from torch.distributions.kl import register_kl

CLAMP = 1e-6  # uniform noise stays this far from 0 and 1, so that its logit is finite
Estimator = Literal["straight-through", "concrete", "reinmax", "sloped", "bernoulli"]
WarmUpForm = Literal["variance", "log-variance"]


class Point(Distribution):
    """All mass on one value: the posterior of a deterministic autoencoder.

    Args:
        loc: the value, shape ``(B, J)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)
    has_rsample = True

    def __init__(self, loc: Tensor) -> None:
        self.loc = loc
        super().__init__(loc.shape, validate_args=False)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """The value itself, repeated to ``sample_shape + (B, J)``."""
        return self.loc.expand(self._extended_shape(sample_shape))

    @property
    def mean(self) -> Tensor:
        """The value, shape ``(B, J)``."""
        return self.loc

    @property
    def code(self) -> Tensor:
        """The value, shape ``(B, J)``."""
        return self.loc


class SparsePoint(Point):
    """A point whose zeros are dimensions that are off: the code of a sparse autoencoder.

    Args:
        loc: the value, shape ``(B, J)``.
    """

    @property
    def spike_probability(self) -> Tensor:
        """1 where the value differs from 0, else 0; without a gradient, shape ``(B, J)``."""
        return (self.loc != 0).to(self.loc.dtype)


class Gaussian(Normal):
    """Independent normals N(μ, s²), the posterior of a variational autoencoder.

    Args:
        loc: μ, shape ``(B, J)``.
        scale: s > 0, shape ``(B, J)``.
    """

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        super().__init__(loc, scale, validate_args=False)

    @property
    def code(self) -> Tensor:
        """μ, shape ``(B, J)``."""
        return self.loc


class SpikeAndSlab(Distribution):
    """Independent γ N(μ, s²) + (1−γ) δ₀ with γ = σ(l) (Tonolini et al. 2019, section 3.1).

    Args:
        logits: l, the log-odds that a dimension is on, shape ``(B, J)``.
        loc: μ, the mean of the slab, shape ``(B, J)``.
        scale: s > 0, the standard deviation of the slab, shape ``(B, J)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)
    has_rsample = True

    def __init__(self, logits: Tensor, loc: Tensor, scale: Tensor) -> None:
        self.logits, self.loc, self.scale = logits, loc, scale
        super().__init__(logits.shape, validate_args=False)

    @property
    def spike_probability(self) -> Tensor:
        """γ, the probability that a dimension is on, shape ``(B, J)``."""
        return torch.sigmoid(self.logits)

    @property
    def mean(self) -> Tensor:
        """E[z] = γμ, shape ``(B, J)``."""
        return self.spike_probability * self.loc

    @property
    def variance(self) -> Tensor:
        """Var[z] = γs² + γ(1−γ)μ², shape ``(B, J)``."""
        gamma = self.spike_probability
        return gamma * self.scale**2 + gamma * (1 - gamma) * self.loc**2

    @property
    def code(self) -> Tensor:
        """1[γ > ½]·μ with exact zeros, shape ``(B, J)``."""
        return torch.where(self.logits > 0, self.loc, torch.zeros_like(self.loc))

    def warmed(self, warm_up: Tensor | float, form: WarmUpForm = "variance") -> "SpikeAndSlab":
        """The same spikes on the slab N(λμ, λs² + 1 − λ); λ = 0 is unit noise, λ = 1 itself.

        Args:
            warm_up: λ in [0, 1].
            form: "log-variance" takes N(λμ, s^2λ) instead, as the published code does.
        """
        if isinstance(warm_up, float) and warm_up == 1.0:
            return self
        if form == "log-variance":
            return SpikeAndSlab(self.logits, warm_up * self.loc, self.scale**warm_up)
        scale = torch.sqrt(warm_up * self.scale**2 + (1 - warm_up))
        return SpikeAndSlab(self.logits, warm_up * self.loc, scale)

    def draw(
        self, temperature: Tensor | float = 0.5, estimator: Estimator = "straight-through"
    ) -> tuple[Tensor, Tensor]:
        """Draw codes and the mask that says which dimensions are on.

        The mask is 1[l + logit η > 0] with η uniform: exactly 0 or 1, a draw of
        Bernoulli(γ). How its gradient reaches l is the estimator's choice:

        - "straight-through": through σ((l + logit η)/τ), the binary concrete relaxation
          (Maddison et al. 2017, appendix B; Jang et al. 2017);
        - "reinmax": as ½|m − γ| at the drawn m, which is exact for a loss that is quadratic
          in the mask (Liu et al. 2023, "Bridging Discrete and Backpropagation");
        - "concrete": the relaxed value itself is the mask;
        - "sloped": the mask is σ((η + γ − 1)/τ), the relaxation of Tonolini et al. 2019 with
          their slope c = 1/τ;
        - "bernoulli": not at all. The reconstruction then teaches the spikes nothing: kept to
          show what that fault does.

        Args:
            temperature: τ > 0; "reinmax" and "bernoulli" have none.
            estimator: how the gradient passes the spike.

        Returns:
            Codes ``mask · (μ + s ε)`` and the mask, both ``(B, J)``.
        """
        mask = self._mask(temperature, estimator)
        return mask * (self.loc + self.scale * torch.randn_like(self.loc)), mask

    def _mask(self, temperature: Tensor | float, estimator: Estimator) -> Tensor:
        uniform = torch.rand_like(self.logits).clamp(CLAMP, 1 - CLAMP)
        if estimator == "sloped":
            return torch.sigmoid((uniform + self.spike_probability - 1) / temperature)
        noisy = self.logits + torch.logit(uniform)
        soft = torch.sigmoid(noisy / temperature)
        if estimator == "concrete":
            return soft
        hard = (noisy > 0).to(soft.dtype)
        if estimator == "bernoulli":
            return hard
        if estimator == "reinmax":
            soft = self.logits * (0.5 * (hard - self.spike_probability).abs()).detach()
        return hard + (soft - soft.detach())

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """Draw codes of shape ``sample_shape + (B, J)`` with straight-through spikes."""
        shape = self._extended_shape(sample_shape)
        parameters = (p.expand(shape) for p in (self.logits, self.loc, self.scale))
        return SpikeAndSlab(*parameters).draw()[0]

    def log_prob_of(self, codes: Tensor, mask: Tensor) -> Tensor:
        """Log-density of codes with the given support, base measure Lebesgue + δ₀.

        Args:
            codes: z, shape ``(..., J)``; ignored where the mask is 0.
            mask: which dimensions are on, 0 or 1, shape ``(..., J)``.

        Returns:
            Per dimension: log γ + log N(z; μ, s²) where on, log(1−γ) where off.
        """
        standard = (codes - self.loc) / self.scale
        slab = -0.5 * standard**2 - torch.log(self.scale) - 0.5 * math.log(2 * math.pi)
        on, off = F.logsigmoid(self.logits) + slab, F.logsigmoid(-self.logits)
        return torch.where(mask > 0.5, on, off)


Gated = SparsePoint | SpikeAndSlab
"""Posteriors whose dimensions are on or off, with a ``spike_probability``."""


@register_kl(SpikeAndSlab, SpikeAndSlab)
def _kl_spike_and_slab(q: SpikeAndSlab, p: SpikeAndSlab) -> Tensor:
    """γ·KL(N(μ,s²) ‖ N(μ_p,s_p²)) + γ(l − l_p) − softplus(l) + softplus(l_p), per dimension."""
    ratio = q.scale / p.scale
    slab = 0.5 * (ratio**2 + ((q.loc - p.loc) / p.scale) ** 2 - 1) - torch.log(ratio)
    spike = q.spike_probability * (slab + q.logits - p.logits)
    return spike - F.softplus(q.logits) + F.softplus(p.logits)


def pairwise_kl(q: SpikeAndSlab, p: SpikeAndSlab) -> Tensor:
    """KL of each of B spike-and-slabs from each of U, summed over dimensions.

    The closed form expands into three matrix products, so no ``(B, U, J)`` tensor is made.

    Args:
        q: batch shape ``(B, J)``.
        p: batch shape ``(U, J)``.

    Returns:
        ``(B, U)`` in nats.
    """
    gamma, precision = q.spike_probability, p.scale**-2
    of_q = gamma * (q.logits - torch.log(q.scale) - 0.5) - F.softplus(q.logits)  # (B, J)
    of_p = torch.log(p.scale) + 0.5 * p.loc**2 * precision - p.logits  # (U, J)
    second_moment = gamma * (q.scale**2 + q.loc**2)
    cross = gamma @ of_p.T + second_moment @ (0.5 * precision).T
    cross = cross - (gamma * q.loc) @ (p.loc * precision).T
    return of_q.sum(-1, keepdim=True) + cross + F.softplus(p.logits).sum(-1)
