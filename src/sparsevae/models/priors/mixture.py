"""The mixture of pseudo-inputs' posteriors as a prior, with two ways to weigh its components.

Shape legend: B images in a batch, J latent dimensions, U pseudo-inputs.
"""

from typing import Literal

import torch
from torch import Tensor, nn

from sparsevae.errors import ConfigurationError
from sparsevae.models.distributions import Mixture, Posterior, pairwise_kl
from sparsevae.models.priors.base import Divergence, Encode, Prior
from sparsevae.models.schedules import Progress

Weights = Literal["exact", "classifier"]
DARKEST = 1e-3  # pseudo-inputs start this far from 0 and 1, so that their log-odds are finite


class PseudoInputMixture(Prior):
    """p(z) = Σ_u π_u Π_j p_uj(z_j), where p_u is the posterior of the trained image u.

    The variational bound needs a posterior w(x) of u: KL = Σ_u w_u [KL_u + log w_u − log π_u]
    with KL_u = KL(q(z|x) ‖ p_u). The weights are one of

    - "exact": the best choice w ∝ π_u exp(−KL_u); then KL = −logsumexp_u(log π_u − KL_u);
    - "classifier": w = softmax of a linear map of x, trained along (Tonolini et al. 2019).

    Args:
        pseudo_inputs: U images or vectors with values in [0, 1], shape ``(U, *shape)``, where
            training starts; their log-odds are trained, so that they stay in (0, 1).
        weights: how components are weighed, see above.
    """

    has_density = True

    def __init__(self, pseudo_inputs: Tensor, weights: Weights = "exact") -> None:
        super().__init__()
        self.weights, self.name = weights, "mixture" if weights == "exact" else weights
        self.pixel_odds = nn.Parameter(torch.logit(pseudo_inputs, eps=DARKEST))
        self.log_odds = nn.Parameter(torch.zeros(len(pseudo_inputs)))
        if weights == "classifier":
            self.classifier = undecided(pseudo_inputs[0].numel(), len(pseudo_inputs))

    @property
    def pseudo_inputs(self) -> Tensor:
        """The U images or vectors, values in (0, 1), shape ``(U, *shape)``."""
        return torch.sigmoid(self.pixel_odds)

    @property
    def log_weights(self) -> Tensor:
        """Log π, shape ``(U,)``."""
        return torch.log_softmax(self.log_odds, 0)

    def mixture(self, encoder: Encode) -> Mixture:
        """p_u for every pseudo-input."""
        return Mixture(self.log_weights, encoder(self.pseudo_inputs).gated())

    def perplexity(self, x: Tensor | None = None) -> float:
        """Exponential of the entropy of π."""
        log_weights = self.log_weights.detach()
        return float(torch.exp(-(log_weights.exp() * log_weights).sum()))

    def kl(
        self, posterior: Posterior, x: Tensor, encoder: Encode, progress: Progress
    ) -> Divergence:
        """Σ_u w_u [KL_u + log w_u − log π_u], a bound on KL(q ‖ p); the encoder brings its λ."""
        log_pi, components = self.mixture(encoder)
        scores = log_pi - pairwise_kl(posterior.gated(), components)  # (B, U)
        if self.weights == "exact":
            kl, weights = -torch.logsumexp(scores, 1), scores.softmax(1)
        else:
            log_w = torch.log_softmax(self.classifier(x.flatten(1)), 1)
            weights = log_w.exp()
            kl = (weights * (log_w - scores)).sum(1)
        return Divergence(kl, weights @ components.spike_probability)


def undecided(inputs: int, classes: int) -> nn.Linear:
    """A linear classifier that starts with equal weights for all and draws no random number."""
    where = torch.get_default_device()
    classifier: nn.Linear = nn.utils.skip_init(nn.Linear, inputs, classes, device=where)
    for parameter in classifier.parameters():
        nn.init.zeros_(parameter)
    return classifier


def start_images(examples: Tensor | None, count: int, shape: tuple[int, ...]) -> Tensor:
    """Where pseudo-inputs start, shape ``(count, *shape)``: between examples and noise.

    Each is the mean of an example and of uniform noise in [0, 1]; without examples it is the
    noise. An encoder that has learned to read such images is not misled by noise and grey
    backgrounds later. Too few examples are used again, so that the number of pseudo-inputs
    never depends on them; a gap (NaN) of an example is noise alone.

    Raises:
        ConfigurationError: ``count`` is below 1.
    """
    if count < 1:
        raise ConfigurationError(f"pseudo_inputs is a number from 1 on, not {count}.")
    noise = torch.rand(count, *shape)
    if examples is None:
        return noise
    chosen = examples[torch.arange(count) % len(examples)]
    return 0.5 * (torch.where(chosen.isnan(), noise, chosen) + noise)
