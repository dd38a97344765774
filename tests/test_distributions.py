"""Laws of the posteriors: closed forms equal Monte Carlo, quadrature and enumeration."""

import itertools

import pytest
import torch
from torch.distributions import Bernoulli, Distribution, Normal, kl_divergence

from sparsevae.models import VAE
from sparsevae.models.distributions import Gaussian, Point, SpikeAndSlab, held, pairwise_kl

STANDARD_ERRORS = 4.5


def some(batch, latents, *, seed, logit=1.5, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    draws = torch.randn(3, batch, latents, generator=generator, dtype=dtype)
    return SpikeAndSlab(logit * draws[0], draws[1], (0.5 * draws[2]).exp())


def extreme(batch, *, seed, dtype=torch.float64):
    """Spikes that are certain, nearly certain and open, over slabs of very different widths."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.tensor([-20.0, -20.0, -3.0, 0.0, 3.0, 20.0, 20.0])
    loc, log_scale = torch.randn(2, batch, len(logits), generator=generator)
    order = torch.stack([torch.randperm(len(logits), generator=generator) for _ in range(batch)])
    parts = (logits[order], 2 * loc, log_scale.exp())
    return SpikeAndSlab(*(part.to(dtype) for part in parts))


def log_density(q, z, mask):
    """By torch's own Bernoulli and Normal, base measure Lebesgue + an atom at 0."""
    slab = Normal(q.loc, q.scale).log_prob(z)
    return Bernoulli(logits=q.logits).log_prob(mask) + mask * slab


def many(q, count):
    parts = (p.expand(count, *p.shape[1:]) for p in (q.logits, q.loc, q.scale))
    return SpikeAndSlab(*parts)


def test_posteriors_are_torch_distributions_with_a_batch_shape():
    q = some(4, 3, seed=0)
    for posterior in (Point(q.loc), Gaussian(q.loc, q.scale), q):
        assert isinstance(posterior, Distribution)
        assert posterior.batch_shape == (4, 3)
        assert posterior.event_shape == ()
        assert posterior.rsample((2, 5)).shape == (2, 5, 4, 3)
        assert posterior.code.shape == posterior.mean.shape == (4, 3)


def test_a_point_and_a_gaussian_take_their_location_as_the_code():
    q = some(4, 3, seed=0)
    torch.testing.assert_close(Point(q.loc).rsample((2,)), q.loc.expand(2, 4, 3))
    torch.testing.assert_close(Gaussian(q.loc, q.scale).code, q.loc)
    torch.testing.assert_close(Point(q.loc).code, q.loc)


# ------------------------------------------------------------------ divergence


def test_closed_form_of_the_divergence_equals_monte_carlo():
    torch.manual_seed(0)
    q, p = some(1, 8, seed=1), some(1, 8, seed=2)
    z, mask = many(q, 200_000).draw()
    ratios = log_density(q, z, mask) - log_density(p, z, mask)
    error = ratios.std(0) / len(ratios) ** 0.5
    difference = (ratios.mean(0) - kl_divergence(q, p)[0]).abs()
    assert (difference < STANDARD_ERRORS * error).all()
    assert (error < 0.02).all()


@pytest.mark.parametrize("make", [some, lambda batch, latents, seed: extreme(batch, seed=seed)])
def test_divergence_is_zero_from_itself_and_never_negative(make):
    q, p = make(50, 7, seed=1), make(50, 7, seed=2)
    torch.testing.assert_close(kl_divergence(q, q), torch.zeros_like(q.loc))
    assert (kl_divergence(q, p) > 0).all()


def test_certain_spikes_leave_the_gaussian_divergence():
    q, p = some(6, 5, seed=1), some(6, 5, seed=2)
    on = torch.full_like(q.logits, 40.0)
    found = kl_divergence(SpikeAndSlab(on, q.loc, q.scale), SpikeAndSlab(on, p.loc, p.scale))
    expected = kl_divergence(Normal(q.loc, q.scale), Normal(p.loc, p.scale))
    torch.testing.assert_close(found, expected)


def test_equal_slabs_leave_the_bernoulli_divergence():
    q, p = some(6, 5, seed=1), some(6, 5, seed=2)
    found = kl_divergence(q, SpikeAndSlab(p.logits, q.loc, q.scale))
    expected = kl_divergence(Bernoulli(logits=q.logits), Bernoulli(logits=p.logits))
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float64, 1e-10), (torch.float32, 2e-5)], ids=str
)
@pytest.mark.parametrize("kind", ["ordinary", "extreme"])
def test_pairwise_divergence_is_the_elementwise_one_summed(kind, dtype, tolerance):
    if kind == "extreme":
        q, p = extreme(9, seed=1, dtype=dtype), extreme(5, seed=2, dtype=dtype)
    else:
        q, p = some(9, 7, seed=1, dtype=dtype), some(5, 7, seed=2, dtype=dtype)
    wide = SpikeAndSlab(*(part.double()[:, None] for part in (q.logits, q.loc, q.scale)))
    tall = SpikeAndSlab(*(part.double()[None] for part in (p.logits, p.loc, p.scale)))
    expected = kl_divergence(wide, tall).sum(-1)  # (B, U)
    found = pairwise_kl(q, p)
    assert found.dtype == dtype
    assert found.shape == (9, 5)
    torch.testing.assert_close(found.double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("autocast", [False, True], ids=["float32", "bf16"])
@pytest.mark.parametrize("mean", [0.0, 13.0, 300.0])
def test_pairwise_divergence_does_not_cancel_far_from_zero(mean, autocast):
    """Against one element at a time in double precision, for narrow slabs far from 0."""
    generator = torch.Generator().manual_seed(0)
    logits, noise = (torch.randn(40, 64, generator=generator) for _ in range(2))
    q = SpikeAndSlab(3 * logits, mean + 0.05 * noise, torch.full_like(noise, 0.03))
    wide, tall = (
        SpikeAndSlab(*(part.double()[index] for part in (q.logits, q.loc, q.scale)))
        for index in ((slice(None), None), None)
    )
    expected = kl_divergence(wide, tall).sum(-1)
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        found = pairwise_kl(q, q)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-3)


