"""Laws over the table of models: every row, and every prior where it takes one."""

import inspect
import json
from dataclasses import dataclass, field
from typing import get_args

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.distributions import Distribution

import sparsevae.experiments.published  # noqa: F401 (its rows obey the laws too)
from sparsevae.errors import ConfigurationError
from sparsevae.models import MODELS, Terms, build
from sparsevae.models.distributions import ESTIMATORS
from sparsevae.models.likelihoods import LIKELIHOODS
from sparsevae.models.penalties import DISTANCES, Penalised
from sparsevae.models.priors import PRIORS
from sparsevae.models.schedules import Ramp

SHAPES = [(1, 12, 10), (7,)]
LATENTS, BATCH, WIDTHS = 5, 6, (3, 4, 16)


@dataclass(frozen=True)
class Case:
    """A row of the table with arguments, or without any."""

    name: str
    arguments: dict = field(default_factory=dict)

    def __str__(self):
        return "-".join([self.name, *map(str, self.arguments.values())])

    def build(self, shape=SHAPES[0], seed=0):
        torch.manual_seed(seed)
        return build(
            self.name,
            shape,
            LATENTS,
            widths=WIDTHS,
            arguments=self.arguments,
            examples=images(shape, 60, seed=99),
        )


VARIANTS = [
    *({"prior": prior, "penalty": "posterior"} for prior in PRIORS),
    *({"prior": "mixture", "penalty": penalty} for penalty in get_args(Penalised)),
    *({"penalty": "prior", "penalty_distance": distance} for distance in DISTANCES),
    *({"estimator": estimator} for estimator in ESTIMATORS),
    *({"likelihood": likelihood} for likelihood in LIKELIHOODS),
    {"input_noise": 0.3},
    {"prefixes": [0.4, 0.8]},
    {"target_active": 2.0},
    {"encoder_hidden": 4},
    {"decode_gates": True},
    {"decode_gates": True, "prefixes": [0.4], "estimator": "reinmax"},
    {"draws": 3, "prefixes": [0.4]},
    {"lateral_steps": 2},
]


def cases():
    """Every row plain, and the first row of every class with each variant that it takes."""
    classes = set()
    for name, row in MODELS.items():
        yield Case(name)
        for arguments in VARIANTS if row.model not in classes else ():
            if set(arguments) <= set(row.accepts()):
                yield Case(name, arguments)
        classes.add(row.model)


CASES = list(cases())
ROWS = [Case(name) for name in MODELS]
SOFT = {"concrete", "sloped", "sloped-warm-up"}  # estimators whose draws are not exact zeros
each_case = pytest.mark.parametrize("case", CASES, ids=str)
each_quiet_case = pytest.mark.parametrize(
    "case", [case for case in CASES if "input_noise" not in case.arguments], ids=str
)
each_exact_case = pytest.mark.parametrize(
    "case",
    [
        case
        for case in CASES
        if "input_noise" not in case.arguments and case.arguments.get("estimator") not in SOFT
    ],
    ids=str,
)
each_row = pytest.mark.parametrize("case", ROWS, ids=str)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def images(shape=SHAPES[0], count=BATCH, seed=1):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


def drawn(model, x, seed=2, progress=1.0):
    torch.manual_seed(seed)
    return model.loss(x, progress)


# ------------------------------------------------------------------ shapes


@each_shape
@each_case
def test_shapes(case, shape):
    model, x = case.build(shape), images(shape)
    posterior = model.posterior(x)
    assert isinstance(posterior, Distribution)
    assert posterior.batch_shape == posterior.rsample().shape == (BATCH, LATENTS)
    codes = model.encode(x)
    assert codes.shape == (BATCH, LATENTS)
    assert model.decode(codes).shape == model.reconstruct(x).shape == (BATCH, *shape)
    assert model.likelihood(codes).log_prob(x).shape == (BATCH,)
    assert (model.shape, model.latents) == (shape, LATENTS)


@each_case
def test_decoded_images_lie_in_the_domain_and_carry_no_gradient(case):
    model, x = case.build(), images()
    for found in (model.encode(x), model.reconstruct(x)):
        assert not found.requires_grad
    restored = model.reconstruct(x)
    if model.family.domain != "real":
        assert (restored > 0).all()
    if model.family.domain == "unit":
        assert (restored < 1).all()


# ------------------------------------------------------------------ loss


