"""What every latent dimension of a trained model does, in numbers.

Shape legend: N images, J latent dimensions, U components of a prior.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.distributions import Distribution, Normal, kl_divergence

from sparsevae.evaluation.passes import ABLATION_IMAGES, Floats, Measured, batched, fixed_noise
from sparsevae.metrics import images, sparsity
from sparsevae.models import VSC, Model
from sparsevae.models.distributions import Gaussian, SpikeAndSlab
from sparsevae.models.likelihoods import GreyBernoulli
from sparsevae.models.penalties import LOWEST_RATE
from sparsevae.models.priors import (
    FixedSpikeAndSlab,
    Laplace,
    LearnedSpikeAndSlab,
    NoPrior,
    PseudoInputMixture,
    StandardNormal,
)
from sparsevae.models.priors.mixture import SPIKE_SLOPE

Mask = npt.NDArray[np.bool_]

SHUT, OPEN = 0.01, 0.99  # a gate below, or above, for every image decides nothing
CHUNK = 100  # images whose divergence from every component is held at a time
SEED = 0  # of the draws, and of who gets whose code
POINTWISE = NoPrior | Laplace  # for codes that are points, whose divergence is infinite
DIGITS = 4  # significant ones that are kept of every number


@dataclass(frozen=True)
class Statistics:
    """Numbers of one model over N images; NaN where one is not defined.

    Attributes:
        gated: whether the posterior has spikes.
        reconstruction: −log p(x|z), nats per image.
        mean_image: that of a decoder that prints the mean training image.
        pixel_variance: of the decoded codes, as a share of the data's.
        code_use: nats that the reconstruction loses when every image gets another one's code.
        slab_use: nats that it loses when, in each dimension, the images whose gate is on
            exchange their slabs at random; NaN without spikes.
        total_kl: KL(q(z|x) ‖ p(z)), nats per image.
        warm_up: λ after training; 1 without warm-up.
        alpha: α of the prior or the penalty after training.
        lowest_alpha: the smallest activity that what is penalised can reach.
        components: U, 0 for a prior that is no mixture.
        perplexity: exponential of the entropy of the components' weights, between 1 and U.
        kl: of each dimension, nats per image, shape ``(J,)``; components of a mixture are
            weighed by their share w in each image.
        gamma: mean spike probability, 1 without spikes, shape ``(J,)``.
        on_share: share of images for which the gate is on, shape ``(J,)``.
        shut: whether γ < 0.01 for every image, shape ``(J,)``.
        open: whether γ > 0.99 for every image, shape ``(J,)``.
        prior_gamma: Σ_u π_u γ_uj, shape ``(J,)``.
        rises: nats that the reconstruction loses without a dimension, shape ``(J,)``.
    """

    gated: bool
    reconstruction: float
    mean_image: float
    pixel_variance: float
    code_use: float
    slab_use: float
    total_kl: float
    warm_up: float
    alpha: float
    lowest_alpha: float
    components: int
    perplexity: float
    kl: Floats
    gamma: Floats
    on_share: Floats
    shut: Mask
    open: Mask
    prior_gamma: Floats
    rises: Floats

    def as_json(self) -> dict[str, Any]:
        """Every number by its name, in plain JSON with null for NaN."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value.tolist()]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def gather(
    model: Model, x: Floats, found: Measured, rises: Floats, mean_image: float
) -> Statistics:
    """The statistics of a model.

    Args:
        model: on any device, in evaluation mode.
        x: values in [0, 1], shape ``(N, *shape)``; what needs many decodings, and the KL of a
            dimension, is taken over the first 1,000.
        found: the result of :func:`sparsevae.evaluation.passes.measure` for ``x``.
        rises: the result of :func:`sparsevae.evaluation.passes.ablation_rises`, shape ``(J,)``.
        mean_image: grey score of the mean training image on ``x``, nats per image.
    """
    first = torch.from_numpy(x[:ABLATION_IMAGES]).to(next(model.parameters()).device)
    decoded = batched(model.decode, found.code, model)
    code_use, slab_use = _uses(model, first)
    kl, prior_gamma = _against_prior(model, first)
    components, perplexity = _mixture(model, first)
    return Statistics(
        gated=found.gated,
        reconstruction=float(found.reconstruction.mean()),
        mean_image=mean_image if model.family is GreyBernoulli else math.nan,
        pixel_variance=images.variance_share(decoded, x),
        code_use=code_use,
        slab_use=slab_use,
        total_kl=math.nan if isinstance(model.prior, POINTWISE) else float(found.kl.mean()),
        warm_up=float(model.warm_up(1.0)) if isinstance(model, VSC) else 1.0,
        alpha=asked_activity(model),
        lowest_alpha=_lowest_activity(model),
        components=components,
        perplexity=perplexity,
        kl=kl,
        gamma=found.gamma.mean(0),
        on_share=sparsity.on_share(found.gamma),
        shut=np.asarray(found.gamma.max(0) < SHUT),
        open=np.asarray(found.gamma.min(0) > OPEN),
        prior_gamma=prior_gamma,
        rises=rises,
    )


