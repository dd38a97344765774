"""The mixture of pseudo-inputs' posteriors as a prior, with two ways to weigh its components.

Shape legend: B images in a batch, J latent dimensions, U pseudo-inputs.
"""

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from sparsevae.data.scaling import Domain
from sparsevae.errors import ConfigurationError
from sparsevae.models.distributions import Mixture, Posterior, pairwise_kl
from sparsevae.models.priors.base import Divergence, Encode, Prior
from sparsevae.models.schedules import Progress

Weights = Literal["exact", "classifier"]
DARKEST = 1e-3  # pseudo-inputs start this far from 0 and 1, so that their log-odds are finite
NOISE = 12.0**0.5  # uniform noise of mean 0 times this has the variance of scaled rows, 1


class Parametrisation(NamedTuple):
    """What is trained for rows that lie somewhere: its name, of which row, and which row of it."""

    name: str
    of: Callable[[Tensor], Tensor]
    row: Callable[[Tensor], Tensor]


PARAMETRISATIONS: Mapping[Domain, Parametrisation] = {
    "unit": Parametrisation("pixel_odds", lambda x: torch.logit(x, eps=DARKEST), torch.sigmoid),
    "real": Parametrisation("inputs", torch.clone, lambda x: x),
    "counts": Parametrisation("log_inputs", lambda x: x.clamp(min=DARKEST).log(), torch.exp),
}


class PseudoInputMixture(Prior):
    """p(z) = Σ_u π_u Π_j p_uj(z_j), where p_u is the posterior of the trained image u.

    The variational bound needs a posterior w(x) of u: KL = Σ_u w_u [KL_u + log w_u − log π_u]
    with KL_u = KL(q(z|x) ‖ p_u). The weights are one of

    - "exact": the best choice w ∝ π_u exp(−KL_u); then KL = −logsumexp_u(log π_u − KL_u);
    - "classifier": w = softmax of a linear map of x, trained along (Tonolini et al. 2019).

    Args:
        pseudo_inputs: U images or vectors, shape ``(U, *shape)``, where training starts.
        weights: how components are weighed, see above.
        domain: where rows lie, and pseudo-inputs stay: in (0, 1) ("unit": log-odds are trained),
            anywhere ("real": they are) or above 0 ("counts": logarithms).
    """

    has_density = True

    def __init__(
        self, pseudo_inputs: Tensor, weights: Weights = "exact", domain: Domain = "unit"
    ) -> None:
        super().__init__()
        self.weights, self.name = weights, "mixture" if weights == "exact" else weights
        self.domain = domain
        trained = PARAMETRISATIONS[domain]
        self.register_parameter(trained.name, nn.Parameter(trained.of(pseudo_inputs)))
        self.log_odds = nn.Parameter(torch.zeros(len(pseudo_inputs)))
        if weights == "classifier":
            self.classifier = undecided(pseudo_inputs[0].numel(), len(pseudo_inputs))

    @property
    def pseudo_inputs(self) -> Tensor:
        """The U images or vectors, values where rows lie, shape ``(U, *shape)``."""
        trained = PARAMETRISATIONS[self.domain]
        return trained.row(self.get_parameter(trained.name))

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
            log_w = torch.log_softmax(self.classifier(x.flatten(1).nan_to_num(0.0)), 1)
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


def start_images(
    examples: Tensor | None, count: int, shape: tuple[int, ...], domain: Domain = "unit"
) -> Tensor:
    """Where pseudo-inputs start, shape ``(count, *shape)``: between examples and noise.

    Each is the mean of an example and of uniform noise, in [0, 1] or, where values may be any, of
    mean 0 and variance 1 as scaled rows are; without examples it is the noise. An encoder that has
    learned to read such images is not misled by noise and grey backgrounds later. Too few
    examples are used again, so that the number of pseudo-inputs never depends on them; a gap
    (NaN) of an example is noise alone.

    Args:
        examples: rows, shape ``(N, *shape)``, or None.
        count: how many.
        shape: of a row.
        domain: where rows lie.

    Raises:
        ConfigurationError: ``count`` is below 1.
    """
    if count < 1:
        raise ConfigurationError(f"pseudo_inputs is a number from 1 on, not {count}.")
    noise = torch.rand(count, *shape)
    if domain == "real":
        noise = NOISE * (noise - 0.5)
    if examples is None:
        return noise
    chosen = examples[torch.arange(count) % len(examples)]
    return 0.5 * (torch.where(chosen.isnan(), noise, chosen) + noise)
