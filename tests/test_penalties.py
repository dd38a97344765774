"""Laws of the sparsity penalty: torch's own divergence, its stated costs and its bias."""

import math

import pytest
import torch
from torch.distributions import Bernoulli, kl_divergence

from sparsevae.models.penalties import (
    ActivityPenalty,
    activity_distance,
    activity_kl,
    bernoulli_kl,
)
from sparsevae.models.schedules import Constant, Ramp


def test_the_divergence_of_two_bernoullis_is_torchs_own():
    rate = torch.linspace(0.01, 0.99, 25, dtype=torch.float64)[:, None].expand(-1, 7)
    alpha = torch.linspace(0.02, 0.9, 7, dtype=torch.float64).expand(25, -1)
    expected = kl_divergence(Bernoulli(rate), Bernoulli(alpha))
    torch.testing.assert_close(bernoulli_kl(rate, alpha), expected)
    torch.testing.assert_close(bernoulli_kl(rate, 0.02)[:, 0], expected[:, 0])


def test_it_is_zero_at_the_target_and_finite_at_the_limits():
    rate = torch.tensor([0.0, 0.1, 1.0], dtype=torch.float64)
    expected = torch.tensor([-math.log(0.9), 0.0, -math.log(0.1)], dtype=torch.float64)
    torch.testing.assert_close(bernoulli_kl(rate, 0.1), expected)


def test_the_penalty_is_the_sum_over_dimensions_of_the_mean_over_images():
    generator = torch.Generator().manual_seed(0)
    gamma = torch.rand(40, 6, generator=generator, dtype=torch.float64)
    expected = sum(bernoulli_kl(gamma[:, j].mean(), 0.2) for j in range(6))
    torch.testing.assert_close(activity_kl(gamma, 0.2), expected)


def test_always_on_and_always_off_cost_what_the_docstring_says():
    for value, cost in ((1.0, -math.log(0.125)), (0.0, -math.log(0.875))):
        found = activity_kl(torch.full((10, 3), value, dtype=torch.float64), 0.125)
        assert float(found) == pytest.approx(3 * cost, rel=1e-4)


def test_the_bias_of_a_batch_is_half_a_nat_a_dimension_and_image():
    """Gates that are on or off, α of the time, have no cost but the J/(2B) of a small batch."""
    latents, batch, trials = 50, 100, 200
    generator = torch.Generator().manual_seed(0)
    gates = torch.rand(trials, batch, latents, generator=generator, dtype=torch.float64) < 0.25
    found = torch.stack([activity_kl(trial.double(), 0.25) for trial in gates]).mean()
    assert float(found) == pytest.approx(latents / (2 * batch), rel=0.1)


def test_repeating_the_batch_leaves_the_penalty():
    gamma = torch.rand(8, 5, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(activity_kl(gamma.repeat(3, 1), 0.3), activity_kl(gamma, 0.3))


def test_the_gradient_pulls_every_rate_towards_the_target():
    gamma = torch.tensor([[0.9, 0.5, 0.05, 0.001]], requires_grad=True)
    (gradient,) = torch.autograd.grad(activity_kl(gamma, 0.125), gamma)
    assert (gradient[0].sign() == torch.tensor([1.0, 1.0, -1.0, -1.0])).all()


def test_the_penalty_is_put_on_whom_it_is_told():
    posterior, prior = torch.rand(2, 10, 4, generator=torch.Generator().manual_seed(2))
    on_posterior = ActivityPenalty("posterior", 0.2, Constant(3.0))(posterior, prior)
    torch.testing.assert_close(on_posterior, 3 * activity_kl(posterior, 0.2))
    on_prior = ActivityPenalty("prior", 0.2, Constant(3.0))(posterior, prior)
    torch.testing.assert_close(on_prior, 3 * activity_kl(prior, 0.2))
    assert float(ActivityPenalty("none", 0.2)(posterior, prior)) == 0.0


# ------------------------------------------------------------------ symmetric


def test_the_symmetric_distance_is_the_divergence_both_ways():
    rate, alpha = torch.tensor([0.02, 0.3, 0.9]).double(), torch.tensor(0.125).double()
    found = activity_distance(rate.expand(4, 3), alpha)
    target = alpha.expand(3)
    both = bernoulli_kl(rate, target) + bernoulli_kl(target, rate)
    torch.testing.assert_close(found, both.sum())
    assert float(activity_distance(target.expand(4, 3), alpha)) == pytest.approx(0.0, abs=1e-12)


def test_closed_gates_are_pulled_open_by_the_symmetric_distance_alone():
    """Per log-odds of a gate that sinks to 0 the pull tends to α; that of the divergence to 0."""
    pulls = {}
    for distance in (activity_distance, activity_kl):
        logits = torch.tensor([-6.0, -11.0], dtype=torch.float64, requires_grad=True)
        cost = distance(torch.sigmoid(logits)[None], 0.125)
        (pulls[distance],) = torch.autograd.grad(cost, logits)
    assert -pulls[activity_distance].numpy() == pytest.approx([0.125, 0.125], rel=0.1)
    assert (pulls[activity_kl].abs() < 0.02).all()


def test_the_distance_and_its_weight_are_chosen():
    gamma = torch.rand(10, 4, generator=torch.Generator().manual_seed(2))
    ramp = Ramp(0.2, 0.6, first=4.0, last=1.0)
    penalty = ActivityPenalty("posterior", 0.2, ramp, distance="symmetric")
    for progress, weight in ((0.0, 4.0), (0.4, 2.5), (1.0, 1.0)):
        expected = weight * activity_distance(gamma, 0.2)
        torch.testing.assert_close(penalty(gamma, gamma, progress), expected)


def test_alpha_and_the_target_follow_their_schedule_up_to_one_half():
    gamma = torch.full((10, 4), 0.3)
    factor = Ramp(0.0, 1.0, first=4.0, last=1.0)
    penalty = ActivityPenalty("posterior", 0.2, target_active=0.8, alpha_factor=factor)
    penalty.price.fill_(1.0)
    for progress, alpha in ((0.0, 0.5), (0.75, 0.35), (1.0, 0.2)):
        assert float(penalty.alpha_at(progress)) == pytest.approx(alpha)
        expected = activity_kl(gamma, alpha) + (1.2 - 4 * alpha)
        torch.testing.assert_close(penalty(gamma, gamma, progress), expected)
    penalty.update(torch.tensor(1.2), progress=0.0)  # below the target of that moment, 2
    assert float(penalty.price) < 1.0
    penalty.update(torch.tensor(1.2), progress=1.0)
    penalty.update(torch.tensor(1.2), progress=1.0)
    assert float(penalty.price) > 1.0


def test_a_multiplier_of_nothing_does_not_move():
    penalty = ActivityPenalty("none", 0.1, target_active=2.0)
    for _ in range(5):
        penalty.update(torch.tensor(7.0))
    assert penalty.price == 0
