"""Laws of priors: closed forms equal naive ones, and the mixture's bound is a bound."""

import math

import pytest
import torch
from torch import nn
from torch.distributions import Normal, kl_divergence

from sparsevae.errors import ConfigurationError
from sparsevae.models import build, priors
from sparsevae.models.distributions import Gaussian, SpikeAndSlab
from sparsevae.models.schedules import Ramp

BATCH, LATENTS, INPUTS, PIXELS = 7, 4, 5, 12


class Linear(nn.Module):
    """A stand-in for an encoder: vectors to spikes and slabs, with a warm-up of its own."""

    def __init__(self, warm_up=1.0):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(PIXELS, 3 * LATENTS, generator=generator).double())
        self.warm_up = warm_up

    def forward(self, x):
        logits, loc, log_variance = (x @ self.weight).chunk(3, -1)
        return SpikeAndSlab(logits, loc, (0.5 * log_variance).exp()).warmed(self.warm_up)


@pytest.fixture
def encoder():
    return Linear()


@pytest.fixture
def x():
    return torch.rand(BATCH, PIXELS, generator=torch.Generator().manual_seed(1)).double()


def mixture(count=INPUTS, seed=2):
    generator = torch.Generator().manual_seed(seed)
    prior = priors.PseudoInputMixture(torch.rand(count, PIXELS, generator=generator).double())
    prior.log_odds.data = torch.randn(count, generator=generator).double()
    return prior


def row(q, index):
    return SpikeAndSlab(q.logits[index], q.loc[index], q.scale[index])


def naive_scores(prior, q, encoder):
    """log π_u − KL(q_b ‖ p_u), one pair at a time."""
    components = encoder(prior.pseudo_inputs)
    log_pi = torch.log_softmax(prior.log_odds, 0)

    def score(b, u):
        return log_pi[u] - kl_divergence(row(q, b), row(components, u)).sum()

    scores = [[score(b, u) for u in range(len(log_pi))] for b in range(len(q.logits))]
    return torch.stack([torch.stack(line) for line in scores])


# ------------------------------------------------------------------ simple priors


def test_without_a_prior_there_is_no_divergence(encoder, x):
    found = priors.NoPrior().kl(encoder(x), x, encoder, 1.0)
    assert torch.equal(found.kl, torch.zeros(BATCH).double())


def test_the_standard_normal_has_the_textbook_divergence(encoder, x):
    q = encoder(x)
    gaussian = Gaussian(q.loc, q.scale)
    found = priors.StandardNormal(LATENTS).kl(gaussian, x, encoder, 1.0).kl
    expected = 0.5 * (q.loc**2 + q.scale**2 - 1 - torch.log(q.scale**2)).sum(1)
    torch.testing.assert_close(found, expected)


