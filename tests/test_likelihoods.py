"""Laws of p(x|z): torch's own Bernoulli where it is defined, linear in grey values between."""

import pytest
import torch
from torch.distributions import Bernoulli, Distribution, Independent

from sparsevae.likelihoods import GreyBernoulli


@pytest.fixture
def logits():
    return 3 * torch.randn(5, 2, 4, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def binary(logits):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, 2, logits.shape, generator=generator).float()


def test_binary_images_get_torchs_own_score_summed_over_pixels(logits, binary):
    likelihood = GreyBernoulli(logits)
    assert isinstance(likelihood, Distribution)
    assert (likelihood.batch_shape, likelihood.event_shape) == ((5,), (2, 4, 3))
    expected = Independent(Bernoulli(logits=logits), 3).log_prob(binary)
    torch.testing.assert_close(likelihood.log_prob(binary), expected)


def test_grey_values_lie_on_the_line_between_black_and_white(logits):
    likelihood = GreyBernoulli(logits)
    black, white = torch.zeros_like(logits), torch.ones_like(logits)
    third = likelihood.log_prob(torch.full_like(logits, 1 / 3))
    expected = likelihood.log_prob(white) / 3 + likelihood.log_prob(black) * 2 / 3
    torch.testing.assert_close(third, expected)


def test_the_best_logits_of_an_image_are_its_own():
    image = torch.linspace(0.05, 0.95, 20).reshape(1, 1, 4, 5)
    best = GreyBernoulli(torch.logit(image)).log_prob(image)
    for shift in (-0.3, 0.3):
        assert GreyBernoulli(torch.logit(image) + shift).log_prob(image) < best


def test_vectors_are_scored_like_images(logits, binary):
    flat = GreyBernoulli(logits.flatten(1)).log_prob(binary.flatten(1))
    torch.testing.assert_close(flat, GreyBernoulli(logits).log_prob(binary))


def test_mean_and_samples_agree(logits):
    torch.manual_seed(0)
    likelihood = GreyBernoulli(logits)
    assert torch.equal(likelihood.mean, torch.sigmoid(logits))
    samples = likelihood.sample((20_000,))
    assert samples.shape == (20_000, *logits.shape)
    assert set(samples.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(samples.mean(0), likelihood.mean, rtol=0, atol=0.02)


def test_certain_pixels_have_finite_scores_and_gradients():
    logits = torch.tensor([[[[-200.0, 200.0, -200.0, 200.0]]]], requires_grad=True)
    score = GreyBernoulli(logits).log_prob(torch.tensor([[[[0.0, 1.0, 1.0, 0.0]]]]))
    (gradient,) = torch.autograd.grad(score, logits)
    torch.testing.assert_close(score, torch.tensor([-400.0]))
    torch.testing.assert_close(gradient.flatten(), torch.tensor([0.0, 0.0, 1.0, -1.0]))
