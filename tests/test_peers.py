"""Divergences of the peers against draws, their bounds against many draws, and what they hold."""

import math

import numpy as np
import pytest
import torch
from scipy.special import erfcx
from torch.distributions import Normal, kl_divergence

from sparsevae.errors import ConfigurationError
from sparsevae.evaluation import evaluate, imputation, passes
from sparsevae.evaluation.bound import image_bounds
from sparsevae.explorer import backend
from sparsevae.models import MODELS, build
from sparsevae.models.sparse_distributions import Counts, CutNormal, SpikeAndLaplace

DRAWS = 200_000
BOUNDED = ["poisson", "intel", "thresholded"]


def pairs():
    """A posterior and a prior of its class, with the closed form of the divergence."""
    rate, prior_rate = torch.tensor([[0.05, 0.7, 3.0]]), torch.tensor([0.2, 0.1, 2.0])
    u = torch.log(rate / prior_rate)
    yield "counts", Counts(rate), Counts(prior_rate), prior_rate * (1 + u.exp() * (u - 1))
    mu, sigma = torch.tensor([[-1.0, 0.3, 2.0]]), torch.tensor([[0.5, 1.3, 0.2]])
    level = torch.tensor([0.1, 0.7, 1.2])
    q = CutNormal(mu, sigma, level)
    yield "cut", q, CutNormal(0 * level, 0 * level + 1, level), q.kl_from_standard()
    logits, prior_logits = torch.tensor([[-2.0, 0.4, 3.0]]), torch.tensor([-1.0, -1.0, 0.0])
    q = SpikeAndLaplace(logits, mu, sigma)
    p = SpikeAndLaplace(prior_logits, 0 * prior_logits, 0 * prior_logits + 1)
    yield "laplace", q, p, q.kl(p)


PAIRS = {name: rest for name, *rest in pairs()}
each_pair = pytest.mark.parametrize("name", PAIRS)


@each_pair
@torch.no_grad()
def test_a_closed_divergence_is_the_mean_of_draws(name):
    q, p, closed = PAIRS[name]
    torch.manual_seed(0)
    z = q.sample((DRAWS,))
    ratio = q.log_prob(z) - p.log_prob(z)
    reach = 5 * ratio.std(0) / math.sqrt(DRAWS) + 1e-5
    assert ((ratio.mean(0) - closed).abs() < reach).all()


@each_pair
@torch.no_grad()
def test_draws_have_the_zeros_mean_and_variance_that_are_said(name):
    q, _, _ = PAIRS[name]
    torch.manual_seed(1)
    z = q.sample((DRAWS,))
    on = (z != 0).double().mean(0)
    torch.testing.assert_close(on.float(), q.spike_probability, atol=5e-3, rtol=0)
    torch.testing.assert_close(z.mean(0), q.mean, atol=0.02, rtol=0)
    torch.testing.assert_close(z.var(0), q.gated().variance, atol=0.05, rtol=0.03)


@torch.no_grad()
def test_the_divergence_of_a_cut_code_is_never_above_that_of_its_latent():
    torch.manual_seed(2)
    mu, sigma, level = 3 * torch.randn(50, 9), torch.rand(50, 9) + 0.05, 2 * torch.rand(9)
    cut = CutNormal(mu, sigma, level).kl_from_standard()
    whole = kl_divergence(Normal(mu, sigma), Normal(0.0, 1.0))
    assert (cut <= whole + 1e-4).all()
    assert (cut > -1e-4).all()


def test_a_relaxed_count_tends_to_a_whole_one_and_has_a_slope():
    rate = torch.tensor([[0.5, 3.0]], requires_grad=True)
    torch.manual_seed(3)
    whole, nearly = (Counts(rate, t).rsample((20_000,)).detach() for t in (0.0, 1e-4))
    assert torch.equal(whole, whole.round())
    assert ((nearly - nearly.round()).abs() < 0.01).float().mean() > 0.995
    for count in range(5):
        shares = [((draws - count).abs() < 0.5).float().mean(0) for draws in (whole, nearly)]
        torch.testing.assert_close(*shares, atol=0.02, rtol=0)
    Counts(rate, 0.5).rsample((4000,)).mean(0).sum().backward()
    assert (rate.grad - 1).abs().max() < 0.25  # d E[z] / d rate


