"""Laws of p(x|z): densities that integrate to 1, their means, and torch's own where it has one."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from torch import distributions
from torch.distributions import Bernoulli, Distribution, Independent
from torch.nn import functional

from sparsevae.data.scaling import choose as choose_scaling
from sparsevae.data.scaling import fit_scaling, values_of
from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.models.likelihoods import (
    LIKELIHOODS,
    ContinuousBernoulli,
    FixedGaussian,
    GreyBernoulli,
    LearnedGaussian,
    Poisson,
    check_domain,
    choose,
    family,
)

NORMALISED = [name for name, found in LIKELIHOODS.items() if found.normalised]
each_family = pytest.mark.parametrize("name", LIKELIHOODS)


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


# ------------------------------------------------------------------ the table


def support(found):
    """Values that cover a family's domain, shape (N, 1), and the weight of each in a sum."""
    if found.draws:
        return torch.tensor([[0.0], [1.0]]).double(), 1.0
    if found.domain == "counts":
        return torch.arange(400.0).double()[:, None], 1.0
    low, high = (0.0, 1.0) if found.domain == "unit" else (-60.0, 60.0)
    values = torch.linspace(low, high, 60_001, dtype=torch.float64)[:, None]
    weights = torch.full_like(values, (high - low) / 60_000)
    weights[[0, -1]] /= 2  # the trapezoidal rule
    return values, weights


def numbers(name):
    """How many numbers an element a family takes, trained ones among them."""
    return LIKELIHOODS[name].outputs + (LIKELIHOODS[name].trained != "none")


def raw(name, *values):
    """A decoder's output for one element, shape (N, k): the numbers, then a width where needed."""
    column = torch.tensor(values).double()[:, None]
    return torch.cat([column, 0.5 * column + 0.3], 1)[:, : numbers(name)]


@pytest.mark.parametrize("number", [-4.0, -1.01, -0.99, 0.0, 1e-4, 0.7, 1.01, 3.0])
@pytest.mark.parametrize("name", [n for n in NORMALISED if LIKELIHOODS[n].reading != "logs"])
def test_densities_add_up_to_one_and_have_the_mean_they_name(name, number):
    found = LIKELIHOODS[name]
    values, weights = support(found)
    one = raw(name, number)
    density = found(one.expand(len(values), -1)).log_prob(values).exp()[:, None]
    one_total = torch.ones(1).double()
    torch.testing.assert_close((weights * density).sum(0), one_total, rtol=1e-6, atol=1e-6)
    mean = (weights * density * values).sum(0)
    torch.testing.assert_close(mean, found(one).mean[0], rtol=1e-6, atol=1e-6)


@each_family
def test_samples_have_the_mean_and_lie_in_the_domain(name):
    torch.manual_seed(0)
    likelihood = LIKELIHOODS[name](raw(name, -2.0, 0.0, 0.4, 2.5))
    samples = likelihood.sample((40_000,))
    assert samples.shape == (40_000, 4, 1)
    error = samples.std(0) / len(samples) ** 0.5
    assert ((samples.mean(0) - likelihood.mean).abs() < 4.5 * error).all()
    if likelihood.domain == "unit":
        assert ((samples >= 0) & (samples <= 1)).all()
    if likelihood.domain == "counts":
        assert torch.equal(samples, samples.floor().abs())


@each_family
def test_elements_are_summed_and_images_scored_like_vectors(name):
    generator = torch.Generator().manual_seed(0)
    k = numbers(name)
    output = torch.randn(3, k * 2, 4, 5, generator=generator)
    value = torch.randint(0, 2, (3, 2, 4, 5), generator=generator).float()
    images = LIKELIHOODS[name](output)
    assert isinstance(images, Distribution)
    assert images.mean.shape == images.element_log_prob(value).shape == value.shape
    assert images.log_prob(value).shape == images.batch_shape == (3,)
    assert images.event_shape == (2, 4, 5)
    torch.testing.assert_close(
        images.log_prob(value), images.element_log_prob(value).sum((1, 2, 3))
    )
    vectors = LIKELIHOODS[name](output.reshape(3, -1))
    torch.testing.assert_close(vectors.log_prob(value.flatten(1)), images.log_prob(value))


