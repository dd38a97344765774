"""Sparsity penalties: terms of the objective that are no part of the bound.

Shape legend: B images in a batch, J latent dimensions.
"""

from collections.abc import Callable
from typing import Annotated, Literal

import torch
from pydantic import AfterValidator
from torch import Tensor, nn

from sparsevae.models.schedules import Constant, Progress, Schedule, scaled_share
from sparsevae.models.tables import Table

Penalised = Literal["none", "posterior", "prior"]
Held = Literal["probabilities", "gates", "count"]
LOWEST_RATE = 1e-7  # mean activities stay this far from 0 and 1, so that gradients are finite
DUAL_RATE = {"probabilities": 0.01, "gates": 0.1, "count": 0.01}
"""Nats: the most by which a step moves the multiplier, by what it holds, where nothing is said. A
count of gates answers to it at once, a sum of probabilities later."""
STEPS_TO_ENDS = {"probabilities": (-400, 1200), "gates": (-120, 120), "count": (-400, 1200)}
"""Of the multiplier: −4, of gates −12, and 12 nats an open gate at those rates."""
NEAR_HALF, UNDECIDED = 0.45, (1.0, 4.0)
"""For the sake of a count of gates Σ_j γ̄_j may be 0.45·J, within 1 and 4 times the target."""
COUNT_RATE, LARGEST_FACTOR = 0.002, 16.0  # of what a count moves, by at most e^rate a step


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
    return bernoulli_kl(spike_probability.mean(0).clamp(LOWEST_RATE, 1 - LOWEST_RATE), alpha).sum()


def activity_distance(spike_probability: Tensor, alpha: Tensor | float) -> Tensor:
    """Σ_j KL(γ̄_j ‖ α) + KL(α ‖ γ̄_j) = Σ_j (γ̄_j − α)(logit γ̄_j − logit α), γ̄_j as above.

    Unlike either divergence it grows towards both 0 and 1, and the pull on the log-odds of a gate
    that sinks does not vanish but tends to α. The log-odds of :class:`sparsevae.models.VSC` are
    bounded so that no mean comes near 1e-7, where it is clamped, and the pull reaches them.

    Args:
        spike_probability: γ, shape ``(B, J)``.
        alpha: the share of images for which a dimension should be on.

    Returns:
        A 0-d tensor, nats.
    """
    rate = spike_probability.mean(0).clamp(LOWEST_RATE, 1 - LOWEST_RATE)
    alpha = torch.as_tensor(alpha, dtype=rate.dtype, device=rate.device)
    return ((rate - alpha) * (torch.logit(rate) - torch.logit(alpha))).sum()


DISTANCES: Table[Callable[[Tensor, Tensor | float], Tensor]] = Table(
    "penalty distance",
    {"symmetric": activity_distance, "kl": activity_kl},
    "sparsevae.models.penalties.DISTANCES.register",
)
Distance = Annotated[str, AfterValidator(DISTANCES.known)]


