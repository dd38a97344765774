"""The weights of a mixture's components, and the dual variable that holds the activity."""

import math

import pytest
import torch
from torch.distributions import kl_divergence

from sparsevae.models import build, priors
from sparsevae.models.distributions import SpikeAndSlab
from sparsevae.models.penalties import ActivityPenalty
from sparsevae.models.priors.mixture import PseudoInputMixture

BATCH, LATENTS, INPUTS, PIXELS = 9, 4, 5, 12


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
    prior = PseudoInputMixture(starts, "classifier").double()
    prior.classifier.weight.data.normal_(generator=generator)
    prior.log_odds.data.normal_(generator=generator)
    return prior


def divergences(q, components):
    """KL of every posterior from every component, one dimension at a time, (B, U)."""

    def spread(d, shape):
        return SpikeAndSlab(*(p.view(*shape, LATENTS) for p in (d.logits, d.loc, d.scale)))

    return kl_divergence(spread(q, (-1, 1)), spread(components, (1, -1))).sum(-1)


# ------------------------------------------------------------------ weights


@torch.no_grad()
def test_the_classifier_gives_the_variational_bound(x):
    prior = mixture()
    w = torch.softmax(prior.classifier(x), 1)
    each = divergences(encoder(x), encoder(prior.pseudo_inputs))
    expected = (w * (each + w.log() - prior.log_weights)).sum(1)
    torch.testing.assert_close(prior.kl(encoder(x), x, encoder, 1.0).kl, expected)


@torch.no_grad()
def test_exact_weights_are_tighter_than_any_classifier(x):
    loose = mixture()
    tight = PseudoInputMixture(loose.pseudo_inputs.data).double()
    tight.log_odds.data = loose.log_odds.data
    q = encoder(x)
    assert (tight.kl(q, x, encoder, 1.0).kl <= loose.kl(q, x, encoder, 1.0).kl).all()


@torch.no_grad()
def test_an_undecided_classifier_starts_with_equal_weights(x):
    prior = PseudoInputMixture(torch.rand(INPUTS, PIXELS).double(), "classifier").double()
    spikes = prior.kl(encoder(x), x, encoder, 1.0).spike_probability
    mean = encoder(prior.pseudo_inputs).spike_probability.mean(0)
    torch.testing.assert_close(spikes, mean.expand(BATCH, -1))


def test_a_gap_is_no_number_to_a_classifier(x):
    prior = PseudoInputMixture(torch.rand(INPUTS, PIXELS).double(), "classifier").double()
    torch.nn.init.normal_(prior.classifier.weight)
    gaps = x.masked_fill(torch.rand(x.shape) < 0.2, math.nan)
    full = prior.kl(encoder(x), gaps.nan_to_num(0.0), encoder, 1.0).kl
    torch.testing.assert_close(prior.kl(encoder(x), gaps, encoder, 1.0).kl, full)


# ------------------------------------------------------------------ penalty and its target


def test_the_price_is_paid_for_every_gate_above_the_target():
    gamma = torch.rand(6, 4, generator=torch.Generator().manual_seed(3)).double()
    free = ActivityPenalty("posterior", 0.2).double()
    held = ActivityPenalty("posterior", 0.2, target_active=1.5).double()
    held.price.fill_(0.7)
    extra = held(gamma, gamma) - free(gamma, gamma)
    torch.testing.assert_close(extra, 0.7 * (gamma.sum(1).mean() - 1.5))


def test_the_price_rises_above_the_target_falls_below_it_and_rests_on_it():
    penalty = ActivityPenalty("prior", 0.25, target_active=8.0)
    penalty.update(torch.tensor(8.0))
    assert float(penalty.price) == 0.0
    penalty.update(torch.tensor(2.0))
    assert float(penalty.price) < 0
    for _ in range(3):
        penalty.update(torch.tensor(30.0))
    assert float(penalty.price) > 0


def test_a_price_holds_the_activity_where_the_distance_alone_does_not():
    """Gates that gain one nat each by opening settle at the target."""
    logits = torch.zeros(6, requires_grad=True)
    penalty = ActivityPenalty("posterior", 0.25, target_active=1.5)
    optimiser = torch.optim.Adam([logits], lr=0.05)
    for _ in range(2000):
        gamma = torch.sigmoid(logits)[None]
        optimiser.zero_grad()
        (penalty(gamma, gamma) - gamma.sum()).backward()
        optimiser.step()
        penalty.update(gamma.detach().sum())
    assert float(gamma.detach().sum()) == pytest.approx(1.5, abs=0.02)
    assert float(penalty.price) == pytest.approx(1.0, abs=0.05)


def test_an_explicit_alpha_has_no_price():
    def vsc(**arguments):
        settings = {"prior": "mixture", "penalty": "prior", **arguments}
        return build("vsc", (7,), 12, widths=(8,), arguments=settings)

    for arguments, moves in (({"alpha": 0.1}, False), ({}, True), ({"target_active": 3.0}, True)):
        model = vsc(**arguments)
        model.update_duals(model.loss(torch.rand(20, 7)))
        assert (float(model.penalty.price) != 0.0) == moves


def test_the_target_is_at_most_half_of_the_dimensions():
    model = build("vsc", (7,), 2, widths=(8,), arguments={"penalty": "prior"})
    assert model.penalty.target_active == 1.0
    assert priors.default_alpha(2) == 0.5


def test_the_dual_variable_is_saved_with_the_weights():
    settings = {"prior": "mixture", "penalty": "prior"}
    first, second = (build("vsc", (7,), 12, widths=(8,), arguments=settings) for _ in range(2))
    for _ in range(5):
        first.update_duals(first.loss(torch.rand(20, 7)))
    assert float(first.penalty.price) != float(second.penalty.price)
    second.load_state_dict(first.state_dict())
    assert float(first.penalty.price) == float(second.penalty.price)


def test_no_gate_sinks_to_where_it_is_not_pulled_back_and_nothing_overflows():
    """An encoder thrown far off: gates at 0, slabs as wide as they get, γ·s² finite."""
    arguments = {"prior": "mixture", "penalty": "posterior", "penalty_distance": "symmetric"}
    model = build("vsc", (7,), 12, widths=(8,), arguments=arguments)
    with torch.no_grad():
        model.encoder.head.bias.copy_(torch.tensor([-1e3] * 12 + [0.0] * 12 + [1e3] * 12))
    q = model.posterior(torch.rand(20, 7))
    pull = torch.autograd.grad(model.penalty(q.spike_probability, q.spike_probability), q.logits)
    alpha = float(model.penalty.alpha)
    assert -pull[0].sum(0).numpy() == pytest.approx([alpha] * 12, rel=0.01)
    terms = model.loss(torch.rand(20, 7))
    assert torch.isfinite(terms.objective)
    assert torch.isfinite(terms.kl).all()
