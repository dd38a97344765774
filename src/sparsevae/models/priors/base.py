"""What every prior is, and the priors of models without spikes.

Shape legend: B images in a batch, J latent dimensions, U pseudo-inputs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from sparsevae.errors import ConfigurationError
from sparsevae.models.distributions import Gaussian, Mixture, Posterior
from sparsevae.models.schedules import Progress

RATE_STEP = 0.02  # the most by which a step moves the log of a rate that holds a target
LOG_RATES, CHEAP = (-12.0, 9.0), -4.0
Encode = Callable[[Tensor], Any]  # inputs (U, *shape) to their posterior, (U, J)


class Divergence(NamedTuple):
    """What a prior says of a batch of posteriors.

    Attributes:
        kl: KL(q(z|x) ‖ p(z)) or an upper bound of it, nats per image, shape ``(B,)``.
        spike_probability: γ that the prior expects for each image, shape ``(B, J)``; empty
            for priors without spikes.
    """

    kl: Tensor
    spike_probability: Tensor


class Prior(nn.Module, ABC):
    """p(z), by the divergence of a posterior from it.

    A subclass gives :meth:`kl`, and :meth:`mixture` or :meth:`factors` where it has a density.

    Attributes:
        name: what tables call it.
        bounds: whether reconstruction + kl is a bound on −log p(x).
        independent: whether it is one spike and slab a dimension, :meth:`distribution`.
        has_density: whether :meth:`mixture` gives p(z).
        least_spike: the smallest spike probability that it can expect.
    """

    name: str
    bounds: bool = True
    independent: bool = False
    has_density: bool = False
    least_spike: float = 0.0

    @abstractmethod
    def kl(self, posterior: Any, x: Tensor, encoder: Encode, progress: Progress) -> Divergence:
        """KL(q(z|x) ‖ p(z)) for a batch.

        Args:
            posterior: q(z|x), batch shape ``(B, J)``.
            x: the batch, shape ``(B, *shape)``.
            encoder: gives the posterior of other inputs, with the warm-up of ``progress``.
            progress: how far training has come, in [0, 1].
        """

    def distribution(self, progress: Progress) -> Any:
        """p(z) of an independent prior, a spike and slab of batch shape ``(J,)``.

        Raises:
            ConfigurationError: its dimensions are not independent.
        """
        raise ConfigurationError(f"The dimensions of the prior {self.name!r} are not independent.")

    def start(self, loc: Tensor, scale: Tensor) -> None:
        """Where slabs or thresholds start, each ``(J,)``; a prior with neither stays as it is."""
        return

    def mixture(self, encoder: Encode) -> Mixture:
        """p(z) after training (progress 1), as a mixture of spike-and-slabs.

        Args:
            encoder: as in :meth:`kl`.

        Raises:
            ConfigurationError: the prior has no density.
        """
        raise ConfigurationError(
            f"Codes cannot be drawn from the prior {self.name!r}; encode data instead."
        )

    def factors(self) -> Posterior | None:
        """p(z) after training, where it is no mixture but one of the posterior's own class.

        It draws and scores codes as posteriors of that class do, batch shape ``(J,)``.
        """
        return None

    @property
    def can_draw(self) -> bool:
        """Whether p(z) is known, as :meth:`mixture` or :meth:`factors`, and codes can be drawn."""
        return self.has_density or self.factors() is not None

    def update(self, active: Tensor) -> None:
        """Move what the prior holds at a target, once a step; most hold nothing.

        Args:
            active: mean over images of the number of dimensions that are on, 0-d.
        """

    def perplexity(self, x: Tensor | None = None) -> float | None:
        """How many of its components are in use, between 1 and U; None for no mixture.

        Args:
            x: rows to average over where the weights depend on them, shape ``(B, *shape)``.
        """
        return None


class NoPrior(Prior):
    """For deterministic codes: the divergence is 0 and bounds nothing."""

    name = "none"
    bounds = False

    def kl(
        self, posterior: Posterior, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Zeros, shape ``(B,)``."""
        return Divergence(x.new_zeros(len(x)), x.new_zeros(len(x), 0))


class Laplace(Prior):
    """p(z) ∝ exp(−r·Σ_j |z_j|), for a code that is a point.

    The divergence of a point is infinite. What stands in its place is −log p(z) up to a constant,
    so that the loss is that of the most likely code; it bounds nothing.

    Args:
        target_active: how many dimensions should be on an image: every step raises log r while
            more are on, else lowers it, from a low start: dimensions that a high price shuts
            for all images would stay shut. None leaves r at 1.
    """

    name = "laplace"
    bounds = False
    log_rate: Tensor

    def __init__(self, target_active: float | None = None) -> None:
        super().__init__()
        self.target_active = target_active
        kept = target_active is not None  # weights of runs without a target have no rate
        self.register_buffer("log_rate", torch.tensor(CHEAP if kept else 0.0), persistent=kept)

    def kl(
        self, posterior: Posterior, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """r·Σ_j |z_j|, shape ``(B,)``."""
        size = posterior.loc.abs().sum(-1)
        return Divergence(self.log_rate.exp() * size, x.new_zeros(len(x), 0))

    @torch.no_grad()
    def update(self, active: Tensor) -> None:
        """One step of log r towards the target."""
        if self.target_active is not None:
            error = (active / self.target_active - 1).clamp(-1.0, 1.0)
            self.log_rate.add_(RATE_STEP * error).clamp_(*LOG_RATES)


class StandardNormal(Prior):
    """p(z) = N(0, I).

    Args:
        latents: J.
    """

    name = "standard normal"
    has_density = True
    zeros: Tensor

    def __init__(self, latents: int) -> None:
        super().__init__()
        self.register_buffer("zeros", torch.zeros(latents), persistent=False)

    def kl(
        self, posterior: Posterior, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j KL(N(μ_j, s_j²) ‖ N(0, 1)) in closed form."""
        standard = Normal(0.0, 1.0, validate_args=False)
        return Divergence(kl_divergence(posterior, standard).sum(-1), x.new_zeros(len(x), 0))

    def mixture(self, encoder: Encode) -> Mixture:
        """One component with gates that are always open."""
        return Mixture.alone(Gaussian(self.zeros, torch.ones_like(self.zeros)).gated())
