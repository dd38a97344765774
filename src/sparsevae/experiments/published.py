"""Faults of published code of VSC, kept to show what they do: rows of the tables of the package.

Importing this module registers them, in every process that makes such a model:

- the priors "unweighted" and "published", see :class:`Unweighted` and :class:`Published`;
- the estimators "bernoulli", "sloped" and "sloped-warm-up", see :func:`no_gradient`,
  :func:`sloped` and :func:`sloped_warm_up`;
- the penalty's distance "scalar", see :func:`scalar_activity_kl`;
- the recipe "vsc-published", which is all of the published code together.

Shape legend: B images in a batch, J latent dimensions, U pseudo-inputs.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal, kl_divergence

from sparsevae.models import priors
from sparsevae.models.distributions import ESTIMATORS, Drawn, Mixture, SpikeAndSlab, pairwise_kl
from sparsevae.models.penalties import DISTANCES, LOWEST_RATE, bernoulli_kl
from sparsevae.models.priors import Divergence, Encode, FixedSpikeAndSlab, Prior
from sparsevae.models.priors.mixture import DARKEST, undecided
from sparsevae.models.schedules import Progress, Ramp
from sparsevae.training import recipes

SHARPENING = 60.0  # slope of the published sharpening of the classifier's output
SPIKE_SLOPE = 10.0  # ν of the published spikes of pseudo-inputs
WARM_UP = Ramp(0.21, 0.28)  # published λ


class Unweighted(FixedSpikeAndSlab):
    """The fixed prior, with the slab's divergence as if every gate were open, not γ times it.

    That bounds −log p(x) too, but it makes slabs dear that are not in use.
    """

    name = "unweighted"

    def kl(
        self, posterior: SpikeAndSlab, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_j KL(q_j ‖ p_j) + (1 − γ_j)·KL(N(μ_j, s_j²) ‖ N(0, 1))."""
        prior = self.distribution(progress)
        slabs = (Normal(each.loc, each.scale, validate_args=False) for each in (posterior, prior))
        kl = kl_divergence(posterior, prior)
        kl = kl + (1 - posterior.spike_probability) * kl_divergence(*slabs)
        return Divergence(kl.sum(-1), prior.spike_probability.expand(len(x), -1))


class Published(Prior):
    """A mixture of pseudo-inputs' posteriors as the published code computes it.

    KL = Σ_u S(60(w_u − ½))·KL_u with w = softmax of a linear map of x, and spikes
    σ(ν(γ − ½)), ν = 10, for the pseudo-inputs. Here the prior depends on x for free: **no
    bound**. Its spikes cannot fall below σ(−ν/2) = 0.0067.

    Args:
        pseudo_inputs: as in :class:`sparsevae.models.priors.PseudoInputMixture`.
    """

    name = "published"
    bounds = False
    has_density = True
    least_spike = 1 / (1 + math.exp(SPIKE_SLOPE / 2))
    log_odds: Tensor

    def __init__(self, pseudo_inputs: Tensor) -> None:
        super().__init__()
        self.pixel_odds = nn.Parameter(torch.logit(pseudo_inputs, eps=DARKEST))
        self.register_buffer("log_odds", torch.zeros(len(pseudo_inputs)))
        self.classifier = undecided(pseudo_inputs[0].numel(), len(pseudo_inputs))

    def mixture(self, encoder: Encode) -> Mixture:
        """The components with their sharpened spikes, all of one weight."""
        p = encoder(torch.sigmoid(self.pixel_odds))
        spikes = SPIKE_SLOPE * (p.spike_probability - 0.5)
        return Mixture(torch.log_softmax(self.log_odds, 0), SpikeAndSlab(spikes, p.loc, p.scale))

    @torch.no_grad()
    def perplexity(self, x: Tensor | None = None) -> float:
        """U, or that of the classifier's mean output for rows."""
        if x is None:
            return float(len(self.log_odds))
        share = torch.softmax(self.classifier(x.flatten(1)), 1).mean(0)
        return float(torch.exp(-torch.xlogy(share, share).sum()))

    def kl(
        self, posterior: SpikeAndSlab, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_u S(60(w_u − ½))·KL_u; the weights do not sum to 1, and are first nearly 0."""
        components = self.mixture(encoder).components
        share = torch.softmax(self.classifier(x.flatten(1)), 1)
        weights = torch.sigmoid(SHARPENING * (share - 0.5))
        kl = (weights * pairwise_kl(posterior, components)).sum(1)
        return Divergence(kl, weights @ components.spike_probability)


def no_gradient(q: SpikeAndSlab, temperature: Progress, progress: Progress) -> Drawn:
    """Spikes of a plain Bernoulli: the reconstruction teaches γ nothing."""
    hard = q.logits + torch.logit(q.uniform()) > 0
    return q.masked(hard.to(q.loc.dtype))


def sloped(q: SpikeAndSlab, temperature: Progress, progress: Progress) -> Drawn:
    """Soft spikes σ((η + γ − 1)/τ), the relaxation of Tonolini et al. 2019 with slope 1/τ."""
    return q.masked(torch.sigmoid((q.uniform() + q.spike_probability - 1) / temperature))


def sloped_warm_up(q: SpikeAndSlab, temperature: Progress, progress: Progress) -> Drawn:
    """The same on the slab N(λμ, s^2λ): the log-variance is warmed up, and in the draw alone."""
    warm_up = WARM_UP(progress)
    slab = SpikeAndSlab(q.logits, warm_up * q.loc, q.scale**warm_up)
    return sloped(slab, temperature, progress)


def scalar_activity_kl(spike_probability: Tensor, alpha: Tensor | float) -> Tensor:
    """J·KL(Bernoulli(γ̄) ‖ Bernoulli(α)), γ̄ the mean over dimensions, averaged over images.

    It asks for α·J open gates an image and does not mind if they are the same ones for every
    image.

    Args:
        spike_probability: γ, shape ``(B, J)``.
        alpha: the share of dimensions that should be on.

    Returns:
        A 0-d tensor, nats.
    """
    rate = spike_probability.mean(1).clamp(LOWEST_RATE, 1 - LOWEST_RATE)
    return spike_probability.shape[1] * bernoulli_kl(rate, alpha).mean()


PUBLISHED: dict[str, Any] = {
    "prior": "published",
    "penalty": "prior",
    "penalty_distance": "scalar",
    "estimator": "sloped",
    "temperature": 0.02,
}

priors.register(
    "unweighted", lambda given: Unweighted(given.latents, given.alpha, given.alpha_factor)
)
priors.register("published", lambda given: Published(given.pseudo_inputs))
ESTIMATORS.register("bernoulli", no_gradient)
ESTIMATORS.register("sloped", sloped)
ESTIMATORS.register("sloped-warm-up", sloped_warm_up)
DISTANCES.register("scalar", scalar_activity_kl)
recipes.register(
    "vsc-published",
    recipes.Recipe(
        "Adam at 1e-3; VSC as its authors' code has it: soft spikes, a prior that depends on x.",
        1e-3,
        {"vsc": PUBLISHED, "vsc-wu": {**PUBLISHED, "estimator": "sloped-warm-up", "warm_up": 1.0}},
    ),
)
