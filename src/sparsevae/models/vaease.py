"""A VAE whose decoder sees a code the less, the less sure the encoder is of it."""

from typing import Any, Unpack

import torch
from torch import Tensor
from torch.distributions import constraints

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import OPEN, Posterior, SpikeAndSlab
from sparsevae.models.priors import Divergence, Encode, Prior
from sparsevae.models.schedules import Progress
from sparsevae.networks.trunks import Shape

LEAST = -20.0  # of log s²


class Eased(Posterior):
    """The law of (1−s)·u with u ~ N(μ, s²) and s ≤ 1; exactly 0 where s = 1.

    Args:
        mu: μ, shape ``(B, J)``.
        log_variance: log s² ≤ 0, shape ``(B, J)``.
    """

    arg_constraints: dict[str, constraints.Constraint] = {}  # noqa: RUF012 (torch's own hook)
    has_rsample = True

    def __init__(self, mu: Tensor, log_variance: Tensor) -> None:
        self.mu, self.log_variance = mu, log_variance
        s = (0.5 * log_variance).exp()
        self.loc, self.scale = (1 - s) * mu, (1 - s) * s
        super().__init__(mu.shape, validate_args=False)

    def rsample(self, sample_shape: Any = torch.Size()) -> Tensor:
        """(1−s)(μ + sε), shape ``sample_shape + (B, J)``."""
        noise = torch.randn(self._extended_shape(sample_shape), device=self.loc.device)
        return self.loc + self.scale * noise

    @property
    def mean(self) -> Tensor:
        """(1−s)μ, shape ``(B, J)``."""
        return self.loc

    @property
    def code(self) -> Tensor:
        """(1−s)μ, shape ``(B, J)``."""
        return self.loc

    @property
    def spike_probability(self) -> Tensor:
        """1 where s < 1, else 0; without a gradient, shape ``(B, J)``."""
        return (self.log_variance < 0).to(self.loc.dtype)

    def gated(self) -> SpikeAndSlab:
        """The same with gates that are always open or always shut."""
        return SpikeAndSlab(OPEN * (2 * self.spike_probability - 1), self.loc, self.scale)


class EasedNormal(Prior):
    """N(0, I) for u, of which the decoder sees (1−s(x))·u: no density of what is decoded."""

    name = "vaease"
    bounds = False

    def kl(self, posterior: Eased, x: Tensor, encoder: Encode, progress: Progress) -> Divergence:
        """½ Σ_j (s² + μ² − log s² − 1), shape ``(B,)``."""
        log_variance, mu = posterior.log_variance, posterior.mu
        kl = 0.5 * (log_variance.exp() + mu**2 - log_variance - 1).sum(-1)
        return Divergence(kl, x.new_zeros(len(x), 0))


class VAEase(Model):
    """log s² = min(−a, 0) for an encoder that gives μ and a (Lu, Zhu, He and Wipf 2025):

        loss = −log p(x | (1−s) u) + ½ Σ_j (s² + μ² − log s² − 1),  u = μ + s ε.

    What is decoded depends on x through s too, and the divergence is that of u: **no bound**.
    A dimension with s = 1 is exactly 0; every other counts as on here. One with a ≤ 0 for all
    images would learn nothing, so the outputs of the encoder start with mean 0 and variance 1.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        examples: inputs that standardise the encoder at the start; None leaves it as drawn.
        **common: see :class:`Model`.
    """

    has_gates = True

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(shape, latents, outputs=2, prior=EasedNormal(), **common)
        if examples is not None:
            self.encoder.standardise(examples)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Eased:
        """The law of what is decoded, batch shape ``(B, J)``."""
        mu, a = self.encoder(x).chunk(2, dim=-1)
        return Eased(mu, (-a).clamp(LEAST, 0.0))