def test_pairwise_divergence_of_parameters_in_bfloat16_is_theirs():
    """Halved precision may round what the encoder gives, not what is added up from it."""
    q, p = some(9, 7, seed=1, dtype=torch.float32), some(5, 7, seed=2, dtype=torch.float32)
    q, p = (
        SpikeAndSlab(*(part.bfloat16() for part in (d.logits, d.loc, d.scale))) for d in (q, p)
    )
    exact = [SpikeAndSlab(*(v.double() for v in (d.logits, d.loc, d.scale))) for d in (q, p)]
    found = pairwise_kl(q, p)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), pairwise_kl(*exact), rtol=1e-5, atol=1e-4)


# ------------------------------------------------------------------ density


def test_density_and_atom_add_up_to_one_and_give_the_moments():
    q = some(1, 6, seed=3)
    z = torch.linspace(-30, 30, 60_001, dtype=torch.float64)[:, None]
    on = torch.ones_like(z).expand(-1, 6)
    slab = q.log_prob_of(z.expand(-1, 6), on).exp()
    atom = q.log_prob_of(torch.zeros(1, 6).double(), torch.zeros(1, 6)).exp()[0]
    moments = [torch.trapezoid(z**power * slab, z, dim=0) for power in range(3)]
    torch.testing.assert_close(moments[0] + atom, torch.ones_like(atom))
    torch.testing.assert_close(moments[1], q.mean[0])
    torch.testing.assert_close(moments[2] - moments[1] ** 2, q.variance[0])


def test_density_is_that_of_torch_and_finite_at_extreme_spikes():
    torch.manual_seed(0)
    q = extreme(40, seed=4)
    z, mask = q.draw()
    found = q.log_prob_of(z, mask)
    torch.testing.assert_close(found, log_density(q, z, mask.round()))
    assert found.isfinite().all()


# ------------------------------------------------------------------ draws


def test_the_mask_is_exactly_zero_or_one_and_off_means_exactly_zero():
    torch.manual_seed(0)
    z, mask = many(some(1, 6, seed=5, dtype=torch.float32), 5000).draw()
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert (z[mask == 0] == 0).all()
    assert (z[mask == 1] != 0).all()


def test_moments_of_draws_equal_the_closed_form():
    torch.manual_seed(0)
    q = some(1, 8, seed=6)
    z = q.rsample((200_000,))[:, 0]
    error = z.std(0) / len(z) ** 0.5
    assert ((z.mean(0) - q.mean[0]).abs() < STANDARD_ERRORS * error).all()
    squares = (z - q.mean[0]) ** 2
    error = squares.std(0) / len(z) ** 0.5
    assert ((squares.mean(0) - q.variance[0]).abs() < STANDARD_ERRORS * error).all()


@pytest.mark.parametrize("rate", [1e-4, 1e-3, 0.01, 0.125, 0.5, 0.9, 0.999])
def test_a_dimension_is_on_with_its_spike_probability_however_small(rate):
    torch.manual_seed(0)
    count = 1_000_000
    logits = torch.logit(torch.full((count, 1), rate, dtype=torch.float64)).float()
    mask = SpikeAndSlab(logits, torch.ones(count, 1), torch.ones(count, 1)).draw()[1]
    error = (rate * (1 - rate) / count) ** 0.5
    assert abs(float(mask.mean()) - rate) < STANDARD_ERRORS * error


def test_a_seed_fixes_the_draw():
    q = some(5, 4, seed=7)
    torch.manual_seed(3)
    first = q.draw()
    torch.manual_seed(3)
    again = q.draw()
    other = q.draw()
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not torch.equal(first[0], other[0])


