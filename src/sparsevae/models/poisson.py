"""The Poisson variational autoencoder: codes are numbers of spikes."""

from typing import Unpack

from torch import Tensor

from sparsevae.models.base import Common, Model
from sparsevae.models.distributions import within
from sparsevae.models.penalties import ActivityPenalty, Held
from sparsevae.models.priors import TARGET_ACTIVE, PoissonPrior, Target, default_alpha
from sparsevae.models.schedules import Progress, Scheduled, between
from sparsevae.models.sparse_distributions import Counts
from sparsevae.networks.trunks import Shape

RELAXED = {"kind": "ramp", "start": 0.0, "end": 0.5, "first": 1.0, "last": 0.05}
REACH, MOST = 8.0, 10.0  # of u either way, and of a rate


class PoissonVAE(Model):
    """q(z|x) = Π_j Poisson(r_j e^u_j) for u = f(x), p(z) = Π_j Poisson(r_j) (Vafaii et al. 2024):

        loss = −log p(x|z) + Σ_j r_j (1 + e^u_j (u_j − 1)).

    In training z = Σ_n S((1 − t_n)/τ) over arrival times t_n of a Poisson process, S a smooth
    step from −1 to 1 (arXiv:2602.03896): at τ = 0, and so in use, it counts those before 1.
    Rates are at most 10.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        target_active: how many dimensions should be on an image, P(on) = 1 − e^−rate; a
            multiplier holds it. None leaves it to the divergence.
        temperature: τ over progress.
        held: what is brought to the target, see :class:`ActivityPenalty`.
        **common: see :class:`Model`.
    """

    has_gates = True
    prior: PoissonPrior

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        target_active: Target | None = None,
        held: Held = "count",
        temperature: Scheduled = RELAXED,
        **common: Unpack[Common],
    ) -> None:
        share = default_alpha(latents, target_active or TARGET_ACTIVE)
        penalty = ActivityPenalty.holding(share, latents, held) if target_active else None
        super().__init__(
            shape,
            latents,
            outputs=1,
            prior=PoissonPrior(latents, share),
            penalty=penalty,
            **common,
        )
        self.target_active = share * latents if target_active else None
        self.temperature = between("temperature", temperature, 1e-6)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Counts:
        """Poisson(r e^u), relaxed in training, batch shape ``(B, J)``."""
        u = within(self.encoder(x), REACH)
        rate = (self.prior.log_rate + u).exp()
        rate = MOST * rate / (MOST + rate)
        return Counts(rate, self.temperature(progress) if self.training else 0.0)
