"""Spike-and-slab priors with independent dimensions: fixed once and for all, or learned.

Shape legend: B images in a batch, J latent dimensions.
"""

import math

import torch
from torch import Tensor, nn
from torch.distributions import kl_divergence

from sparsevae.models.distributions import Mixture, SpikeAndSlab
from sparsevae.models.priors.base import Divergence, Encode, Prior
from sparsevae.models.schedules import Constant, Progress, Schedule, scaled_share


class FixedSpikeAndSlab(Prior):
    """p(z) = Π_j [α N(0, 1) + (1−α) δ₀] (Tonolini et al. 2019, first version of the paper).

    Args:
        latents: J.
        alpha: α in (0, 1), the probability that a dimension is on.
        alpha_factor: what α is multiplied by over progress, α up to ½.
    """

    name = "fixed"
    independent = True
    has_density = True
    logits: Tensor

    def __init__(self, latents: int, alpha: float, alpha_factor: Schedule = Constant(1.0)) -> None:
        super().__init__()
        self.alpha_factor = alpha_factor
        self.register_buffer("logits", torch.full((latents,), math.log(alpha / (1 - alpha))))

    def distribution(self, progress: Progress) -> SpikeAndSlab:
        """p(z), batch shape ``(J,)``; warm-up leaves it as it is, for its slab is N(0, 1)."""
        zero, alpha = torch.zeros_like(self.logits), torch.sigmoid(self.logits)
        alpha = scaled_share(alpha, self.alpha_factor(progress))
        return SpikeAndSlab(torch.logit(alpha), zero, torch.ones_like(zero))

    def kl(
        self, posterior: SpikeAndSlab, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j KL(q_j ‖ p_j) in closed form."""
        return _divergence(posterior, self.distribution(progress))

    def mixture(self, encoder: Encode) -> Mixture:
        """One component."""
        return Mixture.alone(self.distribution(1.0))


class LearnedSpikeAndSlab(Prior):
    """p(z) = Π_j [γ_j N(μ_j, s_j²) + (1−γ_j) δ₀] with one trained triple per dimension.

    Where γ_j is trained, a gate that is open often becomes cheap to open, and one that is shut for
    a while becomes dear. Among thousands of dimensions some then stand for several features at
    once and others for none. With one γ for all, every gate costs the same.

    Args:
        latents: J.
        alpha: where every γ_j starts, in (0, 1).
        warm_up: λ as a function of progress; it acts on this slab as on the posterior's.
        spikes: whether γ_j is trained; otherwise it stays at α.
    """

    name = "learned"
    independent = True
    has_density = True

    def __init__(
        self,
        latents: int,
        alpha: float,
        warm_up: Schedule = Constant(1.0),
        *,
        spikes: bool = True,
    ) -> None:
        super().__init__()
        logits = torch.full((latents,), math.log(alpha / (1 - alpha)))
        if spikes:
            self.logits: Tensor = nn.Parameter(logits)
        else:
            self.name = "learned-slab"
            self.register_buffer("logits", logits)
        self.loc = nn.Parameter(torch.zeros(latents))
        self.log_scale = nn.Parameter(torch.zeros(latents))
        self.warm_up = warm_up

    @torch.no_grad()
    def start(self, loc: Tensor, scale: Tensor) -> None:
        """Put every slab at N(loc_j, scale_j²), each ``(J,)``."""
        self.loc.copy_(loc)
        self.log_scale.copy_(scale.log())

    def distribution(self, progress: Progress) -> SpikeAndSlab:
        """p(z), batch shape ``(J,)``."""
        prior = SpikeAndSlab(self.logits, self.loc, self.log_scale.exp())
        return prior.warmed(self.warm_up(progress))

    def kl(
        self, posterior: SpikeAndSlab, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j KL(q_j ‖ p_j) in closed form."""
        return _divergence(posterior, self.distribution(progress))

    def mixture(self, encoder: Encode) -> Mixture:
        """One component."""
        return Mixture.alone(self.distribution(1.0))


def _divergence(q: SpikeAndSlab, p: SpikeAndSlab) -> Divergence:
    """The closed form, and the prior's spike probability for every image."""
    return Divergence(kl_divergence(q, p).sum(-1), p.spike_probability.expand(len(q.loc), -1))