def small(name, **arguments):
    torch.manual_seed(0)
    x = torch.rand(40, 7)
    return build(name, (7,), 6, widths=(8,), arguments=arguments, examples=x), x


@pytest.mark.parametrize("name", BOUNDED)
def test_many_draws_tighten_a_bound_whose_mean_is_the_closed_one(name):
    model, x = small(name)
    model.eval()
    one = image_bounds(model, x.numpy(), samples=2000)
    torch.manual_seed(4)
    with torch.no_grad():
        repeated = x.repeat_interleave(500, 0)
        terms = model.loss(repeated)
        closed = -(terms.reconstruction + terms.kl).view(40, 500).mean(1).numpy()
    assert abs((one["elbo"] - closed).mean()) < 0.02
    assert (one["bound"] >= one["elbo"] - 1e-6).all()


HELD = ["l1", "batch-top-k", "jump-relu", "poisson", "intel", "thresholded", "vsc", "top-k"]


def structured():
    """400 rows of 20 values made from a dictionary of 16, of which some 3 are on."""
    noise = torch.Generator().manual_seed(1)
    dictionary = 3 * torch.randn(16, 20, generator=noise)
    on = torch.rand(400, 16, generator=noise) < 0.2
    return torch.sigmoid((on * (1 + torch.rand(400, 16, generator=noise))) @ dictionary)


def trained_gates(name, **arguments):
    """γ of all rows after 800 steps with a target of 3."""
    x = structured()
    torch.manual_seed(0)
    arguments = {"target_active": 3.0, **arguments}
    if name == "vsc":
        arguments["penalty"] = "posterior"
    model = build(name, (20,), 16, widths=(32,), arguments=arguments, examples=x)
    assert model.target_active == pytest.approx(3.0)
    optimiser = torch.optim.Adam(model.parameters(), lr=5e-3)
    for step in range(800):
        progress = min(1.0, step / 600)
        rate = 5e-3 * (1 - 0.9 * progress)
        for group in optimiser.param_groups:
            group["lr"] = rate
        terms = model.loss(x[torch.randint(400, (100,))], progress)
        optimiser.zero_grad()
        terms.objective.backward()
        optimiser.step()
        model.update_duals(terms, progress)
    model.eval()
    with torch.no_grad():
        return model.posterior(x).spike_probability


@pytest.mark.parametrize("name", HELD)
def test_the_target_is_the_number_that_is_on(name):
    gamma = trained_gates(name, **({"held": "probabilities"} if name == "thresholded" else {}))
    counted = name in ("poisson",)
    active = float(((gamma > 0.5).float() if counted else gamma).sum(1).mean())
    assert active == pytest.approx(3.0, rel=0.25 if counted else 0.1)


@pytest.mark.parametrize("name", ["thresholded", "vsc"])
def test_gates_that_are_all_near_one_half_do_not_open_and_shut_together(name):
    """At a price for their count alone all 16 are open and none in turns."""
    gamma = trained_gates(name, held="gates")
    count, total = (gamma > 0.5).float().sum(1).mean(), gamma.sum(1).mean()
    assert float(torch.maximum(count, total / 2.4)) == pytest.approx(3.0, rel=0.1)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("part", ["encoder", "decoder"])
def test_a_frozen_part_stays_as_it_was_drawn(name, part):
    model, x = small(name, freeze=part)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    model.loss(x).objective.backward()
    optimiser.step()
    moved = {
        key.split(".")[0]
        for key, value in model.state_dict().items()
        if not torch.equal(value, before[key])
    }
    assert part not in moved
    assert {"encoder", "decoder"} - {part} <= moved


def test_prefixes_add_what_the_first_dimensions_score_alone():
    model, x = small("vsc", prefixes=[0.3, 0.5])
    assert model.prefixes == [2, 3]
    z = torch.randn(40, 6)
    parts = (torch.cat([z[:, :m], torch.zeros(40, 6 - m)], 1) for m in (2, 3))
    expected = sum(-model.likelihood(part).log_prob(x).mean() for part in parts)
    torch.testing.assert_close(model.nested(z, x), expected)
    with pytest.raises(ConfigurationError, match="prefixes"):
        small("vsc", prefixes=[1.5])