@pytest.mark.parametrize("progress", [0.0, 0.12, 1.0])
@each_case
def test_terms_are_finite_and_one_an_image(case, progress):
    terms = drawn(case.build(), images(), progress=progress)
    assert isinstance(terms, Terms)
    assert terms.reconstruction.shape == terms.kl.shape == (BATCH,)
    assert terms.penalty.shape == terms.objective.shape == ()
    for term in (terms.reconstruction, terms.kl, terms.penalty, terms.objective):
        assert term.isfinite().all()
    assert (terms.kl >= 0).all()
    assert terms.penalty >= 0


@each_case
def test_the_objective_is_the_weighted_sum_of_its_terms(case):
    model = case.build()
    terms = drawn(model, images())
    expected = terms.reconstruction.mean() + terms.kl_weight * terms.kl.mean() + terms.penalty
    torch.testing.assert_close(terms.objective, expected)


@each_quiet_case
def test_nats_an_image_do_not_depend_on_the_size_of_the_batch(case):
    model, x = case.build(), images()
    once, twice = drawn(model, x), drawn(model, x.repeat(2, *[1] * (x.dim() - 1)))
    torch.testing.assert_close(twice.kl[:BATCH], once.kl)
    torch.testing.assert_close(twice.kl[BATCH:], once.kl)
    if not model.prefixes:  # what they score depends on the draws
        torch.testing.assert_close(twice.penalty, once.penalty)


@each_exact_case
def test_the_reconstruction_is_the_score_of_the_decoded_draw(case):
    """With the same noise, −log p(x|z) of the posterior's own draw."""
    model, x = case.build(), images()
    terms = drawn(model, x)
    torch.manual_seed(2)
    q = model.posterior(x)
    one = model.decoder.gates or model.draws > 1
    z = torch.cat([model.draw(q, 1.0) if one else q.rsample() for _ in range(model.draws)])
    each = -model.likelihood(z).log_prob(x.repeat(model.draws, *[1] * (x.dim() - 1)))
    torch.testing.assert_close(each.view(-1, BATCH).mean(0), terms.reconstruction)


@each_shape
@each_case
def test_every_weight_gets_a_gradient(case, shape):
    """Every tensor; and in the encoder's head every output of every latent dimension."""
    model = case.build(shape, seed=1)  # so narrow a trunk has dead units with most others
    for step in range(4):
        drawn(model, images(shape, 32, seed=step), seed=step).objective.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert (parameter.grad != 0).any(), name
    assert (model.encoder.head.bias.grad != 0).all()


@pytest.mark.parametrize("progress", [0.0, 0.5])
@pytest.mark.parametrize("prior", PRIORS)
def test_spikes_learn_while_slabs_are_unit_noise(prior, progress):
    """At λ = 0 only the choice of dimensions is informed by the image, and it gets a gradient."""
    arguments = {"prior": prior, "warm_up": {"kind": "ramp", "start": 0.25, "end": 0.75}}
    model = Case("vsc-wu", arguments).build()
    drawn(model, images(count=64), progress=progress).objective.backward()
    logits, loc, log_variance = model.encoder.head.bias.grad.chunk(3)
    assert (logits != 0).all()
    assert (loc != 0).all() == (progress > 0)
    assert (log_variance != 0).all() == (progress > 0)


# ------------------------------------------------------------------ the same again


@each_case
def test_a_seed_fixes_weights_and_loss(case):
    x = images()
    first, again, other = case.build(), case.build(), case.build(seed=1)
    assert torch.equal(drawn(first, x).objective, drawn(again, x).objective)
    assert not torch.equal(drawn(first, x).objective, drawn(other, x).objective)


@each_case
def test_codes_in_use_depend_on_neither_the_noise_nor_the_batch(case):
    model, x = case.build().eval(), images()
    torch.manual_seed(0)
    first = model.encode(x)
    torch.manual_seed(1)
    assert torch.equal(model.encode(x), first)
    torch.testing.assert_close(model.encode(x[2:3]), first[2:3])


@each_case
def test_the_state_carries_the_whole_model(case):
    x = images()
    trained, fresh = case.build(seed=0), case.build(seed=1)
    optimiser = torch.optim.Adam(trained.parameters(), lr=0.01)
    for step in range(3):
        optimiser.zero_grad()
        drawn(trained, x, seed=step).objective.backward()
        optimiser.step()
    fresh.load_state_dict(trained.state_dict())
    assert torch.equal(drawn(fresh, x).objective, drawn(trained, x).objective)
    assert torch.equal(fresh.reconstruct(x), trained.reconstruct(x))