def test_the_fixed_prior_has_the_closed_form_of_the_first_paper(encoder, x):
    """γ·KL(N ‖ N(0,1)) + γ log(γ/α) + (1−γ) log((1−γ)/(1−α)), written out."""
    q, alpha = encoder(x), 0.2
    gamma = q.spike_probability
    slab = 0.5 * (q.loc**2 + q.scale**2 - 1) - torch.log(q.scale)
    spike = gamma * torch.log(gamma / alpha) + (1 - gamma) * torch.log((1 - gamma) / (1 - alpha))
    found = priors.FixedSpikeAndSlab(LATENTS, alpha).double().kl(q, x, encoder, 1.0)
    torch.testing.assert_close(found.kl, (gamma * slab + spike).sum(1), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(
        found.spike_probability, torch.full((BATCH, LATENTS), alpha).double()
    )


def test_the_fixed_prior_keeps_its_rate_in_the_state_but_does_not_train_it():
    prior = priors.FixedSpikeAndSlab(LATENTS, 0.2)
    assert list(prior.parameters()) == []
    assert "logits" in prior.state_dict()


def test_the_learned_prior_starts_at_its_rate_and_is_zero_from_itself(encoder, x):
    prior = priors.LearnedSpikeAndSlab(LATENTS, 0.2).double()
    fixed = priors.FixedSpikeAndSlab(LATENTS, 0.2).double()
    q = encoder(x)
    torch.testing.assert_close(
        prior.kl(q, x, encoder, 1.0).kl, fixed.kl(q, x, encoder, 1.0).kl, rtol=1e-6, atol=1e-6
    )
    prior.logits.data, prior.loc.data = q.logits[0].detach(), q.loc[0].detach()
    prior.log_scale.data = torch.log(q.scale[0]).detach()
    first = prior.kl(row(q, slice(1)), x[:1], encoder, 1.0).kl
    torch.testing.assert_close(first, torch.zeros(1).double())


def test_every_parameter_of_a_learned_prior_gets_a_gradient(encoder, x):
    prior = priors.LearnedSpikeAndSlab(LATENTS, 0.2).double()
    prior.kl(encoder(x), x, encoder, 1.0).kl.mean().backward()
    for parameter in prior.parameters():
        assert (parameter.grad != 0).all()


@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_warm_up_acts_on_the_learned_slab_as_on_the_posteriors(x, progress):
    prior = priors.LearnedSpikeAndSlab(LATENTS, 0.2, Ramp(0.25, 0.75)).double()
    generator = torch.Generator().manual_seed(3)
    prior.loc.data = torch.randn(LATENTS, generator=generator).double()
    prior.log_scale.data = torch.randn(LATENTS, generator=generator).double()
    share = {0.0: 0.0, 0.5: 0.5, 1.0: 1.0}[progress]
    q = Linear(share)(x)
    variance = share * torch.exp(2 * prior.log_scale) + 1 - share
    warmed = SpikeAndSlab(prior.logits, share * prior.loc, variance.sqrt())
    found = prior.kl(q, x, Linear(share), progress).kl
    torch.testing.assert_close(found, kl_divergence(q, warmed).sum(-1))


# ------------------------------------------------------------------ mixture


def test_the_mixture_equals_the_naive_sum_over_pseudo_inputs(encoder, x):
    prior, q = mixture(), encoder(x)
    scores = naive_scores(prior, q, encoder)
    found = prior.kl(q, x, encoder, 1.0)
    torch.testing.assert_close(found.kl, -torch.logsumexp(scores, 1))
    weights = scores.exp() / scores.exp().sum(1, keepdim=True)
    spikes = encoder(prior.pseudo_inputs).spike_probability
    expected = (weights[:, :, None] * spikes[None]).sum(1)
    torch.testing.assert_close(found.spike_probability, expected)


def test_exact_weights_are_the_best_posterior_of_the_component(encoder, x):
    """Σ_u w (KL_u + log w − log π_u) equals the bound at w ∝ π exp(−KL) and exceeds it beside."""
    prior, q = mixture(), encoder(x)
    scores = naive_scores(prior, q, encoder)
    bound = prior.kl(q, x, encoder, 1.0).kl
    best = torch.softmax(scores, 1)
    torch.testing.assert_close((best * (best.log() - scores)).sum(1), bound)
    generator = torch.Generator().manual_seed(4)
    for _ in range(20):
        noise = torch.randn(scores.shape, generator=generator).double()
        other = torch.softmax(scores + noise, 1)
        assert ((other * (other.log() - scores)).sum(1) >= bound - 1e-12).all()


@torch.no_grad()
def test_the_mixtures_divergence_bounds_the_true_one(encoder, x):
    """Monte Carlo of KL(q ‖ Σ_u π_u p_u), log-densities summed over dimensions first."""
    torch.manual_seed(0)
    prior, draws = mixture(), 20_000
    q, components = encoder(x[:2]), encoder(prior.pseudo_inputs)
    bound = prior.kl(q, x[:2], encoder, 1.0).kl
    for b in range(2):
        one = row(q, b)
        wide = SpikeAndSlab(*(p.expand(draws, -1) for p in (one.logits, one.loc, one.scale)))
        z, mask = wide.draw()
        log_q = wide.log_prob_of(z, mask).sum(-1)
        log_p = components.log_prob_of(z[:, None], mask[:, None]).sum(-1)  # (draws, U)
        ratio = log_q - torch.logsumexp(prior.log_weights + log_p, 1)
        error = float(ratio.std()) / draws**0.5
        assert float(ratio.mean()) <= float(bound[b]) + 4.5 * error
        assert float(ratio.mean()) > -4.5 * error


def test_one_pseudo_input_is_the_divergence_from_its_posterior(encoder, x):
    prior, q = mixture(count=1), encoder(x)
    component = encoder(prior.pseudo_inputs)
    expected = kl_divergence(q, row(component, 0)).sum(-1)
    torch.testing.assert_close(prior.kl(q, x, encoder, 1.0).kl, expected)


def test_equal_pseudo_inputs_count_as_one(encoder, x):
    single, q = mixture(count=1), encoder(x)
    copies = priors.PseudoInputMixture(single.pseudo_inputs.data.repeat(6, 1))
    torch.testing.assert_close(
        copies.kl(q, x, encoder, 1.0).kl, single.kl(q, x, encoder, 1.0).kl, rtol=1e-6, atol=1e-6
    )


def test_pseudo_inputs_stay_in_the_range_of_the_data_and_keep_their_gradient(encoder, x):
    prior = mixture()
    prior.pixel_odds.data[:, 0], prior.pixel_odds.data[:, 1] = -9.0, 9.0
    seen = []

    def watched(inputs):
        seen.append(inputs.detach())
        return encoder(inputs)

    prior.kl(encoder(x), x, watched, 1.0).kl.mean().backward()
    assert float(seen[0].min()) >= 0
    assert float(seen[0].max()) <= 1
    assert (prior.pixel_odds.grad != 0).all()
    assert (prior.log_odds.grad != 0).all()


@pytest.mark.parametrize(
    ("domain", "low", "high"), [("unit", 0.0, 1.0), ("real", -5.0, 5.0), ("counts", 0.0, 900.0)]
)
def test_pseudo_inputs_start_at_rows_of_every_domain_and_stay_in_it(domain, low, high):
    rows = torch.linspace(low + 0.01, high - 0.01, 12).reshape(3, 4)
    prior = priors.PseudoInputMixture(rows, domain=domain)
    torch.testing.assert_close(prior.pseudo_inputs, rows, rtol=1e-4, atol=1e-4)
    (free,) = (p for name, p in prior.named_parameters() if name != "log_odds")
    free.data += 30.0 * torch.randn(free.shape, generator=torch.Generator().manual_seed(0))
    moved = prior.pseudo_inputs.detach()
    assert float(moved.min()) < low if domain == "real" else float(moved.min()) >= 0
    assert float(moved.max()) <= 1 if domain == "unit" else float(moved.max()) > high


@pytest.mark.parametrize("name", ["vsc", "vamp-vae"])
@pytest.mark.parametrize(
    ("likelihood", "rows"),
    [("gaussian", 4 * torch.randn(300, 6) + 7), ("poisson", torch.full((300, 6), 40.0))],
)
def test_a_models_pseudo_inputs_are_like_the_rows_that_its_likelihood_scores(
    name, likelihood, rows
):
    more = {"prior": "mixture"} if name == "vsc" else {}
    arguments = {"likelihood": likelihood, "pseudo_inputs": 200, **more}
    model = build(name, (6,), 4, trunk="mlp", arguments=arguments, examples=rows)
    starts = model.prior.pseudo_inputs.detach()
    torch.testing.assert_close(starts.mean(), 0.5 * rows.mean(), rtol=0.1, atol=0.3)
    assert float(starts.max()) > 1  # half a row of these, not grey


def test_the_encoders_warm_up_warms_the_components(x):
    cold, prior = Linear(0.0), mixture()
    q = cold(x)
    spikes = naive_scores(prior, q, cold)
    torch.testing.assert_close(prior.kl(q, x, cold, 0.0).kl, -torch.logsumexp(spikes, 1))
    assert torch.equal(prior.mixture(cold).components.loc, torch.zeros(INPUTS, LATENTS).double())


@torch.no_grad()
def test_perplexity_counts_the_pseudo_inputs_in_use():
    prior = mixture()
    prior.log_odds.data = torch.zeros(INPUTS).double()
    assert prior.perplexity() == pytest.approx(INPUTS)
    prior.log_odds.data = torch.tensor([50.0, 0, 0, 0, 0]).double()
    assert prior.perplexity() == pytest.approx(1.0)
    prior.log_odds.data = torch.tensor([50.0, 50.0, 0, 0, 0]).double()
    assert prior.perplexity() == pytest.approx(2.0)


def test_a_mixture_of_gaussians_is_the_special_case_of_certain_spikes(x):
    """γ = 1 everywhere leaves −logsumexp(log π − Gaussian KL)."""
    generator = torch.Generator().manual_seed(5)
    weight = torch.randn(PIXELS, LATENTS, generator=generator).double()

    def certain(inputs):
        loc = inputs @ weight
        return SpikeAndSlab(torch.full_like(loc, 40.0), loc, torch.full_like(loc, 0.7))

    prior, q = mixture(), certain(x)
    components = certain(prior.pseudo_inputs)
    pairs = kl_divergence(
        Normal(q.loc[:, None], q.scale[:, None]), Normal(components.loc, components.scale)
    ).sum(-1)
    expected = -torch.logsumexp(prior.log_weights - pairs, 1)
    torch.testing.assert_close(prior.kl(q, x, certain, 1.0).kl, expected)


# ------------------------------------------------------------------ by name


@pytest.mark.parametrize(
    ("latents", "alpha"), [(1, 0.5), (2, 0.5), (16, 0.5), (64, 0.125), (512, 8 / 512)]
)
def test_the_default_rate_keeps_eight_dimensions_on(latents, alpha):
    assert priors.default_alpha(latents) == alpha


def settings(alpha=0.2):
    return priors.PriorSettings(LATENTS, alpha, torch.rand(INPUTS, PIXELS))


@pytest.mark.parametrize("name", ["fixed", "learned", "mixture", "classifier"])
def test_priors_are_made_by_name(name):
    assert priors.PRIORS.row(name)(settings()).name == name


@pytest.mark.parametrize("alpha", [0.0, 1.0, -0.1, math.nan])
def test_a_rate_outside_its_range_is_refused(alpha):
    with pytest.raises(ConfigurationError, match=r"alpha .* between 0 and 1"):
        settings(alpha)


def test_an_unknown_prior_is_refused_with_the_known_names():
    with pytest.raises(
        ConfigurationError, match=r"fixed, learned, learned-slab, mixture, .*priors.register"
    ):
        priors.PRIORS.row("cauchy")