def test_the_measured_loss_has_what_prefixes_add():
    model, x = small("vsc", prefixes=[0.3, 0.5])
    measured = passes.measure(model.eval(), x.numpy())
    drawn = torch.from_numpy(measured.draw)
    assert measured.nested == pytest.approx(model.nested(drawn, x).item(), rel=1e-5)
    row = evaluate(model, x.numpy(), groups=("bound",)).metrics
    without = row["reconstruction"] + float(model.kl_weight(1.0)) * row["kl"]
    assert row["loss"] == pytest.approx(without + row["sparsity_penalty"] + measured.nested)


def test_a_batch_keeps_k_an_image_and_in_use_a_threshold_does():
    model, x = small("batch-top-k", target_active=2.0)
    assert int((model.posterior(x).loc > 0).sum()) == 2 * len(x)
    for _ in range(3):
        model.loss(x)
    kept = model.posterior(x).loc
    model.eval()
    torch.testing.assert_close(model.threshold, kept[kept > 0].min())
    assert torch.equal(model.encode(x), kept)


def test_auto_holds_nothing():
    model, x = small("vsc", target_active="auto", penalty="posterior", prior="learned")
    assert model.target_active is None
    terms = model.loss(x)
    model.update_duals(terms)
    assert terms.penalty == 0


def linear(**arguments):
    torch.manual_seed(0)
    x = torch.randn(60, 9)
    settings = {"target_active": 2.0, "likelihood": "shared-gaussian", **arguments}
    return build("batch-top-k", (9,), 6, trunk="linear", arguments=settings, examples=x), x


def test_dead_dimensions_learn_from_what_is_left_and_only_they():
    model, x = linear()
    model.idle[[1, 4]] = 1000.0
    model.encoder.head.bias.data[[1, 4]] -= 1.0  # among the largest of no batch
    features = model.encoder(x).relu()
    p = model.likelihood(model.posterior(x).loc)
    atoms, dead = model.decoder.trunk[0].atoms, features[:, [1, 4]]
    left = (x - p.loc - dead @ atoms[[1, 4]]) / p.scale
    expected = 0.5 * left.square().sum(1).mean()
    torch.testing.assert_close(model._missed_by_the_dead(features, x, p), expected)
    model._missed_by_the_dead(model.encoder(x).relu(), x, p).backward()
    moved = model.encoder.head.weight.grad.abs().sum(1)
    assert set(moved.nonzero().flatten().tolist()) == {1, 4}


def test_nothing_is_woken_where_nothing_is_dead_or_in_use():
    model, x = linear()
    assert model.loss(x).penalty == 0
    assert (model.idle >= 0).all()
    model.encoder.head.bias.data[1] -= 100.0  # on for no row
    model.idle[1] = 1000.0
    assert model.loss(x).penalty > 0
    assert model.eval().loss(x).penalty == 0
    assert not linear(likelihood="bernoulli")[0].wakes


def test_dead_dimensions_learn_from_images_too():
    torch.manual_seed(0)
    x = torch.randn(20, 2, 4, 4)
    given = {"target_active": 2.0, "likelihood": "shared-gaussian"}
    model = build("batch-top-k", (2, 4, 4), 6, trunk="linear", arguments=given, examples=x)
    model.idle[[1, 4]] = 1000.0
    model.encoder.head.bias.data[[1, 4]] -= 100.0
    flat = build("batch-top-k", (32,), 6, trunk="linear", arguments=given)
    flat.load_state_dict(model.state_dict())
    missed, of_rows = model.loss(x).penalty, flat.loss(x.flatten(1)).penalty
    assert missed > 0
    torch.testing.assert_close(missed, of_rows)


@pytest.mark.parametrize("depth", [-4.0, -9.9, -10.1, -30.0, -300.0, -1e4, -1e6, 20.0, 1e5])
def test_a_cut_normal_far_from_its_level_is_what_it_is_in_double_precision(depth):
    sigma = math.exp(-5)
    given = torch.tensor([1 + sigma * depth, sigma], requires_grad=True)
    q = CutNormal(given[:1], given[1:], torch.tensor(1.0))
    below = q.depth.item()
    mills = math.sqrt(2 / math.pi) / erfcx(-below / math.sqrt(2))
    assert q.loc.item() == pytest.approx(1 + sigma * (mills + below), rel=1e-6)
    assert q.mills.item() == pytest.approx(mills, rel=1e-4)
    if depth > -1e3:
        spread = math.sqrt(1 - mills * (mills + below))
        assert q.scale.item() == pytest.approx(sigma * spread, rel=0.03)
    total = q.kl_from_standard() + q.mean + q.scale + q.log_off + q.log_on
    assert all(number.isfinite().all() for number in (total, *torch.autograd.grad(total, given)))


