"""A spike and slab whose later dimensions are on less often: α_j = α / (j + 1)."""

import torch
from torch.distributions import kl_divergence

from sparsevae.models import VSC, Row, priors, register
from sparsevae.models.distributions import Mixture, SpikeAndSlab


class Falling(priors.Prior):
    """p(z) = Π_j [α_j N(0, 1) + (1−α_j) δ₀]."""

    name = "falling"
    has_density = True

    def __init__(self, latents, alpha):
        super().__init__()
        self.register_buffer("logits", torch.logit(alpha / torch.arange(1.0, latents + 1)))

    def slab(self):
        return SpikeAndSlab(
            self.logits, torch.zeros_like(self.logits), torch.ones_like(self.logits)
        )

    def kl(self, posterior, x, encoder, progress):
        p = self.slab()
        expected = p.spike_probability.expand(len(x), -1)
        return priors.Divergence(kl_divergence(posterior, p).sum(-1), expected)

    def mixture(self, encoder):
        return Mixture.alone(self.slab())


priors.register("falling", lambda given: Falling(given.latents, given.alpha))
register("toy-prior", Row("VSC, falling", VSC, {"prior": "falling", "penalty": "prior"}))
