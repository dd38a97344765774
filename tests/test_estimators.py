"""Gradients through spikes: what each estimator draws, and how far its gradient is off."""

from itertools import product
from typing import get_args

import pytest
import torch

from sparsevae.models.distributions import Estimator, SpikeAndSlab

LOGITS = torch.tensor([-1.2, 0.3, 2.0], dtype=torch.float64)
DRAWS = 200_000
WEIGHT = torch.tensor([[1.0, -0.5, 0.3], [0.2, 0.8, -1.1]], dtype=torch.float64)


def quadratic(mask):
    return ((mask @ WEIGHT.T - 0.4) ** 2).sum(-1)


def quartic(mask):
    return ((mask @ WEIGHT.T - 0.4) ** 4).sum(-1) + torch.exp(mask[..., 0] - mask[..., 2])


def spikes(logits, count=DRAWS):
    """A spike and slab whose slab is exactly 1, so that a draw is its mask."""
    shape = (count, len(logits))
    return SpikeAndSlab(logits.expand(shape), torch.ones(shape).double(), torch.zeros(1).double())


def exact_gradient(function):
    """d/dl of E[f(m)] by summing over all masks."""
    logits = LOGITS.clone().requires_grad_()
    gamma = torch.sigmoid(logits)
    masks = torch.tensor(list(product((0.0, 1.0), repeat=len(logits))), dtype=torch.float64)
    weight = torch.where(masks > 0, gamma, 1 - gamma).prod(1)
    (gradient,) = torch.autograd.grad((weight * function(masks)).sum(), logits)
    return gradient


def estimated_gradients(function, estimator, temperature=0.5):
    """One gradient a draw, shape (DRAWS, J)."""
    torch.manual_seed(0)
    logits = LOGITS.expand(DRAWS, -1).clone().requires_grad_()
    slab = torch.ones_like(logits)
    codes, mask = SpikeAndSlab(logits, slab, torch.zeros_like(slab)).draw(temperature, estimator)
    assert torch.equal(codes.detach(), mask.detach())
    (gradient,) = torch.autograd.grad(function(mask).sum(), logits)
    return gradient


def bias(function, estimator):
    """Distance of the mean gradient from the exact one, and its standard error."""
    found = estimated_gradients(function, estimator)
    error = (found.var(0).sum() / DRAWS) ** 0.5
    return float((found.mean(0) - exact_gradient(function)).norm()), float(error)


def test_reinmax_is_exact_for_a_quadratic_loss():
    distance, error = bias(quadratic, "reinmax")
    assert distance < 4 * error
    assert error < 0.01


def test_straight_through_is_not():
    distance, error = bias(quadratic, "straight-through")
    assert distance > 10 * error


def test_reinmax_is_nearer_to_the_gradient_than_straight_through_beyond_quadratic_losses():
    second_order, first_order = bias(quartic, "reinmax")[0], bias(quartic, "straight-through")[0]
    assert second_order < 0.9 * first_order


def test_reinmax_has_a_smaller_variance_than_straight_through():
    second_order = estimated_gradients(quadratic, "reinmax").var(0).sum()
    first_order = estimated_gradients(quadratic, "straight-through").var(0).sum()
    assert second_order < 0.7 * first_order


@pytest.mark.parametrize("estimator", ["straight-through", "reinmax"])
def test_hard_spikes_are_exactly_zero_or_one_and_on_with_their_probability(estimator):
    torch.manual_seed(1)
    _, mask = spikes(LOGITS).draw(estimator=estimator)
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    error = 4.5 * 0.5 / DRAWS**0.5
    torch.testing.assert_close(mask.mean(0), torch.sigmoid(LOGITS), rtol=0, atol=error)


def test_soft_spikes_lie_between_and_exceed_one_half_with_their_probability():
    torch.manual_seed(1)
    _, mask = spikes(LOGITS).draw(0.1, "concrete")
    assert ((mask > 0) & (mask < 1)).any()
    error = 4.5 * 0.5 / DRAWS**0.5
    on = (mask > 0.5).double().mean(0)
    torch.testing.assert_close(on, torch.sigmoid(LOGITS), rtol=0, atol=error)


@pytest.mark.parametrize("estimator", get_args(Estimator))
def test_every_estimator_gives_every_logit_a_gradient(estimator):
    found = estimated_gradients(quartic, estimator)
    assert found.isfinite().all()
    assert (found.mean(0) != 0).all()
