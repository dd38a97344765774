"""A VAE whose sparse map belongs to the decoder: a latent is off below a level."""

from statistics import NormalDist
from typing import Unpack

import torch
from torch import Tensor, nn

from sparsevae.models.base import Common, Model
from sparsevae.models.peers import CutNormal
from sparsevae.models.penalties import ActivityPenalty
from sparsevae.models.priors import Divergence, Encode, Prior, Target, default_alpha
from sparsevae.models.schedules import Constant, Progress
from sparsevae.networks.trunks import Shape

REACH = 10.0  # of log s², either way
LEAST = 0.1  # of a level at the start


class CutStandardNormal(Prior):
    """p(z): the law of y·1[y > t] with y ~ N(0, I) and a trained level t_j.

    Args:
        latents: J.
        share: of a dimension's values that lie above t at the start, at most ½.
    """

    name = "cut normal"

    def __init__(self, latents: int, share: float) -> None:
        super().__init__()
        start = max(LEAST, NormalDist().inv_cdf(1 - share))
        self.raw = nn.Parameter(torch.full((latents,), start))

    @property
    def level(self) -> Tensor:
        """T = |raw|, shape ``(J,)``."""
        return self.raw.abs()

    def kl(
        self, posterior: CutNormal, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j of the closed form, shape ``(B,)``."""
        kl = posterior.kl_from_standard().clamp_min(0.0).sum(-1)
        return Divergence(kl, self.factors().spike_probability.expand(len(x), -1))

    def factors(self) -> CutNormal:
        """The prior itself, batch shape ``(J,)``."""
        zero = torch.zeros_like(self.raw)
        return CutNormal(zero, zero + 1, self.level)


class InteL(Model):
    """z = y·1[y > t] with y ~ N(μ(x), s(x)²), the step a part of the decoder:

        loss = −log p(x|z) + KL(law of z given x ‖ law of z for y ~ N(0, I)).

    After InteL-VAE (Miao et al. 2022), whose gate lies between .2 and 1 and is a network of all
    latents; here it is a hard step of each, with a straight-through gradient and a trained level,
    so that zeros are exact and the divergence of the code has a closed form. It is never above
    that of y, which the paper uses: a bound either way.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        target_active: how many dimensions should be on an image; a multiplier holds it. None
            leaves it to the divergence.
        **common: see :class:`Model`.
    """

    has_gates = True

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        target_active: Target | None = None,
        **common: Unpack[Common],
    ) -> None:
        share = min(0.5, (target_active or latents * default_alpha(latents)) / latents)
        held = ActivityPenalty("posterior", share, Constant(0.0), share * latents)
        prior, penalty = CutStandardNormal(latents, share), held if target_active else None
        super().__init__(shape, latents, outputs=2, prior=prior, penalty=penalty, **common)
        self.target_active = share * latents if target_active else None

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> CutNormal:
        """The law of the code, batch shape ``(B, J)``."""
        mu, log_variance = self.encoder(x).chunk(2, dim=-1)
        sigma = (0.5 * REACH * torch.tanh(log_variance / REACH)).exp()
        return CutNormal(mu, sigma, self.prior.level)
