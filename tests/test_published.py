"""Faults of published code: each is what its formula says, and no bound where it says so."""

import pytest
import torch
from torch.distributions import kl_divergence

from sparsevae.experiments import published
from sparsevae.models import build
from sparsevae.models.distributions import ESTIMATORS, SpikeAndSlab
from sparsevae.models.penalties import ActivityPenalty, bernoulli_kl
from sparsevae.models.priors import FixedSpikeAndSlab, PseudoInputMixture
from sparsevae.training.config import StudyConfig
from sparsevae.training.recipes import runs

BATCH, LATENTS, INPUTS, PIXELS, DRAWS = 9, 4, 5, 12, 100_000
LOGITS = torch.tensor([-1.2, 0.3, 2.0], dtype=torch.float64)


def encoder(x):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(PIXELS, 3 * LATENTS, generator=generator).double()
    logits, loc, log_variance = (x @ weight).chunk(3, -1)
    return SpikeAndSlab(logits, loc, (0.5 * log_variance).exp())


@pytest.fixture
def x():
    return torch.rand(BATCH, PIXELS, generator=torch.Generator().manual_seed(1)).double()


def mixture():
    generator = torch.Generator().manual_seed(2)
    starts = torch.rand(INPUTS, PIXELS, generator=generator).double()
    prior = published.Published(starts).double()
    prior.classifier.weight.data.normal_(generator=generator)
    return prior


def divergences(q, components):
    """KL of every posterior from every component, one dimension at a time, (B, U)."""
    return kl_divergence(q.indexed((slice(None), None)), components).sum(-1)


# ------------------------------------------------------------------ priors


def test_the_unweighted_divergence_counts_slabs_that_are_not_in_use(x):
    """KL(N ‖ N(0,1)) + KL(γ ‖ α): never below the divergence, so that the bound stays one."""
    q, alpha = encoder(x), 0.2
    gamma = q.spike_probability
    slab = 0.5 * (q.loc**2 + q.scale**2 - 1) - torch.log(q.scale)
    weighted, whole = (
        prior(LATENTS, alpha).double().kl(q, x, encoder, 1.0).kl
        for prior in (FixedSpikeAndSlab, published.Unweighted)
    )
    torch.testing.assert_close(whole - weighted, ((1 - gamma) * slab).sum(1), rtol=1e-5, atol=1e-6)
    assert (whole >= weighted).all()


@torch.no_grad()
def test_published_weights_are_the_published_formula(x):
    """Σ_u S(60(w_u − ½))·KL_u with the pseudo-inputs' spikes σ(10(γ − ½)), written out."""
    prior = mixture()
    plain = encoder(torch.sigmoid(prior.pixel_odds))
    logits = 10 * (plain.spike_probability - 0.5)
    each = divergences(encoder(x), SpikeAndSlab(logits, plain.loc, plain.scale))
    w = torch.sigmoid(60 * (torch.softmax(prior.classifier(x), 1) - 0.5))
    torch.testing.assert_close(prior.kl(encoder(x), x, encoder, 1.0).kl, (w * each).sum(1))


@torch.no_grad()
def test_published_spikes_have_a_floor():
    prior = mixture()

    def closed(u):
        dark = torch.full((len(u), LATENTS), -40.0).double()
        return SpikeAndSlab(dark, torch.zeros_like(dark), torch.ones_like(dark))

    floor = prior.mixture(closed).components.spike_probability
    torch.testing.assert_close(floor, torch.full_like(floor, 0.0066928509))


@torch.no_grad()
def test_the_published_form_is_no_bound_and_says_so(x):
    """A classifier that always names the right component hides the cost of naming it."""
    prior = mixture()
    starts = torch.sigmoid(prior.pixel_odds.data)
    prior.classifier.weight.data = 200 * starts  # the nearest component, by squared distance
    prior.classifier.bias.data = -100 * (starts**2).sum(1)
    exact = PseudoInputMixture(starts).double()
    leaking = prior.kl(prior.mixture(encoder).components, starts, encoder, 1.0).kl
    honest = exact.kl(encoder(starts), starts, encoder, 1.0).kl
    assert not prior.bounds
    assert exact.bounds
    assert float(leaking.mean()) < float(honest.mean())