@each_case
def test_arguments_survive_json(case):
    through = Case(case.name, json.loads(json.dumps(case.arguments)))
    x = images()
    assert torch.equal(drawn(through.build(), x).objective, drawn(case.build(), x).objective)
    table = MODELS[case.name].arguments
    assert json.loads(json.dumps(table)) == table


@each_row
def test_a_few_steps_lower_the_loss(case):
    model, x = case.build(), images(count=32)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.01)
    before = float(drawn(model, x).objective.detach())
    for step in range(30):
        optimiser.zero_grad()
        drawn(model, x, seed=step).objective.backward()
        optimiser.step()
    assert float(drawn(model, x).objective.detach()) < before


# ------------------------------------------------------------------ gates and bounds


@each_case
def test_codes_of_gated_models_hold_exact_zeros_and_others_none(case):
    model, x = case.build(), images(count=50)
    posterior, codes = model.posterior(x), model.encode(x)
    assert (codes == 0).any().item() == model.has_gates
    assert posterior.spike_probability.shape == codes.shape
    assert (posterior.spike_probability == 1).all().item() == (not model.has_gates)
    if model.has_gates:
        assert torch.equal(codes != 0, posterior.spike_probability > 0.5)
        assert (posterior.rsample() == 0).any()


@each_case
def test_only_a_prior_that_does_not_look_at_the_image_gives_a_bound(case):
    model = case.build()
    unbounded = {"none", "laplace", "published", "thresholds", "vaease"}
    assert model.has_bound == (model.prior.name not in unbounded)


@each_case
def test_the_penalty_is_that_of_the_loss_and_owned_only_where_there_is_one(case):
    model, x = case.build(), images()
    terms = drawn(model, x)
    q = model.posterior(model.corrupted(x)) if "input_noise" not in case.arguments else None
    state = [name for name in model.state_dict() if name.startswith("penalty")]
    assert bool(state) == (model.penalty is not None) == (model.target_share is not None)
    if q is not None:
        expected = model.prior.kl(q, x, model.posterior, 1.0).spike_probability
        penalty = model.sparsity_penalty(q.spike_probability, expected)
        torch.testing.assert_close(penalty + nested(model, x), terms.penalty)
    if model.penalty is None and not model.prefixes:
        assert terms.penalty == 0


def nested(model, x):
    """What the first dimensions alone score, with the noise of :func:`drawn`."""
    torch.manual_seed(2)
    return model.nested(model.drawn(model.posterior(x), 1.0), model.repeated(x))


@each_case
def test_a_prior_with_a_density_is_a_mixture_that_codes_are_drawn_from(case):
    model = case.build()
    if (alone := model.prior.factors()) is not None:
        assert alone.batch_shape == (LATENTS,)
        assert model.draw_codes(3).shape == (3, LATENTS)
        return
    if not model.prior.has_density:
        with pytest.raises(ConfigurationError, match="cannot be drawn"):
            model.draw_codes(2)
        return
    log_weights, components = model.prior.mixture(model.posterior)
    assert components.batch_shape == (len(log_weights), LATENTS)
    torch.testing.assert_close(log_weights.exp().sum(), torch.tensor(1.0))
    assert model.draw_codes(3).shape == (3, LATENTS)
    perplexity = model.prior.perplexity()
    assert perplexity is None or 1 <= perplexity <= len(log_weights) + 1e-3


@each_case
@torch.no_grad()
def test_the_gated_form_of_a_posterior_is_the_same_distribution(case):
    q = case.build().posterior(images())
    gated = q.gated()
    torch.testing.assert_close(gated.spike_probability, q.spike_probability)
    torch.testing.assert_close(gated.mean, q.mean)
    torch.testing.assert_close(gated.code, q.code)


def test_a_model_without_a_prior_has_no_divergence():
    assert torch.equal(drawn(Case("ae").build(), images()).kl, torch.zeros(BATCH))


@each_case
def test_parameter_counts_add_up(case):
    model = case.build()
    counts = model.parameter_counts()
    assert sum(counts.values()) == sum(p.numel() for p in model.parameters())
    assert counts["prior"] == sum(p.numel() for p in model.prior.parameters())


@each_shape
def test_all_models_share_one_trunk(shape):
    counts = {name: Case(name).build(shape).parameter_counts() for name in MODELS}
    assert len({row["trunk"] for row in counts.values()}) == 1
    heads = {name: row["head"] / counts["ae"]["head"] for name, row in counts.items()}
    two, three = (
        {"vae", "beta-vae", "vamp-vae", "vaease", "intel"},
        {"vsc", "vsc-wu", "thresholded"},
    )
    assert heads == {name: 1 + (name in two) + 2 * (name in three) for name in MODELS}


