"""Independent Laplace distributions, heavier in the tails than a Gaussian."""

import math

import torch
from torch.distributions import Laplace, Normal
from torch.distributions.kl import register_kl

from sparsevae.models.distributions import OPEN, Posterior, SpikeAndSlab


class Peaked(Posterior, Laplace):
    """Laplace(μ, b)."""

    def __init__(self, loc, scale):
        Laplace.__init__(self, loc, scale, validate_args=False)

    @property
    def code(self):
        return self.loc

    @property
    def spike_probability(self):
        return torch.ones_like(self.loc)

    def gated(self):
        return SpikeAndSlab(torch.full_like(self.loc, OPEN), self.loc, math.sqrt(2) * self.scale)


@register_kl(Peaked, Normal)
def _(q, p):
    """E[(z − μ_p)²]/2s_p² + log s_p + ½ log 2π − 1 − log 2b."""
    spread = ((q.loc - p.loc) ** 2 + 2 * q.scale**2) / (2 * p.scale**2)
    return spread + torch.log(p.scale) + 0.5 * math.log(2 * math.pi) - 1 - torch.log(2 * q.scale)