@each_family
def test_scores_and_gradients_are_finite_for_any_output(name):
    found = LIKELIHOODS[name]
    grid = torch.tensor([-1e4, -90.0, -1.0, -1e-6, 0.0, 1e-6, 1.0, 90.0, 1e4])[:, None]
    output = grid.expand(-1, numbers(name)).clone().requires_grad_()
    for value in (0.0, 1.0):
        score = found(output).log_prob(torch.full_like(grid, value))
        (gradient,) = torch.autograd.grad(score.sum(), output)
        assert score.isfinite().all()
        assert gradient.isfinite().all()
    assert found(output).mean.isfinite().all()


@pytest.mark.parametrize("name", NORMALISED)
def test_scores_have_the_gradient_of_a_difference(name):
    output = raw(name, -3.0, -1.01, -0.99, 0.0, 0.99, 1.01, 3.0).requires_grad_()
    value = torch.ones(len(output), 1).double()
    assert torch.autograd.gradcheck(lambda o: LIKELIHOODS[name](o).log_prob(value), output)


def test_the_continuous_bernoulli_is_torchs_own_away_from_its_expansion():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(50, 6, generator=generator).double()
    value = torch.rand(50, 6, generator=generator).double()
    reference = distributions.ContinuousBernoulli(logits=logits, lims=(0.4999, 0.5001))
    found = ContinuousBernoulli(logits)
    torch.testing.assert_close(found.element_log_prob(value), reference.log_prob(value))
    torch.testing.assert_close(found.mean, reference.mean, rtol=5e-6, atol=0)


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_the_continuous_bernoulli_has_no_step_where_its_series_ends(sign):
    joint = torch.tensor([[1 - 1e-12], [1 + 1e-12]]).double() * sign
    found = ContinuousBernoulli(joint)
    for low, high in (found.mean, found.log_prob(torch.ones_like(joint))):
        torch.testing.assert_close(low, high, rtol=5e-6, atol=0)


@pytest.mark.parametrize("logit", [-6.0, -1e-9, 1e-4, 3.0, 30.0])
def test_samples_of_the_continuous_bernoulli_follow_its_distribution(logit):
    """Its distribution function is (e^{lx} − 1) / (e^l − 1)."""
    torch.manual_seed(0)
    drawn = ContinuousBernoulli(torch.full((5000, 1), logit)).sample()[:, 0].double().numpy()
    assert stats.kstest(drawn, lambda x: np.expm1(logit * x) / np.expm1(logit)).pvalue > 1e-3


def test_gaussians_are_torchs_own_and_the_learned_width_has_a_floor():
    generator = torch.Generator().manual_seed(0)
    loc, free, value = torch.randn(3, 5, 6, generator=generator)
    fixed = FixedGaussian(loc, scale=0.3)
    torch.testing.assert_close(
        fixed.element_log_prob(value), distributions.Normal(loc, 0.3).log_prob(value)
    )
    learned = LearnedGaussian(torch.cat([loc, free], 1), floor=0.2)
    scale = 0.2 + functional.softplus(free)
    torch.testing.assert_close(
        learned.element_log_prob(value), distributions.Normal(loc, scale).log_prob(value)
    )
    known_by_heart = LearnedGaussian(torch.tensor([[0.5, -1e6]]), floor=0.2)
    best = distributions.Normal(0.0, 0.2).log_prob(torch.tensor(0.0))
    torch.testing.assert_close(known_by_heart.log_prob(torch.tensor([[0.5]]))[0], best)


def test_the_poisson_is_torchs_own_and_its_rate_goes_on_straight_beyond_its_limit():
    log_rate = torch.linspace(-5, 9.9, 20).double()[:, None]
    value = torch.arange(20.0).double()[:, None]
    expected = distributions.Poisson(log_rate.exp()).log_prob(value)
    torch.testing.assert_close(Poisson(log_rate).element_log_prob(value), expected)
    beyond = torch.tensor([[10.0], [11.0], [12.0]]).double()
    rates = Poisson(beyond).mean.flatten()
    torch.testing.assert_close(rates / rates[0], torch.tensor([1.0, 2.0, 3.0]).double())


