"""The mixture of pseudo-inputs' posteriors as a prior, with three ways to weigh its components.

Shape legend: B images in a batch, J latent dimensions, U pseudo-inputs.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from sparsevae.models.distributions import SpikeAndSlab, pairwise_kl
from sparsevae.models.priors.base import Divergence, Encode, Prior
from sparsevae.models.schedules import Progress

Weights = Literal["exact", "classifier", "published"]
NAMES: dict[Weights, str] = {
    "exact": "mixture",
    "classifier": "classifier",
    "published": "published",
}
SHARPENING = 60.0  # slope of the published sharpening of the classifier's output
DARKEST = 1e-3  # pseudo-inputs start this far from 0 and 1, so that their log-odds are finite
SPIKE_SLOPE = 10.0  # ν of the published spikes of pseudo-inputs


class PseudoInputMixture(Prior):
    """p(z) = Σ_u π_u Π_j p_uj(z_j), where p_u is the posterior of the trained image u.

    The variational bound needs a posterior w(x) of u: KL = Σ_u w_u [KL_u + log w_u − log π_u]
    with KL_u = KL(q(z|x) ‖ p_u). The weights are one of

    - "exact": the best choice w ∝ π_u exp(−KL_u); then KL = −logsumexp_u(log π_u − KL_u);
    - "classifier": w = softmax of a linear map of x, trained along (Tonolini et al. 2019);
    - "published": what their code computes, Σ_u S(60(w_u − ½))·KL_u with spikes σ(ν(γ − ½)),
      ν = 10, for the pseudo-inputs. Here the prior depends on x for free: **no bound**. Its
      spikes cannot fall below σ(−ν/2) = 0.0067.

    Args:
        pseudo_inputs: U images or vectors with values in [0, 1], shape ``(U, *shape)``, where
            training starts; their log-odds are trained, so that they stay in (0, 1).
        weights: how components are weighed, see above.
    """

    log_odds: Tensor

    def __init__(self, pseudo_inputs: Tensor, weights: Weights = "exact") -> None:
        super().__init__()
        self.weights, self.name, self.bounds = weights, NAMES[weights], weights != "published"
        self.pixel_odds = nn.Parameter(torch.logit(pseudo_inputs, eps=DARKEST))
        odds = torch.zeros(len(pseudo_inputs))
        if weights == "published":
            self.register_buffer("log_odds", odds)
        else:
            self.log_odds = nn.Parameter(odds)
        if weights != "exact":
            self.classifier = _undecided(pseudo_inputs[0].numel(), len(pseudo_inputs))

    @property
    def pseudo_inputs(self) -> Tensor:
        """The U images or vectors, values in (0, 1), shape ``(U, *shape)``."""
        return torch.sigmoid(self.pixel_odds)

    @property
    def log_weights(self) -> Tensor:
        """Log π, shape ``(U,)``; uniform where π is not trained."""
        return torch.log_softmax(self.log_odds, 0)

    @property
    def perplexity(self) -> Tensor:
        """Exponential of the entropy of π: how many pseudo-inputs are in use, between 1 and U."""
        return torch.exp(-(self.log_weights.exp() * self.log_weights).sum())

    def components(self, encoder: Encode) -> SpikeAndSlab:
        """p_u for every pseudo-input, batch shape ``(U, J)``."""
        found: SpikeAndSlab = encoder(self.pseudo_inputs)
        if self.weights != "published":
            return found
        return SpikeAndSlab(SPIKE_SLOPE * (found.spike_probability - 0.5), found.loc, found.scale)

    def kl(
        self, posterior: SpikeAndSlab, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_u w_u [KL_u + log w_u − log π_u], a bound on KL(q ‖ p); the encoder brings its λ."""
        components = self.components(encoder)
        divergences = pairwise_kl(posterior, components)  # (B, U)
        if self.weights == "published":
            weights = self._sharpened(x)
            return self._divergence((weights * divergences).sum(1), weights, components)
        scores = self.log_weights - divergences
        if self.weights == "exact":
            return self._divergence(-torch.logsumexp(scores, 1), scores.softmax(1), components)
        log_w = torch.log_softmax(self.classifier(x.flatten(1)), 1)
        weights = log_w.exp()
        return self._divergence((weights * (log_w - scores)).sum(1), weights, components)

    def _sharpened(self, x: Tensor) -> Tensor:
        """S(60(w − ½)); it does not sum to 1, and is nearly 0 for an undecided classifier."""
        share = torch.softmax(self.classifier(x.flatten(1)), 1)
        return torch.sigmoid(SHARPENING * (share - 0.5))

    def _divergence(self, kl: Tensor, weights: Tensor, components: SpikeAndSlab) -> Divergence:
        return Divergence(kl, weights @ components.spike_probability)


def _undecided(inputs: int, classes: int) -> nn.Linear:
    """A linear classifier that starts with equal weights for all and draws no random number."""
    where = torch.get_default_device()
    classifier: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, classes, device=where)
    for parameter in classifier.parameters():
        nn.init.zeros_(parameter)
    return classifier
