"""The score of a decoder that says the same of every row: what any code must beat.

Shape legend: N rows of shape (D,) or (C, H, W).
"""

from typing import Any

import torch
from torch import Tensor

from sparsevae.models.likelihoods.table import Named, family

ROUNDS = 60  # of L-BFGS; the elements are independent, so that a few suffice
CURVATURES = 10  # it remembers


def constant_score(likelihood: Named, output: Tensor, rows: Tensor) -> float:
    """−log p(x) of the best parameters that are the same for all rows, nats a row.

    Whatever the family, the parameters are found by maximum likelihood: for a Gaussian the mean
    row and the variance around it.

    Args:
        likelihood: as :func:`family` takes it.
        output: of a decoder for one code, shape ``(1, ...)``; where the search starts.
        rows: where the likelihood is defined, shape ``(N, *shape)``.
    """
    kind: Any
    kind, settings = family(likelihood)
    raw = output.detach().float().clone()
    one = kind.trained == "one"  # its last block is one number, repeated
    width = rows.shape[1] if one else 0
    start = raw[:, : raw.shape[1] - width].clone().requires_grad_()
    free = raw.flatten()[-1].clone().requires_grad_()

    def parameters() -> Tensor:
        if not one:
            return start
        return torch.cat([start, free.expand(1, *rows.shape[1:])], 1)

    def score() -> Tensor:
        observed = kind(parameters().expand(len(rows), *raw.shape[1:]), **settings)
        nats: Tensor = -observed.log_prob(rows).mean()
        return nats

    wanted = [start, free] if one else [start]
    search = torch.optim.LBFGS(
        wanted, max_iter=ROUNDS, history_size=CURVATURES, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        search.zero_grad()
        value = score()
        value.backward()
        return value

    with torch.enable_grad():
        search.step(closure)
    return float(score().detach())
