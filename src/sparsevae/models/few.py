"""A spike and slab of thousands of dimensions, of which a row opens the likeliest gates alone.

With a linear trunk the log-odds of all J gates cost one matrix product. In a training step all but
the K largest of a row are shut: their posterior is δ₀, their KL is −log(1 − γ_p), and no code,
noise or gradient is needed for them. Such a truncated spike and slab is a posterior like another,
so the loss is a bound, and draws, divergences and the decoder cost K a row in place of J. What is
measured is a spike and slab over all J, in which the gates of the others have γ = 3e-7.

Shape legend: B rows in a batch, J latent dimensions, K candidates a row.
"""

import math
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from sparsevae.models.base import Terms, open_gates
from sparsevae.models.distributions import SpikeAndSlab
from sparsevae.models.schedules import Progress
from sparsevae.networks.dictionary import SharedHeads
from sparsevae.networks.trunks import LEAST_SPREAD

if TYPE_CHECKING:
    from sparsevae.models.vsc import VSC

CANDIDATES_AN_OPEN_GATE, MORE = 2, 4
SLAB_ABOVE = 0.4  # deviations of a feature, from its threshold to the prior's slab
SLAB_WIDTH = 0.37  # of the posterior at the start, deviations of the feature
NEVER = -1e3  # log-odds before they are bounded


def enough(target: float) -> int:
    """K for a number of gates that should be open."""
    return math.ceil(CANDIDATES_AN_OPEN_GATE * target) + MORE


def candidates(
    model: "VSC", x: Tensor, progress: Progress, count: int
) -> tuple[SpikeAndSlab, Tensor]:
    """The posterior of the likeliest gates and which they are, each ``(B, K)``.

    Args:
        model: with a linear trunk.
        x: rows, shape ``(B, *shape)``.
        progress: in [0, 1].
        count: K.
    """
    heads = cast(SharedHeads, model.encoder.head)
    features = heads.features(model.encoder.trunk(x))
    with torch.no_grad():
        every = features * heads.gain[0] + heads.shift[0]
        chosen = every.topk(count, dim=1, sorted=False).indices
    numbers = heads.numbers(features.gather(1, chosen), chosen)
    logits, loc, log_variance = numbers
    return model.spike_and_slab(logits, loc, log_variance, progress), chosen


def others_shut(logits: Tensor, count: int) -> Tensor:
    """Log-odds ``(B, J)``, all but the K largest of a row where a gate is never open."""
    least = logits.topk(count, dim=-1).values[..., -1:]
    return torch.where(logits >= least, logits, torch.full_like(logits, NEVER))


def loss(model: "VSC", x: Tensor, progress: Progress, count: int) -> Terms:
    """The terms of the loss of a truncated spike and slab; K = J gives those of the whole one.

    Args:
        model: with a linear trunk and an independent prior.
        x: rows, shape ``(B, *shape)``.
        progress: in [0, 1].
        count: K.
    """
    q, chosen = candidates(model, model.corrupted(x), progress, count)
    z, seen, places = model.drawn(q, progress).float(), model.repeated(x), model.repeated(chosen)

    def missed(codes: Tensor) -> Tensor:
        return -model.likelihood_of(model.decoder.of_few(codes, places)).log_prob(seen)

    nested = sum(
        (missed(z * (places < first)).mean() for first in model.prefixes), x.new_zeros(())
    )
    p: SpikeAndSlab = model.prior.distribution(progress)
    shut = F.softplus(p.logits)  # −log(1 − γ_p), shape (J,)
    kl = (kl_divergence(q, p.indexed(chosen)) - shut[chosen]).sum(1) + shut.sum()
    gamma = q.spike_probability
    mean = gamma.new_zeros(model.latents).index_add(0, chosen.flatten(), gamma.flatten()) / len(x)
    penalty = model.sparsity_penalty(mean[None], p.spike_probability[None], progress)
    weight = model.kl_weight(progress)
    reconstruction = missed(z).view(-1, len(x)).mean(0)
    return Terms(reconstruction, kl, penalty + nested, weight, mean.detach(), open_gates(gamma))


@torch.no_grad()
def start(model: "VSC", examples: Tensor, share: float) -> None:
    """Start gates, slabs and the prior where a share of the examples opens every gate.

    The encoder is the dictionary's transpose. Were a feature normal over the rows, its gate would
    be open for that share of them, so no dimension starts dead; the log-odds rise by 1 a
    deviation of the feature, μ_j = u_j, and the prior's slab lies above the threshold.

    Args:
        model: with a linear trunk.
        examples: rows, shape ``(N, *shape)``.
        share: α.
    """
    heads = cast(SharedHeads, model.encoder.head)
    features = model.paired_up(examples)
    mean, spread = features.mean(0), features.std(0, correction=0).clamp_min(LEAST_SPREAD)
    above = float(Normal(0.0, 1.0).icdf(torch.tensor(1 - share)))
    heads.gain[0] = 1 / spread
    heads.shift[0] = -(mean + above * spread) / spread
    heads.gain[2] = 0.0
    heads.shift[2] = 2 * (SLAB_WIDTH * spread).log()
    model.prior.start(mean + (above + SLAB_ABOVE) * spread, spread)