def test_relaxed_spikes_lie_between_and_order_like_exact_ones():
    q = some(2000, 3, seed=8)
    torch.manual_seed(0)
    relaxed = q.draw(estimator="concrete")[1]
    torch.manual_seed(0)
    exact = q.draw()[1]
    assert ((relaxed > 0) & (relaxed < 1)).all()
    assert torch.equal((relaxed > 0.5).double(), exact)


# ------------------------------------------------------------------ gradients


def expectation(q, slopes):
    """E[Σ_j a_j z_j] by enumeration of all masks, differentiable in the parameters."""
    gamma, total = torch.sigmoid(q.logits[0]), 0.0
    for mask in itertools.product((0.0, 1.0), repeat=len(slopes)):
        m = torch.tensor(mask, dtype=torch.float64)
        probability = torch.where(m > 0, gamma, 1 - gamma).prod()
        total = total + probability * (m * q.loc[0] * slopes).sum()
    return total


def test_the_gradient_reaches_the_logits_with_the_right_sign_and_size():
    torch.manual_seed(0)
    slopes = torch.tensor([1.0, -2.0, 0.5, 3.0], dtype=torch.float64)
    q = some(1, 4, seed=9, logit=1.0)
    for leaf in (q.logits, q.loc):
        leaf.requires_grad_()
    exact = torch.autograd.grad(expectation(q, slopes), (q.logits, q.loc))
    z, _ = many(q, 200_000).draw()
    found = torch.autograd.grad((z * slopes).sum(1).mean(), (q.logits, q.loc))
    ratio = found[0] / exact[0]
    assert ((ratio > 0.6) & (ratio < 1.4)).all()
    torch.testing.assert_close(found[1], exact[1], rtol=0.02, atol=0.0)


def test_a_colder_relaxation_has_less_bias():
    q = some(1, 4, seed=9, logit=1.0)
    q.logits.requires_grad_()
    exact = torch.autograd.grad((q.mean).sum(), q.logits)[0]
    bias = []
    for temperature in (1.0, 0.3):
        torch.manual_seed(0)
        z, _ = many(q, 200_000).draw(temperature)
        found = torch.autograd.grad(z.sum(1).mean(), q.logits)[0]
        bias.append(float((found / exact - 1).abs().mean()))
    assert bias[1] < 0.5 * bias[0]


# ------------------------------------------------------------------ code, warm-up


def test_the_code_is_the_gated_location_with_exact_zeros():
    q = some(200, 6, seed=10, dtype=torch.float32)
    expected = q.loc * (q.spike_probability > 0.5)
    assert torch.equal(q.code, expected)
    assert torch.equal(q.code == 0, q.logits <= 0)
    assert 0.2 < float((q.code == 0).double().mean()) < 0.8


@pytest.mark.parametrize("wrap", [float, torch.tensor], ids=["number", "tensor"])
@pytest.mark.parametrize("warm_up", [0.0, 0.5, 1.0])
def test_warm_up_moves_the_slab_from_unit_noise_to_itself(warm_up, wrap):
    q = some(5, 4, seed=11)
    warmed = q.warmed(wrap(warm_up))
    variance = {0.0: torch.ones_like(q.scale), 0.5: 0.5 * q.scale**2 + 0.5, 1.0: q.scale**2}
    torch.testing.assert_close(warmed.loc, warm_up * q.loc)
    torch.testing.assert_close(warmed.scale**2, variance[warm_up])
    assert torch.equal(warmed.logits, q.logits)


def test_unit_noise_costs_only_the_choice_of_dimensions():
    q = some(5, 4, seed=12)
    zero = torch.zeros_like(q.loc)
    p = SpikeAndSlab(zero - 1.0, zero, torch.ones_like(zero))
    spikes = kl_divergence(Bernoulli(logits=q.logits), Bernoulli(logits=p.logits))
    torch.testing.assert_close(kl_divergence(q.warmed(0.0), p), spikes)


def test_values_are_held_without_a_change_inside_and_learn_to_come_back():
    x = torch.tensor([-30.0, -1.25, 0.0, 3.7, 80.0, 1e9], requires_grad=True)
    found = held(x, 20.0)
    assert found.tolist() == [-20.0, *x[1:4].tolist(), 20.0, 20.0]
    found.sum().backward()
    assert (x.grad == 1).all()


def test_a_row_unlike_all_others_has_a_finite_loss_in_a_vae():
    torch.manual_seed(0)
    model = VAE((7,), 3, widths=(8,), trunk="mlp", likelihood={"kind": "diagonal-gaussian"})
    terms = model.loss(torch.full((2, 7), 1e5))
    terms.kl.mean().backward()
    assert terms.kl.isfinite().all()
    assert all(p.grad.isfinite().all() for p in model.encoder.parameters())