@torch.no_grad()
def _uses(model: Model, x: Tensor) -> tuple[float, float]:
    """Nats that the codes of other images, and the slabs of others, cost."""
    with fixed_noise(SEED):
        q = model.posterior(x)
        z, mask = q.draw() if isinstance(q, SpikeAndSlab) else (q.rsample(), None)
        others = z[torch.randperm(len(z))]
        exchanged = None if mask is None else exchange_slabs(z, mask)
    own = _score(model, z, x)
    slab_use = math.nan if exchanged is None else _score(model, exchanged, x) - own
    return _score(model, others, x) - own, slab_use


def exchange_slabs(z: Tensor, mask: Tensor) -> Tensor:
    """The same gates with slabs of other images; means, near 0, would hide which gate is on.

    Args:
        z: codes, shape ``(N, J)``.
        mask: which dimensions are on, 0 or 1, shape ``(N, J)``.

    Returns:
        In each dimension the values of z that are on, permuted by torch's generator; ``(N, J)``.
    """
    mixed = z.clone()
    for slab, on in zip(mixed.T, mask.T > 0.5, strict=True):
        slab[on] = slab[on][torch.randperm(int(on.sum()))]
    return mixed


def _score(model: Model, codes: Tensor, x: Tensor) -> float:
    return float(-model.likelihood(codes).log_prob(x).mean())


@torch.no_grad()
def _against_prior(model: Model, x: Tensor) -> tuple[Floats, Floats]:
    """KL and the prior's spike probability of every dimension, each ``(J,)``."""
    unknown = np.full(model.latents, np.nan, dtype=np.float32)
    found = components(model)
    if found is None:
        return unknown, unknown
    p, log_pi = found
    kl = torch.zeros(model.latents, device=x.device)
    for chunk in x.split(CHUNK):
        divergences = kl_divergence(_beside_components(model.posterior(chunk)), p)  # (n, U, J)
        weights = torch.softmax(log_pi - divergences.sum(-1), 1)  # (n, U)
        kl += torch.einsum("nu,nuj->j", weights, divergences)
    spikes = log_pi.exp() @ p.spike_probability if isinstance(p, SpikeAndSlab) else None
    return (kl / len(x)).cpu().numpy(), unknown if spikes is None else spikes.cpu().numpy()


def components(model: Model) -> tuple[Distribution, Tensor] | None:
    """A model's prior as a mixture, after training.

    Returns:
        Components of batch shape ``(U, J)`` and log π of shape ``(U,)``, U = 1 for a prior with
        independent dimensions; None for a prior that has no such form.
    """
    prior = model.prior
    zero = torch.zeros(1, model.latents, device=next(model.parameters()).device)
    one, alone = torch.ones_like(zero), zero[:, 0]
    match prior:
        case StandardNormal():
            return Normal(zero, one, validate_args=False), alone
        case FixedSpikeAndSlab():
            return SpikeAndSlab(prior.logits[None], zero, one), alone
        case LearnedSpikeAndSlab():
            learned = (prior.logits, prior.loc, prior.log_scale.exp())
            slab = SpikeAndSlab(*(parameter[None] for parameter in learned))
            return slab.warmed(prior.warm_up(1.0)), alone
        case PseudoInputMixture():
            return prior.components(model.posterior), prior.log_weights
    return None


def _beside_components(q: Distribution) -> Distribution:
    """The same posterior with batch shape ``(n, 1, J)``."""
    if isinstance(q, SpikeAndSlab):
        return SpikeAndSlab(q.logits[:, None], q.loc[:, None], q.scale[:, None])
    assert isinstance(q, Gaussian)
    return Gaussian(q.loc[:, None], q.scale[:, None])


def asked_activity(model: Model) -> float:
    """α, the share of images for which a dimension should be on; NaN for a model without it."""
    return float(model.penalty.alpha) if isinstance(model, VSC) else math.nan


def _lowest_activity(model: Model) -> float:
    """The smallest activity that what is penalised can reach; NaN where nothing is."""
    prior, penalised = model.prior, model.penalty.on
    if penalised == "none":
        return math.nan
    published = isinstance(prior, PseudoInputMixture) and prior.weights == "published"
    if published and penalised != "posterior":
        return 1 / (1 + math.exp(SPIKE_SLOPE / 2))
    return LOWEST_RATE


@torch.no_grad()
def _mixture(model: Model, x: Tensor) -> tuple[int, float]:
    """U, and the perplexity of π, or of the classifier's mean output where π is not trained."""
    prior = model.prior
    if not isinstance(prior, PseudoInputMixture):
        return 0, math.nan
    if prior.weights != "published":
        return len(prior.pseudo_inputs), float(prior.perplexity)
    share = torch.softmax(prior.classifier(x.flatten(1)), 1).mean(0)
    return len(share), float(torch.exp(-torch.xlogy(share, share).sum()))
