"""What a model expects where rows have gaps.

Codes z₁ … z_K are drawn from q(z | what is there) and weighted by how well they explain it, which
tends to the posterior itself as K grows:

    E[x | what is there] ≈ Σ_k w_k E[x|z_k],  w_k ∝ p(what is there|z_k) p(z_k) / q(z_k).

Source: Mattei and Frellsen 2019, "MIWAE: deep generative modelling and imputation of incomplete
data sets", equation 12.

Shape legend: N rows of D elements, K codes drawn for each, J latent dimensions.
"""

import numpy as np
import torch
from torch import Tensor

from sparsevae.evaluation.bound import drawn_codes, weights_of
from sparsevae.evaluation.passes import fixed_noise
from sparsevae.models import Model
from sparsevae.models.distributions import Mixture
from sparsevae.storage.arrays import Floats

DRAWS = 100
DECODED = 2**22  # numbers that are decoded at once


@torch.no_grad()
def expected(model: Model, x: Floats, *, draws: int = DRAWS, seed: int = 0) -> Floats:
    """The mean of every element given what is there of its row, scaled, shape ``(N, D)``.

    Of a model whose prior has no density, or that is no bound, it is the mean of p(x | code).

    Args:
        model: in evaluation mode, of rows that may have gaps.
        x: scaled rows, NaN at gaps, shape ``(N, D)``.
        draws: K.
        seed: of the draws.
    """
    where = next(model.parameters()).device
    weighted = model.has_bound and model.prior.has_density
    prior = model.prior.mixture(model.posterior) if weighted else None
    group, parts = max(1, DECODED // (draws * x.shape[1])), [np.empty((0, x.shape[1]), np.float32)]
    with fixed_noise(seed):
        for start in range(0, len(x), group):
            rows = torch.from_numpy(x[start : start + group]).to(where)
            mean = model.reconstruct(rows) if prior is None else _mean(model, rows, draws, prior)
            parts.append(mean.cpu().numpy())
    return np.concatenate(parts)


def _mean(model: Model, x: Tensor, draws: int, prior: Mixture) -> Tensor:
    codes, mask, log_q = drawn_codes(model.posterior(x).gated(), draws)
    observed = model.likelihood(codes)
    log_p = observed.log_prob(x.repeat_interleave(draws, 0))
    weights = weights_of(log_p, codes, mask, log_q, prior).view(len(x), draws).softmax(1)
    means = observed.mean.view(len(x), draws, -1)
    return (weights[:, :, None].to(means.dtype) * means).sum(1)