# ------------------------------------------------------------------ penalty


def test_the_scalar_penalty_cannot_tell_an_open_gate_from_a_selective_one():
    always = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    selective = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    scalar, each = ActivityPenalty("prior", 0.5, distance="scalar"), ActivityPenalty("prior", 0.5)
    assert scalar(always, always) == scalar(selective, selective)
    assert each(selective, selective) < 1e-5
    assert each(always, always) > 1.0


def test_the_scalar_penalty_is_the_mean_over_images():
    gamma = torch.rand(6, 4, generator=torch.Generator().manual_seed(3)).double()
    expected = sum(4 * bernoulli_kl(row.mean(), 0.2) for row in gamma) / 6
    penalty = ActivityPenalty("prior", 0.2, distance="scalar").double()
    torch.testing.assert_close(penalty(gamma, gamma), expected)


# ------------------------------------------------------------------ spikes


def spikes(logits, count):
    """A spike and slab whose slab is exactly 1, so that a draw is its mask."""
    shape = (count, len(logits))
    one = torch.ones(shape, dtype=torch.float64)
    return SpikeAndSlab(logits.expand(shape), one, torch.zeros_like(one))


def test_sloped_spikes_are_the_published_ones():
    """σ(c(η + γ − 1)), written out with the slope c = 50."""
    torch.manual_seed(2)
    eta = torch.rand(1000, 3, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
    torch.manual_seed(2)
    mask, _ = published.sloped(spikes(LOGITS, 1000), 1 / 50, 1.0)
    torch.testing.assert_close(mask, torch.sigmoid(50 * (eta + torch.sigmoid(LOGITS) - 1)))


def test_sloped_spikes_lie_between_and_exceed_one_half_with_their_probability():
    torch.manual_seed(1)
    mask, _ = published.sloped(spikes(LOGITS, DRAWS), 0.1, 1.0)
    assert ((mask > 0) & (mask < 1)).any()
    on = (mask > 0.5).double().mean(0)
    torch.testing.assert_close(on, torch.sigmoid(LOGITS), rtol=0, atol=4.5 * 0.5 / DRAWS**0.5)


def test_plain_bernoulli_spikes_are_drawn_alike_and_teach_nothing():
    q = spikes(LOGITS.clone().requires_grad_(), 1000)
    plain, through = (
        (torch.manual_seed(3), ESTIMATORS[name](q, 0.5, 1.0)[0])[1]
        for name in ("bernoulli", "straight-through")
    )
    assert torch.equal(plain, through.detach().round())
    assert not plain.requires_grad


@pytest.mark.parametrize(("progress", "warm_up"), [(0.0, 0.0), (0.245, 0.5), (1.0, 1.0)])
def test_the_published_warm_up_interpolates_the_log_variance_in_the_draw(progress, warm_up):
    loc, scale = torch.full((4, 3), 2.0).double(), torch.full((4, 3), 0.3).double()
    slab = SpikeAndSlab(torch.full((4, 3), 900.0).double(), warm_up * loc, scale**warm_up)
    torch.manual_seed(4)
    expected = published.sloped(slab, 0.02, progress)
    torch.manual_seed(4)
    drawn = published.sloped_warm_up(SpikeAndSlab(slab.logits, loc, scale), 0.02, progress)
    torch.testing.assert_close(drawn, expected)


def test_the_recipe_is_the_published_code():
    plain, warmed = runs(StudyConfig(models=("vsc", "vsc-wu"), recipe="vsc-published"), "d")[::2]
    for run in (plain, warmed):
        model = build(run.model, (7,), 4, widths=(8,), arguments=run.arguments)
        assert model.prior.name == "published"
        assert not model.has_bound
        assert model.least_share == pytest.approx(0.0066928509)