def test_families_by_name_and_with_settings():
    assert family("poisson") == (Poisson, {})
    assert family({"kind": "gaussian", "floor": 1}) == (LearnedGaussian, {"floor": 1.0})


@pytest.mark.parametrize(
    ("likelihood", "named"),
    [
        ("cauchy", "cauchy"),
        ({"floor": 0.1}, "None"),
        ({"kind": "gaussian", "width": 0.1}, "width"),
        ({"kind": "gaussian", "floor": 0.0}, "floor"),
        ({"kind": "fixed-gaussian", "scale": "wide"}, "wide"),
        ({"kind": "fixed-gaussian", "scale": float("inf")}, "inf"),
        ({"kind": "bernoulli", "raw": 1.0}, "raw"),
    ],
    ids=str,
)
def test_a_wrong_family_is_one_sentence(likelihood, named):
    with pytest.raises(ConfigurationError) as caught:
        family(likelihood)
    assert named in str(caught.value)
    assert str(caught.value).endswith(".")


# ------------------------------------------------------------------ choices


@pytest.mark.parametrize(
    ("x", "name"),
    [
        (np.array([[0, 1], [1, 1]]), "bernoulli"),
        (np.array([[True, False]]), "bernoulli"),
        (np.array([[-1.0, 1.0]]), "bernoulli"),
        (np.array([[0.0, 0.01, 1.0], [1.0, 0.99, 0.0]]), "bernoulli"),
        (np.array([[0.0, 0.3, 1.0], [0.6, 0.5, 0.1]]), "diagonal-gaussian"),
        (np.array([[0, 254, 255], [255, 2, 0]]), "bernoulli"),
        (np.array([[0, 128, 255], [100, 2, 90]]), "diagonal-gaussian"),
        (np.array([[[0, 7], [3, 9]]], dtype=np.uint8), "shared-gaussian"),
        (np.array([[[0.5, 7], [3, 9]]]), "shared-gaussian"),
        (np.tile([[0, 7, 3], [16, 16, 1]], (9, 1)), "diagonal-gaussian"),
        (np.array([[0, 7, 3]], dtype=np.uint8), "poisson"),
        (np.array([[0.0, 7.0, 3.0]]), "poisson"),
        (np.array([[0, 70_000, 3]]), "diagonal-gaussian"),
        (np.array([[-1, 0, 1]]), "diagonal-gaussian"),
        (np.array([[0.0, 7.5, 3.0]]), "diagonal-gaussian"),
        (np.array([[3.5, 3.5]]), "diagonal-gaussian"),
    ],
    ids=str,
)
def test_the_family_is_chosen_from_the_values(x, name):
    chosen, reason = choose(x)
    assert chosen == name
    assert reason.endswith(".")
    assert f"{x.max():g}" in reason


values = st.one_of(
    st.floats(-1e6, 1e6, width=32), st.integers(0, 255).map(float), st.floats(0, 1, width=32)
)


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=2, max_dims=2), elements=values))
@settings(max_examples=60, deadline=None)
def test_the_chosen_family_holds_for_the_scaled_data(x):
    name, _ = choose(x)
    kind = choose_scaling(LIKELIHOODS[name].domain, values_of(x))
    scaled = fit_scaling(kind, x).apply(x)
    check_domain(name, scaled)
    assert np.isfinite(scaled).all()


@pytest.mark.parametrize(
    ("name", "x"), [("bernoulli", [0, 1.5]), ("continuous-bernoulli", [-1, 0]), ("poisson", [0.5])]
)
def test_data_elsewhere_are_refused_in_one_sentence(name, x):
    with pytest.raises(DatasetError, match=rf"^[^\n]*'{name}'[^\n]*\.$"):
        check_domain(name, np.array([x]))
