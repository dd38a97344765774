"""A posterior that is moved towards the best one of its row by gradient steps on the bound.

An encoder serves all rows with one network and misses the best posterior of each by some nats,
the amortisation gap (Cremer et al. 2018). From where it points, Adam climbs

    ELBO = E_q[log p(x|z)] − KL(q(z|x) ‖ p(z))

in each dimension's own units, the expectation over a few draws a step. The bound holds of any q.

Shape legend: B rows, J latent dimensions.
"""

import torch
from torch import Tensor

from sparsevae.errors import ConfigurationError
from sparsevae.models import Model
from sparsevae.models.distributions import Posterior
from sparsevae.networks.adam import Adam

DRAWS = 8  # a step: with one, the noise of the gates' gradient undoes what is gained
RATE, MOMENTS = 0.1, (0.9, 0.95)  # of Adam; the rate falls to 0


def posterior(model: Model, x: Tensor, steps: int, target: Tensor | None = None) -> Posterior:
    """q(z|x) of the encoder, then moved by gradient steps; draws are torch's generator's.

    Args:
        model: in evaluation mode.
        x: rows as the model takes them, shape ``(B, *shape)``.
        steps: how many; 0 leaves the encoder's.
        target: the rows that are scored where they are not ``x``.

    Raises:
        ConfigurationError: fewer than 0 steps, a model without a bound, or one whose posterior
            has no numbers to move.
    """
    if steps < 0:
        raise ConfigurationError(f"A posterior is refined by 0 steps or more, not {steps}.")
    with torch.no_grad():
        q: Posterior = model.posterior(x)
    if not steps:
        return q
    if not (model.has_bound and q.numbers):
        raise ConfigurationError(
            "Only the posterior of a model with a bound, a normal or a spike and slab, can be "
            "refined; take 0 steps."
        )
    scored = x if target is None else target
    moved = torch.zeros(q.numbers, *q.loc.shape, device=x.device, requires_grad=True)
    optimiser = Adam([moved], betas=MOMENTS)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / steps)
        with torch.enable_grad():
            loss = _negative_elbo(model, q.moved(moved), x, scored).sum()
        (moved.grad,) = torch.autograd.grad(loss, [moved])
        optimiser.step()
    return q.moved(moved.detach())


def _negative_elbo(model: Model, q: Posterior, x: Tensor, scored: Tensor) -> Tensor:
    """−ELBO of every row, the reconstruction as the mean of a few draws, nats, ``(B,)``."""
    drawn = [-model.likelihood(model.draw(q, 1.0)).log_prob(scored) for _ in range(DRAWS)]
    kl: Tensor = model.prior.kl(q, x, model.posterior, 1.0).kl
    return torch.stack(drawn).mean(0) + kl