def test_warm_up_is_a_row_of_arguments():
    """At progress 1 VSC-WU is VSC with the same weights; at progress 0 it is not."""
    plain, warmed = Case("vsc").build(), Case("vsc-wu").build()
    assert type(plain) is type(warmed)
    warmed.load_state_dict(plain.state_dict())
    x = images()
    end = [drawn(model, x, progress=1.0).objective for model in (plain, warmed)]
    torch.testing.assert_close(end[0], end[1])
    start = [drawn(model, x, progress=0.0).objective for model in (plain, warmed)]
    assert not torch.equal(start[0], start[1])


def test_beta_weighs_the_divergence_and_nothing_else():
    x = images()
    one = drawn(Case("vae").build(), x)
    four = drawn(Case("vae", {"beta": 4.0}).build(), x)
    torch.testing.assert_close((four.reconstruction, four.kl), (one.reconstruction, one.kl))
    torch.testing.assert_close(four.objective - one.objective, 3 * one.kl.mean())


def test_the_weight_of_the_divergence_follows_its_schedule():
    arguments = {"kl_weight": {"kind": "ramp", "start": 0.0, "end": 0.5}}
    model = Case("vsc", arguments).build()
    assert model.kl_weight == Ramp(0.0, 0.5)
    for progress, weight in ((0.0, 0.0), (0.25, 0.5), (1.0, 1.0)):
        assert drawn(model, images(), progress=progress).kl_weight == weight


def test_alpha_sets_the_prior_and_has_a_default_for_every_size():
    for latents, alpha in ((5, 0.5), (64, 0.125)):
        model = build("vsc", (7,), latents, widths=(4,), arguments={"prior": "fixed"})
        torch.testing.assert_close(model.prior.logits.sigmoid(), torch.full((latents,), alpha))
    model = Case("vsc", {"prior": "fixed", "alpha": 0.03}).build()
    torch.testing.assert_close(model.prior.logits.sigmoid(), torch.full((LATENTS,), 0.03))


def test_a_scheduled_alpha_is_the_priors_of_that_moment():
    factor = {"kind": "ramp", "start": 0.0, "end": 1.0, "first": 3.0, "last": 1.0}
    moving = Case("vsc", {"prior": "fixed", "alpha": 0.1, "alpha_factor": factor}).build()
    for progress, alpha in ((0.0, 0.3), (0.5, 0.2), (1.0, 0.1)):
        fixed = Case("vsc", {"prior": "fixed", "alpha": alpha}).build()
        fixed.load_state_dict({**moving.state_dict(), "prior.logits": fixed.prior.logits})
        expected = drawn(fixed, images()).kl
        torch.testing.assert_close(drawn(moving, images(), progress=progress).kl, expected)


def test_what_is_reported_of_a_scheduled_alpha_is_its_end():
    arguments = {"alpha_factor": 0.5, "prior": "fixed", "penalty": "posterior"}
    model = build("vsc", (7,), 16, widths=(4,), arguments=arguments)
    assert model.target_share == 0.25
    assert model.target_active == 4
    assert model.penalty.target_at(1.0) == 4
    assert float(model.prior.mixture(model.posterior).components.spike_probability[0, 0]) == 0.25


@pytest.mark.parametrize("name", MODELS)
def test_noise_is_added_in_training_only(name):
    """The encoder sees noise in the loss; the image to explain and the code stay clean."""
    model, x = Case(name, {"input_noise": 0.5}).build(), images()
    assert not torch.equal(model.corrupted(x), x)
    assert torch.equal(Case(name).build().corrupted(x), x)
    codes = [model.encode(x) for _ in range(2)]
    assert torch.equal(codes[0], codes[1])
    seen = []
    model.encoder.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    model.loss(x)
    assert not any(torch.equal(given, x) for given in seen)


def test_pseudo_inputs_start_between_the_examples_and_noise():
    model = Case("vsc", {"prior": "mixture", "pseudo_inputs": 9}).build()
    noise = 2 * model.prior.pseudo_inputs.detach() - images(count=60, seed=99)[:9]
    assert 0.45 < float(noise.mean()) < 0.55
    assert float(noise.min()) > -0.01
    assert float(noise.max()) < 1.01