class ActivityPenalty(nn.Module):
    """ρ·Σ_j d(γ̄_j, α) + ν·(Σ_j γ̄_j − target), on the posterior's spikes, or on the prior's.

    The first term wants every dimension to be on equally often. ν is the multiplier of the
    constraint Σ_j γ̄_j = target, nats an open gate; :meth:`update` is a gradient step on it.

    Args:
        on: whose spike probabilities are averaged; "none" gives 0.
        alpha: α in (0, 1).
        weight: ρ over progress.
        target_active: how many dimensions should be on an image; None leaves out the multiplier.
        distance: d, a row of :data:`DISTANCES`.
        alpha_factor: what α and the target are multiplied by over progress, α up to ½.
        held: what the multiplier brings to the target: Σ_j γ̄_j ("probabilities"), or how many
            gates are open, γ > ½, as in the deterministic code ("gates"). With thousands of
            dimensions many small γ add up to a sum that no open gate stands for. Gates that are
            all near ½ would open and shut together at a price for their count, so Σ_j γ̄_j is
            kept below what :data:`UNDECIDED` says. "count" holds Σ_j γ̄_j at a number that
            moves slowly until as many gates are open as there should be.
        dual_rate: nats, the most by which a step moves the multiplier; None takes
            :data:`DUAL_RATE`. Its ends, :data:`STEPS_TO_ENDS` away, are as far as rows of many
            elements need.
    """

    alpha: Tensor
    price: Tensor  # ν, under the name that stored weights have
    factor: Tensor  # of the sum that a count is brought about by

    def __init__(
        self,
        on: Penalised = "none",
        alpha: float = 0.5,
        weight: Schedule = Constant(1.0),
        target_active: float | None = None,
        distance: Distance = "kl",
        alpha_factor: Schedule = Constant(1.0),
        held: Held = "probabilities",
        dual_rate: float | None = None,
    ) -> None:
        super().__init__()
        self.dual_rate = DUAL_RATE[held] if dual_rate is None else dual_rate
        self.on, self.weight, self.target_active = on, weight, target_active
        self.held = held
        self.alpha_factor = alpha_factor
        self.distance = DISTANCES.row(distance)
        self.register_buffer("alpha", torch.tensor(alpha))
        self.register_buffer("price", torch.tensor(0.0))
        if held == "count":
            self.register_buffer("factor", torch.tensor(1.0))

    def forward(self, posterior: Tensor, prior: Tensor, progress: Progress = 1.0) -> Tensor:
        """The penalty in nats, 0-d.

        Args:
            posterior: spike probabilities of a batch, shape ``(B, J)``.
            prior: those that the prior expects for the same images, shape ``(B, J)``.
            progress: how far training has come, in [0, 1].
        """
        if self.on == "none":
            return posterior.new_zeros(())
        spikes = posterior if self.on == "posterior" else prior
        alpha = self.alpha_at(progress)
        penalty: Tensor = self.weight(progress) * self.distance(spikes, alpha)
        if self.target_active is None:
            return penalty
        target = self.target_at(progress)
        return penalty + self.price * (spikes.sum(1).mean() - target)

    def alpha_at(self, progress: Progress) -> Tensor:
        """α·factor, at most ½ where the factor is above 1, 0-d."""
        return scaled_share(self.alpha, self.alpha_factor(progress))

    def target_at(self, progress: Progress) -> Tensor:
        """The target of a moment, which moves in proportion to that moment's α, 0-d.

        Args:
            progress: in [0, 1].
        """
        assert self.target_active is not None
        return self.target_active * self.alpha_at(progress) / self.alpha

    @classmethod
    def holding(
        cls, share: float, latents: int, held: Held = "probabilities"
    ) -> "ActivityPenalty":
        """The multiplier alone: so many of the posterior's gates on, and no wish for which ones.

        Args:
            share: of the J dimensions that should be on.
            latents: J.
            held: as above.
        """
        return cls("posterior", share, Constant(0.0), share * latents, held=held)

    @torch.no_grad()
    def update(
        self, active: Tensor, progress: Progress = 1.0, opened: Tensor | None = None
    ) -> None:
        """Raise the multiplier while more dimensions are on than the target says, else lower it.

        Args:
            active: mean over images of Σ_j γ_j of the posterior, 0-d.
            progress: how far training has come, in [0, 1].
            opened: mean over images of how many gates are open, 0-d; ``active`` when None.
        """
        if self.target_active is None or self.on == "none":
            return
        target = self.target_at(progress)
        count = active
        if self.held == "gates" and opened is not None:
            most = (NEAR_HALF / self.alpha).clamp(*UNDECIDED)
            count = torch.maximum(opened, active / most)
        if self.held == "count" and opened is not None:
            off = (opened / target - 1).clamp(-1.0, 1.0)
            self.factor.mul_(torch.exp(-COUNT_RATE * off))
            self.factor.clamp_(1 / LARGEST_FACTOR, LARGEST_FACTOR)
            target = target * self.factor
        error = (count / target - 1).clamp(-1.0, 1.0)
        low, high = (self.dual_rate * steps for steps in STEPS_TO_ENDS[self.held])
        self.price.add_(self.dual_rate * error).clamp_(low, high)
