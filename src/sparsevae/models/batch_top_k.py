"""The sparse autoencoder that keeps the largest activations of a batch."""

from typing import Unpack, cast

import torch
from torch import Tensor

from sparsevae.models.base import Common, Model, Terms, open_gates
from sparsevae.models.distributions import Point, Posterior
from sparsevae.models.likelihoods.measured import Gaussian
from sparsevae.models.priors import TARGET_ACTIVE, NoPrior, Target, default_alpha
from sparsevae.models.schedules import Progress
from sparsevae.networks.dictionary import Dictionary
from sparsevae.networks.trunks import Shape

STEP = 0.01  # of the moving average
WAKING, WOKEN = 1 / 32, 512  # weight of what wakes dimensions, and how many of them a row
IDLE = 50  # steps without a row that a dimension is on for, after which it counts as dead


class BatchTopK(Model):
    """max(f(x), 0) where it is among the k·B largest of a batch of B, else 0 (Bussmann 2024):

        loss = −log p(x|z),  z_j = a_j·1[a_j ≥ θ],  a = max(f(x), 0).

    In training θ is the least of the k·B largest a of the batch, so that an image may take more
    dimensions and another fewer; in use it is the moving average of those, and codes do not
    depend on what else is encoded. With a linear trunk and a Gaussian score, dimensions that have
    been off for all rows of many steps try to explain what is left, e = x − x̂, in place of those
    that are on (Gao et al. 2024): ½ ‖e − D·top₅₁₂(a of the dead)‖²/σ² at a weight of 1/32.

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        target_active: k, at most J/2.
        examples: inputs that f starts from, see :meth:`Model.start_from`; None draws it.
        **common: see :class:`Model`.
    """

    has_gates = couples_rows = True
    threshold: Tensor
    idle: Tensor  # steps since a dimension was on, shape ``(J,)``

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        target_active: Target = TARGET_ACTIVE,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(shape, latents, outputs=1, prior=NoPrior(), **common)
        self.target_active = latents * default_alpha(latents, target_active)
        self.register_buffer("threshold", torch.tensor(0.0))
        self.wakes = common.get("trunk") == "linear" and issubclass(self.family, Gaussian)
        if self.wakes:
            self.register_buffer("idle", torch.zeros(latents))
        if examples is not None:
            self.start_from(examples)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> Point:
        """All mass on the activations that are kept, batch shape ``(B, J)``."""
        return self._kept(self.encoder(x).relu())

    def _kept(self, activations: Tensor) -> Point:
        threshold = self.threshold
        if self.training:
            kept = max(1, round(len(activations) * float(self.target_active or 1)))
            threshold = activations.detach().flatten().topk(kept).values[-1]
        on = (activations >= threshold) & (activations > 0)
        return Point(activations * on, sparse=True)

    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """The terms of the loss for a batch; in training with what wakes dead dimensions."""
        if not (self.wakes and self.training):
            return super().loss(x, progress)
        activations = self.encoder(self.corrupted(x)).relu()
        q = self._kept(activations)
        z = self.draw(q, progress)
        p = cast(Gaussian, self.likelihood(z))
        gamma = q.spike_probability
        with torch.no_grad():
            self.idle.add_(1).masked_fill_((gamma > 0).any(0), 0)
        penalty = self.nested(z, x) + WAKING * self._missed_by_the_dead(activations, x, p)
        zero, on = x.new_zeros(len(x)), gamma.detach().mean(0)
        return Terms(-p.log_prob(x), zero, penalty, 1.0, on, open_gates(gamma))

    def _missed_by_the_dead(self, activations: Tensor, x: Tensor, p: Gaussian) -> Tensor:
        """½ ‖e − D·top(a of the dead)‖²/σ², mean over rows, 0-d; 0 where none is dead."""
        dead = self.idle > IDLE
        if dead.device.type == "cpu" and not dead.any():
            return x.new_zeros(())
        features = activations * dead
        if self.latents > WOKEN:
            features = features * (features >= features.topk(WOKEN).values[:, -1:])
        dictionary = cast(Dictionary, self.decoder.trunk[0])
        left = (x - p.loc).detach().flatten(1)
        guess = (dictionary(features) - dictionary.bias)[:, : left.shape[1]]
        scale = p.scale.detach().expand_as(x).flatten(1)
        squares = 0.5 * ((left - guess) / scale).square().sum(1).mean()
        woken: Tensor = squares * dead.any()
        return woken

    def draw(self, q: Posterior, progress: Progress) -> Tensor:
        """The code itself; in training the moving average follows what is kept."""
        if self.training:
            with torch.no_grad():
                least = torch.where(q.loc > 0, q.loc, torch.inf).amin()
                least = torch.where(least.isfinite(), least, self.threshold)
                step = torch.where(self.threshold == 0, 1.0, STEP)
                self.threshold.lerp_(least.to(self.threshold.dtype), step)
        return q.loc
