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
from torch.distributions import Normal, kl_divergence

from sparsevae.evaluation import limits
from sparsevae.evaluation.one_pass import Pass
from sparsevae.evaluation.passes import ABLATION_IMAGES, fixed_noise, rows_at_once
from sparsevae.metrics import sparsity
from sparsevae.models import Model
from sparsevae.models.distributions import SpikeAndSlab
from sparsevae.storage.arrays import Floats

Mask = npt.NDArray[np.bool_]

SHUT, OPEN = 0.01, 0.99  # a gate below, or above, for every image decides nothing
CHUNK = 100  # images, or fewer, whose divergence from every component is held at a time
SEED = 0  # of the draws, and of who gets whose code
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
        total_kl: KL(q(z|x) ‖ p(z)), nats per image; NaN for codes that are points.
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
        ablation_cost: nats that the reconstruction loses without a dimension, shape ``(J,)``.
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
    ablation_cost: Floats

    def as_json(self) -> dict[str, Any]:
        """Every number by its name, in plain JSON with null for NaN."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return [_plain(entry) for entry in value.tolist()]
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    return value


def gather(one: Pass) -> Statistics:
    """The statistics of a model.

    What needs many decodings, and the KL of a dimension, is taken over the first 1,000 rows, or
    as many as a batch has where rows are large.
    Scores are those of scaled rows.
    """
    model, measured = one.model, one.measured
    where = next(model.parameters()).device
    some = min(ABLATION_IMAGES, rows_at_once(model))
    x, target = (torch.from_numpy(a[:some]).to(where) for a in (one.x, one.target))
    code_use, slab_use = _uses(model, x, target)
    kl, prior_gamma = _against_prior(model, x)
    perplexity = model.prior.perplexity(x)
    parts = 0 if perplexity is None else len(model.prior.mixture(model.posterior).log_weights)
    return Statistics(
        gated=measured.gated,
        reconstruction=float(measured.reconstruction.mean()),
        mean_image=one.collapse_floor,
        pixel_variance=one.pixel_variance,
        code_use=code_use,
        slab_use=slab_use,
        total_kl=math.nan if one.codes_are_points else float(measured.kl.mean()),
        warm_up=float(model.warm_up(1.0)),
        alpha=_number(model.target_share),
        lowest_alpha=_number(model.least_share),
        components=parts,
        perplexity=_number(perplexity),
        kl=kl,
        gamma=measured.gamma.mean(0),
        on_share=sparsity.on_share(measured.gamma),
        shut=np.asarray(measured.gamma.max(0) < SHUT),
        open=np.asarray(measured.gamma.min(0) > OPEN),
        prior_gamma=prior_gamma,
        ablation_cost=one.ablation_cost,
    )


@torch.no_grad()
def _uses(model: Model, x: Tensor, target: Tensor) -> tuple[float, float]:
    """Nats that the codes of other images, and the slabs of others, cost."""
    with fixed_noise(SEED):
        q = model.posterior(x)
        slabs = model.has_gates and model.prior.has_density
        z, mask = q.gated().draw() if slabs else (q.rsample(), None)
        others = z[torch.randperm(len(z))]
        exchanged = None if mask is None else exchange_slabs(z, mask)
    own = _score(model, z, target)
    slab_use = math.nan if exchanged is None else _score(model, exchanged, target) - own
    return _score(model, others, target) - own, slab_use


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
    if not model.prior.has_density:
        return unknown, unknown
    log_pi, p = model.prior.mixture(model.posterior)
    kl = torch.zeros(model.latents, device=x.device)
    for chunk in x.split(limits.rows_at_once(p.loc.numel(), CHUNK)):
        q = model.posterior(chunk).gated().indexed((slice(None), None))
        divergences = _divergences(q, p, model.has_gates)  # (n, U, J)
        weights = torch.softmax(log_pi - divergences.sum(-1), 1)  # (n, U)
        kl += torch.einsum("nu,nuj->j", weights, divergences)
    spikes = (log_pi.exp() @ p.spike_probability).cpu().numpy() if model.has_gates else unknown
    return (kl / len(x)).cpu().numpy(), spikes


def _divergences(q: SpikeAndSlab, p: SpikeAndSlab, gates: bool) -> Tensor:
    """KL of every dimension; without gates that of the slabs alone, which cancels less."""
    if gates:
        return kl_divergence(q, p)
    slabs = (Normal(each.loc, each.scale, validate_args=False) for each in (q, p))
    return kl_divergence(*slabs)


def _number(value: float | None) -> float:
    return math.nan if value is None else value
