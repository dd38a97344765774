"""A VAE whose sparse map belongs to the decoder: a latent is off below a level."""

from typing import Unpack

from torch import Tensor

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import within
from sparsevae.models.penalties import ActivityPenalty, Held
from sparsevae.models.priors import TARGET_ACTIVE, CutStandardNormal, Target, default_alpha
from sparsevae.models.schedules import Progress
from sparsevae.models.sparse_distributions import CutNormal
from sparsevae.networks.trunks import Shape

REACH = 10.0  # of log s², either way


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
        held: what is brought to the target, see :class:`ActivityPenalty`.
        **common: see :class:`Model`.
    """

    has_gates = True
    prior: CutStandardNormal

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        target_active: Target | None = None,
        held: Held = "probabilities",
        **common: Unpack[Common],
    ) -> None:
        share = default_alpha(latents, target_active or TARGET_ACTIVE)
        penalty = ActivityPenalty.holding(share, latents, held) if target_active else None
        prior = CutStandardNormal(latents, share)
        super().__init__(shape, latents, outputs=2, prior=prior, penalty=penalty, **common)
        self.target_active = share * latents if target_active else None

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> CutNormal:
        """The law of the code, batch shape ``(B, J)``."""
        mu, log_variance = self.encoder(x).chunk(2, dim=-1)
        sigma = (0.5 * within(log_variance, REACH)).exp()
        return CutNormal(mu, sigma, self.prior.level)