# ------------------------------------------------------------------ mistakes


def refused(**changes):
    settings = {"name": "vsc", "shape": (7,), "latents": 3, "arguments": {}} | changes
    with pytest.raises(ConfigurationError) as caught:
        build(
            settings.pop("name"),
            settings.pop("shape"),
            settings.pop("latents"),
            widths=(4,),
            **settings,
        )
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_an_unknown_model_is_refused_with_the_known_names():
    message = refused(name="gan")
    assert "'gan'" in message
    assert all(name in message for name in MODELS)


@each_row
def test_an_unknown_argument_is_refused_with_the_known_ones(case):
    message = refused(name=case.name, arguments={"depth": 3})
    assert "depth" in message
    assert all(name in message for name in MODELS[case.name].accepts())


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"prior": "cauchy"}, "cauchy"),
        ({"penalty": "everything"}, "everything"),
        ({"estimator": "magic"}, "magic"),
        ({"alpha": 0}, "alpha"),
        ({"alpha": "small"}, "alpha"),
        ({"warm_up": {"kind": "ramp", "start": 0.9, "end": 0.1}}, "0.9"),
        ({"warm_up": "slow"}, "slow"),
        ({"kl_weight": None}, "None"),
    ],
    ids=str,
)
def test_a_wrong_value_is_refused_in_one_sentence(arguments, named):
    assert named in refused(arguments=arguments)


def test_a_wrong_weight_of_the_divergence_is_refused_in_one_sentence():
    assert "strong" in refused(name="vae", arguments={"beta": "strong"})


def test_a_wrong_shape_is_refused_in_one_sentence():
    assert "(28, 28)" in refused(shape=(28, 28))


def test_every_argument_has_a_default():
    for row in MODELS.values():
        parameters = inspect.signature(row.model).parameters
        own = [parameters[name] for name in row.accepts() if name in parameters]
        assert all(parameter.default is not inspect.Parameter.empty for parameter in own)
        row.model((7,), 3)


SIDES = st.integers(1, 19)
ANY_SHAPE = st.one_of(st.tuples(st.integers(1, 3), SIDES, SIDES), st.tuples(st.integers(1, 30)))


@pytest.mark.parametrize("name", MODELS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(shape=ANY_SHAPE, latents=st.integers(1, 9), batch=st.integers(1, 5))
def test_any_shape_size_and_number_of_rows_goes_through(name, shape, latents, batch):
    torch.manual_seed(0)
    examples = images(shape, 6, seed=1)
    model = build(name, shape, latents, widths=WIDTHS, arguments={}, examples=examples)
    x = images(shape, batch, seed=2)
    terms = model.loss(x, 0.5)
    assert torch.isfinite(terms.objective)
    assert terms.reconstruction.shape == terms.kl.shape == (batch,)
    assert model.encode(x).shape == (batch, latents)
    assert model.reconstruct(x).shape == x.shape


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("vae", "beta", -1.0),
        ("l1", "weight", -0.5),
        ("vsc", "kl_weight", -1.0),
        ("vsc", "penalty_weight", {"kind": "ramp", "start": 0.0, "end": 1.0, "last": -1.0}),
        ("vsc", "temperature", 0.0),
        ("vsc", "alpha_factor", 0.0),
        ("vsc", "warm_up", 1.5),
        ("vsc-wu", "warm_up", {"kind": "ramp", "start": 0.0, "end": 1.0, "first": -0.1}),
    ],
)
def test_a_weight_outside_its_range_is_refused_by_name(name, argument, value):
    assert refused(name=name, arguments={argument: value}).startswith(f"{argument} must be ")


# ------------------------------------------------------------------ several draws


@each_row
def test_several_draws_average_the_reconstruction_and_leave_the_rest(case):
    several, one = Case(case.name, {"draws": 60}).build(), case.build()
    one.load_state_dict(several.state_dict())
    x = images()
    many, once = drawn(several, x), drawn(one, x)
    assert many.reconstruction.shape == once.reconstruction.shape == (BATCH,)
    torch.testing.assert_close(many.kl, once.kl)
    torch.testing.assert_close(many.penalty, once.penalty)
    torch.manual_seed(3)
    each = torch.stack([drawn(one, x, seed).reconstruction for seed in range(60)])
    spread = (2 * each.var(0) / len(each)).sqrt() + 1e-5
    assert ((many.reconstruction - each.mean(0)).abs() < 5 * spread).all()


