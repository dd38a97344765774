"""Sparsity penalties: terms of the objective that are no part of the bound.

Shape legend: B images in a batch, J latent dimensions.
"""

from typing import Literal

import torch
from torch import Tensor, nn

Penalised = Literal["none", "posterior", "prior"]


def bernoulli_kl(rate: Tensor, alpha: Tensor | float) -> Tensor:
    """KL(Bernoulli(rate) ‖ Bernoulli(alpha)), elementwise, in nats.

    Args:
        rate: in [0, 1]; the limits 0 and 1 are finite.
        alpha: in (0, 1).
    """
    alpha = torch.as_tensor(alpha, dtype=rate.dtype, device=rate.device)
    on = torch.xlogy(rate, rate) - rate * torch.log(alpha)
    off = torch.xlogy(1 - rate, 1 - rate) - (1 - rate) * torch.log1p(-alpha)
    return on + off


def activity_kl(spike_probability: Tensor, alpha: Tensor | float) -> Tensor:
    """Σ_j KL(Bernoulli(γ̄_j) ‖ Bernoulli(α)), γ̄_j the mean over images.

    A dimension that is always on costs −log α, one that is always off −log(1−α). The mean
    over a batch of B images biases the value up by about J/(2B) nats.

    Args:
        spike_probability: γ, shape ``(B, J)``.
        alpha: the share of images for which a dimension should be on.

    Returns:
        A 0-d tensor, nats.
    """
    return bernoulli_kl(spike_probability.mean(0).clamp(1e-6, 1 - 1e-6), alpha).sum()


class ActivityPenalty(nn.Module):
    """ρ·Σ_j KL(γ̄_j ‖ α), on the posterior's spikes, on the prior's, or on none.

    Args:
        on: whose spike probabilities are averaged; "none" gives 0.
        alpha: α in (0, 1).
        weight: ρ.
    """

    def __init__(self, on: Penalised = "none", alpha: float = 0.5, weight: float = 1.0) -> None:
        super().__init__()
        self.on, self.alpha, self.weight = on, alpha, weight

    def forward(self, posterior: Tensor, prior: Tensor) -> Tensor:
        """The penalty in nats, 0-d.

        Args:
            posterior: spike probabilities of a batch, shape ``(B, J)``.
            prior: those that the prior expects for the same images, shape ``(B, J)``.
        """
        if self.on == "none":
            return posterior.new_zeros(())
        spikes = posterior if self.on == "posterior" else prior
        return self.weight * activity_kl(spikes, self.alpha)
