"""Posteriors over latent codes: a point, a Gaussian, a spike and slab, and their divergences.

Shape legend: B images in a batch, J latent dimensions, U mixture components.
"""

import math
from abc import abstractmethod
from collections.abc import Callable
from typing import Annotated, Any, Literal, NamedTuple, get_args

import torch
import torch.nn.functional as F
from pydantic import AfterValidator
from torch import Tensor
from torch.distributions import Distribution, Normal, constraints
from torch.distributions.kl import register_kl

from sparsevae.models.schedules import Progress
from sparsevae.models.tables import Table
from sparsevae.networks import kernels

CLAMP = 1e-6  # uniform noise stays this far from 0 and 1, so that its logit is finite
OPEN = 40.0  # log-odds of a gate that is always open: 1 − γ is 4e-18
Estimator = Literal["straight-through", "concrete", "reinmax"]
Drawn = tuple[Tensor, Tensor]  # codes and their gates, both (B, J)


def within(values: Tensor, bound: float) -> Tensor:
    """Values kept in (−bound, bound), nearly as they are far inside, shape of ``values``.

    Args:
        values: of any shape, such as what an encoder gives.
        bound: above 0.
    """
    return bound * torch.tanh(values / bound)


def held(values: Tensor, bound: float) -> Tensor:
    """Values cut off at ±bound whose gradient is as if they were not, shape of ``values``.

    What an encoder gives for a row unlike all others then has a finite exponential, and still
    learns to come back.

    Args:
        values: of any shape.
        bound: above 0; inside nothing changes.
    """
    return values.detach().clamp(-bound, bound) + (values - values.detach())


class Posterior(Distribution):
    """q(z|x) with batch shape ``(B, J)``: a torch distribution that also answers for its gates.

    A subclass gives ``rsample`` and ``mean`` as torch has them, and what is abstract here.

    Attributes:
        loc: the value of a dimension that is on, shape ``(B, J)``.
        numbers: how many numbers a dimension has that :meth:`moved` moves; 0 for none.
    """

    loc: Tensor
    numbers: int = 0

    def moved(self, steps: Tensor) -> "Posterior":
        """The distribution whose parameters lie these steps away, each in its own unit.

        A unit is the standard deviation of a mean, 2 of log-odds and of a log-variance.

        Args:
            steps: shape ``(numbers, B, J)``.
        """
        raise NotImplementedError

    @property
    @abstractmethod
    def code(self) -> Tensor:
        """One deterministic value: what pictures, probes and encoding use, ``(B, J)``."""

    @property
    @abstractmethod
    def spike_probability(self) -> Tensor:
        """γ, the probability that a dimension is on; ones without gates, ``(B, J)``."""

    @abstractmethod
    def gated(self) -> "SpikeAndSlab":
        """The same distribution as a spike and slab, or the one with its mean and variance.

        Importance sampling draws from it, so that its bound holds either way.
        """