def test_a_gate_that_is_open_is_exactly_1_in_a_draw():
    logits = torch.full((1, 2000), 30.0)
    q = SpikeAndLaplace(logits, torch.ones_like(logits), torch.full_like(logits, 1e-30))
    assert set(q.rsample().unique().tolist()) == {1.0}
    mu = torch.rand(1, 2000) + 2
    cut = CutNormal(mu, torch.full_like(mu, 1e-30), torch.tensor(0.5))
    assert torch.equal(cut.rsample(), mu)


@pytest.mark.parametrize("name", ["top-k", "batch-top-k", "jump-relu"])
@torch.no_grad()
def test_an_affine_encoder_starts_as_its_dictionarys_transpose_around_the_mean_row(name):
    examples = 3 + 2 * torch.randn(500, 7)
    given = {"likelihood": "gaussian", "target_active": 4}
    model = build(name, (7,), 20, trunk="linear", examples=examples, arguments=given)
    around = examples - examples.mean(0)
    features = around @ model.decoder.trunk[0].atoms[:, :7].T
    torch.testing.assert_close(model.encoder(examples), features, atol=1e-5, rtol=1e-5)
    if name == "jump-relu":
        levels = 0.5 * features.std(0, correction=0)
        torch.testing.assert_close(model.prior.levels, levels, atol=1e-5, rtol=1e-5)


# ------------------------------------------------------------------ what else asks for a density


@pytest.mark.parametrize("name", BOUNDED)
def test_a_prior_of_factors_is_one_that_is_drawn_from_and_measured(name):
    torch.manual_seed(0)
    model = build(name, (6,), 4, arguments={}).eval()
    assert model.prior.can_draw
    found = evaluate(model, np.random.default_rng(0).random((40, 6), dtype=np.float32))
    kept = found.diagnosis.statistics
    assert kept.total_kl == pytest.approx(found.metrics["kl"], rel=1e-3)
    assert found.metrics["active_units"] is not None
    why = [each.cause for each in found.diagnosis.findings if "image" in each.name]
    assert kept.total_kl > 0.5 or set(why) == {"the codes carry nothing"}


@pytest.mark.parametrize(("name", "points"), [("vaease", False), ("top-k", True), ("ae", True)])
def test_units_in_use_and_divergences_are_blank_for_points_alone(name, points):
    torch.manual_seed(0)
    model = build(name, (6,), 4, arguments={}).eval()
    assert not model.prior.can_draw
    found = evaluate(model, np.random.default_rng(0).random((40, 6), dtype=np.float32))
    assert (found.metrics["active_units"] is None) == points
    assert math.isnan(found.diagnosis.statistics.total_kl) == points


@pytest.mark.parametrize("name", ["poisson", "intel", "thresholded"])
def test_gaps_are_filled_by_weighted_draws_of_a_prior_of_factors(name):
    torch.manual_seed(0)
    x = torch.randn(50, 5)
    given = {"likelihood": "mixed"}
    model = build(name, (5,), 4, trunk="mlp", widths=(16,), arguments=given, examples=x).eval()
    rows = x.masked_fill(torch.rand_like(x) < 0.3, math.nan).numpy()
    filled = imputation.expected(model, rows, draws=4000)
    again = imputation.expected(model, rows, draws=4000, seed=1)
    plain = model.reconstruct(torch.from_numpy(rows)).detach().numpy()
    assert np.abs(filled - again).mean() < 0.2 * np.abs(filled - plain).mean()


@pytest.mark.parametrize("name", BOUNDED)
@torch.no_grad()
def test_the_page_draws_from_a_prior_of_factors(name):
    torch.manual_seed(0)
    model = build(name, (6,), 4, arguments={}).eval()
    log_weights, parts = backend._mixture(model)
    gates = parts.spike_probability
    assert float(log_weights.exp().sum()) == pytest.approx(1, abs=1e-5)
    assert set(gates.round(decimals=6).unique().tolist()) == {0.0, 1.0}
    expected = model.prior.factors().spike_probability
    assert ((gates.mean(0) - expected).abs() < 4 * (expected / len(gates)).sqrt()).all()
    if name == "poisson":
        assert torch.equal(parts.loc[gates > 0.5], parts.loc[gates > 0.5].round())
