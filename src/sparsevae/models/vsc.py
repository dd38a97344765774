"""Variational Sparse Coding, with or without warm-up of the spikes."""

from typing import Annotated, Literal, Unpack

import torch
from pydantic import Field
from torch import Tensor

from sparsevae.models import few, priors
from sparsevae.models.base import Common, Model, Terms, domain_of
from sparsevae.models.distributions import (
    ESTIMATORS,
    EstimatorName,
    Posterior,
    SpikeAndSlab,
    within,
)
from sparsevae.models.penalties import ActivityPenalty, Distance, Held, Penalised
from sparsevae.models.schedules import Progress, Scheduled, between, scaled_share
from sparsevae.networks.trunks import WIDTHS, Change, Shape

LOG_ODDS, LOG_VARIANCE = 15.0, 10.0  # bounds on what the encoder gives
LOWEST = 1e-6  # of what must be above 0


class VSC(Model):
    """q(z|x) = Π_j [γ_j N(μ_j, s_j²) + (1−γ_j) δ₀] (Tonolini et al. 2019):

        loss = −log p(x|z) + w(t)·KL(q_λ(z|x) ‖ p(z)) + ρ(t)·Σ_j d(γ̄_j, α),
        z drawn from q_λ = Π_j [γ_j N(λμ_j, λs_j² + 1−λ) + (1−γ_j) δ₀],  λ = λ(t).

    Args:
        shape: (C, H, W) of images or (D,) of vectors.
        latents: J.
        prior: a row of :data:`sparsevae.models.priors.PRIORS`.
        alpha: α, the share of images for which a dimension should be on. None takes
            ``target_active``/J, at most ½, and holds Σ_j γ_j there, see
            :class:`ActivityPenalty`.
        alpha_factor: what α, and with it the target, is multiplied by over progress t.
        target_active: how many dimensions should be on an image, when α is not given. "auto"
            holds and penalises nothing: the divergence from a trained prior finds the number.
        held: what is brought to the target, Σ_j γ_j ("probabilities") or the number of open
            gates ("gates"), see :class:`ActivityPenalty`.
        candidates: the most gates that a row opens with a linear trunk and an independent prior,
            see :mod:`sparsevae.models.few`; None takes two for each that should be on, and four
            more, or all for "auto". With other networks a row may open all.
        temperature: τ of the spikes' relaxation, over progress t.
        estimator: how a gradient passes a spike, see :meth:`SpikeAndSlab.draw`.
        warm_up: λ over progress t.
        kl_weight: w over progress t.
        penalty: what ρ is on: "posterior", "prior" or "none".
        penalty_weight: ρ over progress t.
        penalty_distance: d, "kl" or "symmetric", see :class:`ActivityPenalty`.
        dual_rate: nats an open gate, the most by which a step moves what holds the target.
        decode_gates: whether the decoder takes the gates 1[z_j ≠ 0] beside the codes z_j, so that
            what an open gate stands for need not be learned from large values alone. A "linear"
            trunk takes codes alone.
        lateral_steps: how often every dimension's posterior is corrected by what all say they
            stand for, see :meth:`settled`. A "linear" trunk has none.
        pseudo_inputs: U, for a mixture.
        examples: images or vectors to start the pseudo-inputs from, fewer than U used again; a
            linear trunk starts its thresholds from them.
        **common: see :class:`Model`.
    """

    has_gates = True

    def __init__(
        self,
        shape: Shape,
        latents: int,
        *,
        prior: priors.PriorName = "fixed",
        alpha: float | None = None,
        alpha_factor: Scheduled = 1.0,
        target_active: priors.Target | Literal["auto"] = priors.TARGET_ACTIVE,
        held: Held = "probabilities",
        candidates: Annotated[int, Field(ge=1)] | None = None,
        temperature: Scheduled = 0.5,
        estimator: EstimatorName = "straight-through",
        warm_up: Scheduled = 1.0,
        kl_weight: Scheduled = 1.0,
        penalty: Penalised = "none",
        penalty_weight: Scheduled = 1.0,
        penalty_distance: Distance = "kl",
        dual_rate: float | None = None,
        decode_gates: bool = False,
        lateral_steps: Annotated[int, Field(ge=0, le=64)] = 0,
        pseudo_inputs: int = 50,
        examples: Tensor | None = None,
        **common: Unpack[Common],
    ) -> None:
        linear = common.get("trunk") == "linear"
        decode_gates = decode_gates and not linear
        asked = priors.TARGET_ACTIVE if target_active == "auto" else target_active
        share = priors.default_alpha(latents, asked) if alpha is None else alpha
        target = share * latents if alpha is None and target_active != "auto" else None
        penalty = "none" if target_active == "auto" else penalty
        domain = domain_of(common)
        starts = priors.start_images(examples, pseudo_inputs, shape, domain)
        slab = between("warm_up", warm_up, 0.0, 1.0)
        factor = between("alpha_factor", alpha_factor, LOWEST)
        weight = between("penalty_weight", penalty_weight, 0.0)
        settings = priors.PriorSettings(latents, share, starts, slab, factor, domain)
        super().__init__(
            shape,
            latents,
            outputs=3,
            prior=priors.PRIORS.row(prior)(settings),
            penalty=ActivityPenalty(
                penalty,
                share,
                weight,
                target,
                penalty_distance,
                factor,
                held,
                _positive(dual_rate),
            ),
            kl_weight=between("kl_weight", kl_weight, 0.0),
            decode_gates=decode_gates,
            **common,
        )
        if target is not None and penalty != "none":
            exact = torch.tensor(share, dtype=torch.float64, device="cpu")
            self.target_active = float(scaled_share(exact, factor(1.0))) * latents
        self.warm_up, self.temperature = slab, between("temperature", temperature, LOWEST)
        self.estimator = ESTIMATORS.row(estimator)
        self.lateral_steps = 0 if linear else lateral_steps
        if self.lateral_steps:
            hidden = max(1, common.get("widths", WIDTHS)[-1] // 4)
            self.lateral = Change(2 * latents, hidden, 3 * latents)
        if candidates is None:
            candidates = latents if target_active == "auto" else few.enough(share * latents)
        self.candidates = candidates if self.pairs_up and candidates < latents else None
        if self.pairs_up and examples is not None:
            few.start(self, examples, share)

    def posterior(self, x: Tensor, progress: Progress = 1.0) -> SpikeAndSlab:
        """Spike and slab with the warm-up of ``progress``, batch shape ``(B, J)``.

        Log-odds stay within ±15 and log-variances within ±10, so that every divergence is finite
        and γ never so near 0 that a penalty's pull on its log-odds is gone. What the encoder gives
        may still run away: beyond ±135 the bound's own slope is 0 in single precision.
        """
        logits, loc, log_variance = self.settled(self.encoder(x)).chunk(3, dim=-1)
        if self.candidates is not None and self.prior.independent:
            logits = few.others_shut(logits, self.candidates)
        return self.spike_and_slab(logits, loc, log_variance, progress)

    def settled(self, given: Tensor) -> Tensor:
        """What the encoder gives, h, after steps h + f([γ, γμ]) of a hidden layer, ``(B, 3J)``.

        An encoder's output layer asks every dimension by itself what of a row it explains; here
        one that is on can tell another that there is nothing left to explain. Such steps are those
        of sparse inference, unrolled and trained (Gregor and LeCun 2010, "Learning fast
        approximations of sparse coding", section 3). The layer is a quarter as wide as the
        trunk's last.
        """
        settled = given
        for _ in range(self.lateral_steps):
            logits, loc, _ = settled.chunk(3, dim=-1)
            gamma = torch.sigmoid(logits)
            settled = given + self.lateral(torch.cat([gamma, gamma * loc], -1))
        return settled

    def spike_and_slab(
        self, logits: Tensor, loc: Tensor, log_variance: Tensor, progress: Progress
    ) -> SpikeAndSlab:
        """The posterior of what the encoder gives, three of any one shape, as they are bounded."""
        scale = (0.5 * within(log_variance, LOG_VARIANCE)).exp()
        q = SpikeAndSlab(within(logits, LOG_ODDS), loc, scale)
        return q.warmed(self.warm_up(progress))

    def loss(self, x: Tensor, progress: Progress = 1.0) -> Terms:
        """The terms of the loss for a batch; over the likeliest gates alone where they suffice."""
        if self.candidates is None or not self.prior.independent:
            return super().loss(x, progress)
        return few.loss(self, x, progress, self.candidates)

    def draw(self, q: Posterior, progress: Progress) -> Tensor:
        """The estimator's codes, ``(B, J)``; with gates, ``(B, 2J)``, where they are decoded."""
        codes, gates = self.estimator(q.gated(), self.temperature(progress), progress)
        return torch.cat([codes, gates], 1) if self.decoder.gates else codes


def _positive(dual_rate: float | None) -> float | None:
    return None if dual_rate is None else float(between("dual_rate", dual_rate, LOWEST)(1.0))
