"""Priors over codes, and the divergence of a posterior from them.

Every prior has the one signature ``kl(posterior, x, encoder, progress)``. A prior never
holds the encoder: where it needs one (pseudo-inputs), the caller passes it.

Shape legend: B images in a batch, J latent dimensions, U pseudo-inputs.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Normal, kl_divergence

from sparsevae.distributions import SpikeAndSlab, pairwise_kl
from sparsevae.errors import ConfigurationError
from sparsevae.schedules import Constant, Progress, Schedule

Encode = Callable[[Tensor], Any]  # inputs (U, *shape) to their posterior, (U, J)
SparsePrior = Literal["fixed", "learned", "mixture"]
TARGET_ACTIVE = 8


def default_alpha(latents: int, target_active: float = TARGET_ACTIVE) -> float:
    """α = min(½, target/J): on average ``target`` dimensions are on.

    Example:
        >>> default_alpha(64), default_alpha(2)
        (0.125, 0.5)
    """
    return min(0.5, target_active / latents)


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

    Attributes:
        name: what tables call it.
    """

    name: ClassVar[str]

    @abstractmethod
    def kl(self, posterior: Any, x: Tensor, encoder: Encode, progress: Progress) -> Divergence:
        """KL(q(z|x) ‖ p(z)) for a batch.

        Args:
            posterior: q(z|x), batch shape ``(B, J)``.
            x: the batch, shape ``(B, *shape)``.
            encoder: gives the posterior of other inputs, with the warm-up of ``progress``.
            progress: how far training has come, in [0, 1].
        """


class NoPrior(Prior):
    """For deterministic codes: the divergence is 0."""

    name = "none"

    def kl(
        self, posterior: Distribution, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Zeros, shape ``(B,)``."""
        return Divergence(x.new_zeros(len(x)), x.new_zeros(len(x), 0))


class StandardNormal(Prior):
    """p(z) = N(0, I)."""

    name = "standard normal"

    def kl(
        self, posterior: Distribution, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j KL(N(μ_j, s_j²) ‖ N(0, 1)) in closed form."""
        standard = Normal(0.0, 1.0, validate_args=False)
        return Divergence(kl_divergence(posterior, standard).sum(-1), x.new_zeros(len(x), 0))


class FixedSpikeAndSlab(Prior):
    """p(z) = Π_j [α N(0, 1) + (1−α) δ₀] (Tonolini et al., first version of the paper).

    Args:
        latents: J.
        alpha: α in (0, 1), the probability that a dimension is on.
    """

    name = "fixed"
    logits: Tensor

    def __init__(self, latents: int, alpha: float) -> None:
        super().__init__()
        self.register_buffer("logits", torch.full((latents,), math.log(alpha / (1 - alpha))))

    def kl(
        self, posterior: SpikeAndSlab, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j KL(q_j ‖ p_j); warm-up leaves this prior as it is, for its slab is N(0, 1)."""
        zero = torch.zeros_like(self.logits)
        prior = SpikeAndSlab(self.logits, zero, torch.ones_like(zero))
        expected = prior.spike_probability.expand(len(x), -1)
        return Divergence(kl_divergence(posterior, prior).sum(-1), expected)


class LearnedSpikeAndSlab(Prior):
    """p(z) = Π_j [γ_j N(μ_j, s_j²) + (1−γ_j) δ₀] with one trained triple per dimension.

    Args:
        latents: J.
        alpha: where every γ_j starts, in (0, 1).
        warm_up: λ as a function of progress; it acts on this slab as on the posterior's.
    """

    name = "learned"

    def __init__(self, latents: int, alpha: float, warm_up: Schedule = Constant(1.0)) -> None:
        super().__init__()
        self.logits = nn.Parameter(torch.full((latents,), math.log(alpha / (1 - alpha))))
        self.loc = nn.Parameter(torch.zeros(latents))
        self.log_scale = nn.Parameter(torch.zeros(latents))
        self.warm_up = warm_up

    def kl(
        self, posterior: SpikeAndSlab, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j KL(q_j ‖ p_j) in closed form."""
        prior = SpikeAndSlab(self.logits, self.loc, self.log_scale.exp())
        prior = prior.warmed(self.warm_up(progress))
        expected = prior.spike_probability.expand(len(x), -1)
        return Divergence(kl_divergence(posterior, prior).sum(-1), expected)


class PseudoInputMixture(Prior):
    """p(z) = Σ_u π_u Π_j p_uj(z_j), where p_u is the posterior of the trained image u.

    The variational bound needs a posterior w(x) of u: KL = Σ_u w_u [KL_u + log w_u − log π_u]
    with KL_u = KL(q(z|x) ‖ p_u). The best choice w ∝ π_u exp(−KL_u) gives
    −logsumexp_u(log π_u − KL_u) and needs no classifier.

    Args:
        pseudo_inputs: U images or vectors with values in [0, 1], shape ``(U, *shape)``;
            they are trained from there and kept in [0, 1].
    """

    name = "mixture"

    def __init__(self, pseudo_inputs: Tensor) -> None:
        super().__init__()
        self.pseudo_inputs = nn.Parameter(pseudo_inputs.clone())
        self.log_odds = nn.Parameter(torch.zeros(len(pseudo_inputs)))

    @property
    def log_weights(self) -> Tensor:
        """Log π, shape ``(U,)``."""
        return torch.log_softmax(self.log_odds, 0)

    @property
    def perplexity(self) -> Tensor:
        """Exponential of the entropy of π: how many pseudo-inputs are in use, between 1 and U."""
        return torch.exp(-(self.log_weights.exp() * self.log_weights).sum())

    def components(self, encoder: Encode) -> SpikeAndSlab:
        """p_u for every pseudo-input, batch shape ``(U, J)``."""
        inside = self.pseudo_inputs.clamp(0.0, 1.0)
        found: SpikeAndSlab = encoder(self.pseudo_inputs + (inside - self.pseudo_inputs).detach())
        return found

    def kl(
        self, posterior: SpikeAndSlab, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """−logsumexp_u(log π_u − KL_u), a bound on KL(q ‖ p); the encoder brings its λ."""
        components = self.components(encoder)
        scores = self.log_weights - pairwise_kl(posterior, components)  # (B, U)
        weights = torch.softmax(scores, 1)
        return Divergence(-torch.logsumexp(scores, 1), weights @ components.spike_probability)


def sparse(
    name: SparsePrior, latents: int, alpha: float, warm_up: Schedule, pseudo_inputs: Tensor
) -> Prior:
    """The prior of a spike-and-slab model by its name.

    Raises:
        ConfigurationError: an unknown name, or α outside (0, 1).
    """
    if not 0.0 < alpha < 1.0:
        raise ConfigurationError(f"alpha is a share between 0 and 1, both excluded; got {alpha}.")
    match name:
        case "fixed":
            return FixedSpikeAndSlab(latents, alpha)
        case "learned":
            return LearnedSpikeAndSlab(latents, alpha, warm_up)
        case "mixture":
            return PseudoInputMixture(pseudo_inputs)
    raise ConfigurationError(
        f"A prior is one of {', '.join(get_args(SparsePrior))}, not {name!r}."
    )