@each_row
def test_a_model_that_is_measured_draws_once(case):
    several, one = Case(case.name, {"draws": 3}).build().eval(), case.build().eval()
    one.load_state_dict(several.state_dict())
    torch.testing.assert_close(
        drawn(several, images()).reconstruction, drawn(one, images()).reconstruction
    )


def test_several_draws_lower_the_variance_of_the_gradient():
    def variance(draws):
        model = Case("vsc", {"draws": draws, "estimator": "reinmax"}).build()
        weight, x, found = model.encoder.head.weight, images(), []
        for seed in range(60):
            objective = drawn(model, x, seed).objective
            found.append(torch.autograd.grad(objective, weight)[0])
        return torch.stack(found).var(0).mean()

    assert variance(8) < 0.3 * variance(1)


# ------------------------------------------------------------------ gates that are decoded


@pytest.mark.parametrize("estimator", ["straight-through", "reinmax"])
def test_decoded_gates_are_the_supports_of_the_codes_and_carry_the_gates_gradient(estimator):
    model = Case("vsc", {"decode_gates": True, "estimator": estimator}).build()
    x = images()
    drawn_codes = model.draw(model.posterior(x), 1.0)
    codes, gates = drawn_codes.split(LATENTS, 1)
    assert torch.equal(gates, (codes != 0).float())
    torch.testing.assert_close(
        model.likelihood(drawn_codes).log_prob(x), model.likelihood(codes.detach()).log_prob(x)
    )
    first = model.decoder.trunk[0]
    assert first.weight.shape[1] == 2 * LATENTS
    with torch.no_grad():
        first.weight[:, :LATENTS] = 0  # values are ignored
    q = model.posterior(x)
    logits, loc = q.logits, q.loc
    loss = -model.likelihood(model.draw(q, 1.0)).log_prob(x).sum()
    of_gates, of_slabs = torch.autograd.grad(loss, [logits, loc])
    assert (of_gates != 0).all()
    assert (of_slabs == 0).all()


# ------------------------------------------------------------------ lateral steps


@pytest.mark.parametrize("steps", [0, 1, 3])
def test_lateral_steps_let_dimensions_correct_each_other(steps):
    model = Case("vsc", {"lateral_steps": steps}).build()
    given = torch.randn(BATCH, 3 * LATENTS, requires_grad=True)
    (slope,) = torch.autograd.grad(model.settled(given)[:, 0].sum(), given)
    others = slope[:, torch.arange(3 * LATENTS) != 0]
    assert bool((others[:, : 2 * LATENTS - 1] != 0).any()) == (steps > 0)
    assert (others[:, 2 * LATENTS - 1 :] == 0).all()  # widths are not told


def test_lateral_steps_start_anew_from_what_the_encoder_gave():
    model = Case("vsc", {"lateral_steps": 2}).build()
    given = torch.randn(BATCH, 3 * LATENTS)

    def said(numbers):
        logits, loc, _ = numbers.chunk(3, 1)
        gamma = torch.sigmoid(logits)
        hidden = torch.relu(model.lateral.first(torch.cat([gamma, gamma * loc], 1)))
        return model.lateral.second(hidden)

    once = given + said(given)
    torch.testing.assert_close(model.settled(given), given + said(once))
    with torch.no_grad():
        for parameter in model.lateral.second.parameters():
            parameter.zero_()
    assert torch.equal(model.settled(given), given)


def test_lateral_layers_are_counted_with_the_head():
    plain, lateral = Case("vsc").build(), Case("vsc", {"lateral_steps": 2}).build()
    added = sum(parameter.numel() for parameter in lateral.lateral.parameters())
    before, after = plain.parameter_counts(), lateral.parameter_counts()
    assert after == before | {"head": before["head"] + added}


def test_a_residual_layer_of_the_encoder_adds_to_its_features():
    plain, deeper = Case("vae").build(), Case("vae", {"encoder_hidden": 4}).build()
    layer = deeper.encoder.trunk[1]
    h = images((WIDTHS[-1],))
    change = layer.second(torch.relu(layer.first(h)))
    torch.testing.assert_close(layer(h), h + change)
    counts = deeper.parameter_counts()["trunk"] - plain.parameter_counts()["trunk"]
    assert counts == 2 * 4 * WIDTHS[-1] + 4 + WIDTHS[-1]


def test_a_width_below_0_is_told():
    with pytest.raises(ConfigurationError, match="width from 0 on"):
        Case("vae", {"encoder_hidden": -1}).build()