class Point(Posterior):
    """All mass on one value: the posterior of a deterministic autoencoder.

    Args:
        loc: the value, shape ``(B, J)``.
        sparse: whether zeros are dimensions that are off.
        on: 1 where a dimension is on, else 0, with a gradient of the caller's; taken from the
            zeros when left out.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)
    has_rsample = True

    def __init__(self, loc: Tensor, *, sparse: bool = False, on: Tensor | None = None) -> None:
        self.loc, self.sparse, self.on = loc, sparse, on
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

    @property
    def spike_probability(self) -> Tensor:
        """1 where a dimension is on, else 0, shape ``(B, J)``."""
        if self.on is not None:
            return self.on
        return (self.loc != 0).to(self.loc.dtype) if self.sparse else torch.ones_like(self.loc)

    def gated(self) -> "SpikeAndSlab":
        """Slabs of width 0, which have no density."""
        logits = OPEN * (2 * self.spike_probability - 1)
        return SpikeAndSlab(logits, self.loc, torch.zeros_like(self.loc))


class Gaussian(Posterior, Normal):
    """Independent normals N(μ, s²), the posterior of a variational autoencoder.

    Args:
        loc: μ, shape ``(B, J)``.
        scale: s > 0, shape ``(B, J)``.
    """

    numbers = 2

    def __init__(self, loc: Tensor, scale: Tensor) -> None:
        Normal.__init__(self, loc, scale, validate_args=False)

    def moved(self, steps: Tensor) -> "Gaussian":
        """N(μ + s·a, (s·exp(b))²) of steps a and b, shape ``(2, B, J)``."""
        return Gaussian(self.loc + self.scale * steps[0], self.scale * steps[1].exp())

    @property
    def code(self) -> Tensor:
        """μ, shape ``(B, J)``."""
        return self.loc

    @property
    def spike_probability(self) -> Tensor:
        """Ones, shape ``(B, J)``."""
        return torch.ones_like(self.loc)

    def gated(self) -> "SpikeAndSlab":
        """The same with gates that are always open."""
        return SpikeAndSlab(torch.full_like(self.loc, OPEN), self.loc, self.scale)


class SpikeAndSlab(Posterior):
    """Independent γ N(μ, s²) + (1−γ) δ₀ with γ = σ(l) (Tonolini et al. 2019, section 3.1).

    Args:
        logits: l, the log-odds that a dimension is on, shape ``(B, J)``.
        loc: μ, the mean of the slab, shape ``(B, J)``.
        scale: s > 0, the standard deviation of the slab, shape ``(B, J)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)
    has_rsample = True
    numbers = 3

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

    def gated(self) -> "SpikeAndSlab":
        """Itself."""
        return self

    def moved(self, steps: Tensor) -> "SpikeAndSlab":
        """Log-odds l + 2a and the slab N(μ + s·b, (s·exp(c))²) of a, b and c, ``(3, B, J)``."""
        loc, scale = self.loc + self.scale * steps[1], self.scale * steps[2].exp()
        return SpikeAndSlab(self.logits + 2 * steps[0], loc, scale)

    def indexed(self, index: Any) -> "SpikeAndSlab":
        """The distribution of parameters that are indexed as tensors are."""
        return SpikeAndSlab(self.logits[index], self.loc[index], self.scale[index])

    def warmed(self, warm_up: Tensor | float) -> "SpikeAndSlab":
        """The same spikes on the slab N(λμ, λs² + 1 − λ); λ = 0 is unit noise, λ = 1 itself.

        Args:
            warm_up: λ in [0, 1], a number or of shape ``()``.
        """
        if isinstance(warm_up, float) and warm_up == 1.0:
            return self
        scale = torch.sqrt(warm_up * self.scale**2 + (1 - warm_up))
        return SpikeAndSlab(self.logits, warm_up * self.loc, scale)

    def draw(
        self, temperature: Tensor | float = 0.5, estimator: Estimator = "straight-through"
    ) -> Drawn:
        """Draw codes and the mask that says which dimensions are on.

        The mask is 1[l + logit η > 0] with η uniform: exactly 0 or 1, a draw of
        Bernoulli(γ). How its gradient reaches l is the estimator's choice:

        - "straight-through": through σ((l + logit η)/τ), the binary concrete relaxation
          (Maddison et al. 2017, appendix B; Jang et al. 2017);
        - "reinmax": as ½|m − γ| at the drawn m, which is exact for a loss that is quadratic
          in the mask (Liu et al. 2023, "Bridging Discrete and Backpropagation");
        - "concrete": the relaxed value itself is the mask.

        Args:
            temperature: τ > 0; "reinmax" has none.
            estimator: how the gradient passes the spike.

        Returns:
            Codes ``mask · (μ + s ε)`` and the mask, both ``(B, J)``.
        """
        noisy = self.logits + self.uniform().logit_()
        hard = (noisy.detach() > 0).to(noisy.dtype)
        if estimator == "reinmax":
            slope = (hard - torch.sigmoid(self.logits.detach())).abs_().mul_(0.5)
            soft = self.logits * slope
        else:
            soft = torch.sigmoid(noisy / temperature)
        mask = soft if estimator == "concrete" else hard + (soft - soft.detach())
        return self.masked(mask)

    def uniform(self) -> Tensor:
        """Noise η ~ U(0, 1) for the spikes, its log-odds finite, shape ``(B, J)``."""
        return torch.rand_like(self.logits).clamp_(CLAMP, 1 - CLAMP)

    def masked(self, mask: Tensor) -> Drawn:
        """Codes ``mask · (μ + s ε)`` with ε ~ N(0, 1), and the mask, both ``(B, J)``."""
        return mask * (self.loc + self.scale * torch.randn_like(self.loc)), mask

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


Draw = Callable[[SpikeAndSlab, Progress, Progress], Drawn]  # of q, temperature τ and progress


def drawn_with(estimator: Estimator) -> Draw:
    """Codes and gates, both ``(B, J)``, by one of the distribution's own estimators."""
    return lambda q, temperature, progress: q.draw(temperature, estimator)


ESTIMATORS: Table[Draw] = Table(
    "estimator",
    {name: drawn_with(name) for name in get_args(Estimator)},
    "sparsevae.models.distributions.ESTIMATORS.register",
)
EstimatorName = Annotated[str, AfterValidator(ESTIMATORS.known)]


class Mixture(NamedTuple):
    """p(z) = Σ_u π_u p_u(z).

    Attributes:
        log_weights: log π, shape ``(U,)``.
        components: batch shape ``(U, J)``.
    """

    log_weights: Tensor
    components: SpikeAndSlab

    @classmethod
    def alone(cls, p: SpikeAndSlab) -> "Mixture":
        """One component, of batch shape ``(J,)``."""
        return cls(p.logits.new_zeros(1), p.indexed(None))


@register_kl(SpikeAndSlab, SpikeAndSlab)
def _kl_spike_and_slab(q: SpikeAndSlab, p: SpikeAndSlab) -> Tensor:
    """γ·KL(N(μ,s²) ‖ N(μ_p,s_p²)) + γ(l − l_p) − softplus(l) + softplus(l_p), per dimension."""
    ratio = q.scale / p.scale
    slab = 0.5 * (ratio**2 + ((q.loc - p.loc) / p.scale) ** 2 - 1) - torch.log(ratio)
    spike = q.spike_probability * (slab + q.logits - p.logits)
    return spike - F.softplus(q.logits) + F.softplus(p.logits)


def pairwise_kl(q: SpikeAndSlab, p: SpikeAndSlab) -> Tensor:
    """KL of each of B spike-and-slabs from each of U, summed over dimensions.

    Args:
        q: batch shape ``(B, J)``.
        p: batch shape ``(U, J)``.

    Returns:
        ``(B, U)`` in nats, single precision at least.
    """
    return kernels.pairwise_divergence((q.logits, q.loc, q.scale), (p.logits, p.loc, p.scale))
