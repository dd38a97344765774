"""A linear trunk: its laws, the loss over few gates, and the rule by which it is taken."""

import numpy as np
import pytest
import torch
from torch.distributions import Normal

from sparsevae.errors import ConfigurationError
from sparsevae.models import MODELS, build, few
from sparsevae.models.penalties import ActivityPenalty
from sparsevae.networks.trunks import Decoder, Encoder
from sparsevae.runs.train import fit
from sparsevae.training import dictionaries
from sparsevae.training.defaults import settle
from sparsevae.training.step import make_optimiser

COLUMNS, LATENTS = 20, 40
SPARSE = {"prior": "learned", "penalty": "posterior", "estimator": "reinmax", "held": "gates"}


def rows(count=60, columns=COLUMNS, seed=0):
    return torch.randn(count, columns, generator=torch.Generator().manual_seed(seed))


def make(name="vsc", shape=(COLUMNS,), latents=LATENTS, seed=0, **arguments):
    torch.manual_seed(seed)
    given = {"likelihood": "shared-gaussian", **arguments}
    x = rows().view(-1, *shape)
    return build(name, shape, latents, trunk="linear", arguments=given, examples=x)


def sparse(**arguments):
    return make(**{**SPARSE, "target_active": 3.0, **arguments})


@pytest.mark.parametrize("shape", [(COLUMNS,), (1, 4, 5)], ids=str)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_with_a_linear_trunk(name, shape):
    model = make(name, shape)
    x = rows().view(-1, *shape)
    before = model.loss(x).objective
    before.backward()
    assert all(p.grad is not None for p in model.parameters())
    optimiser = make_optimiser(model)
    optimiser.param_groups[0]["lr"] = 1e-2
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(x).objective.backward()
        optimiser.step()
    assert model.loss(x).objective < before
    assert model.reconstruct(x).shape == x.shape
    assert sum(model.parameter_counts().values()) == sum(p.numel() for p in model.parameters())


def test_encoder_and_decoder_are_affine():
    for module, size in (
        (Encoder((COLUMNS,), 15, trunk="linear", latents=5), COLUMNS),
        (Decoder((COLUMNS,), 5, trunk="linear"), 5),
    ):
        a, b = rows(2, size)
        for share in (-1.5, 0.25, 3.0):
            mixed = module((share * a + (1 - share) * b)[None])
            expected = share * module(a[None]) + (1 - share) * module(b[None])
            torch.testing.assert_close(mixed, expected, rtol=1e-4, atol=1e-5)


def test_atoms_keep_their_length_and_have_no_gradient_along_them():
    model = sparse()
    dictionary = model.decoder.trunk[0]
    optimiser = make_optimiser(model)
    optimiser.param_groups[0]["lr"] = 0.1
    for _ in range(5):
        optimiser.zero_grad()
        model.loss(rows()).objective.backward()
        along = (dictionary.weight.grad * dictionary.weight.detach()).sum(1)
        sideways = dictionary.weight.grad.norm(dim=1) * dictionary.weight.detach().norm(dim=1)
        assert (along.abs() <= 1e-4 * sideways.max()).all()
        optimiser.step()
    torch.testing.assert_close(dictionary.atoms.norm(dim=1), torch.ones(LATENTS))
    assert not torch.allclose(dictionary.weight.norm(dim=1), torch.ones(LATENTS))
    unit = torch.eye(LATENTS)
    moved = model.decode(unit) - model.decode(torch.zeros(1, LATENTS))
    torch.testing.assert_close(moved.norm(dim=1), torch.ones(LATENTS), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("prior", ["fixed", "learned", "learned-slab"])
def test_the_loss_over_all_candidates_is_the_loss_over_all_gates(prior):
    """Noise is drawn in another order, so draws are replaced by means."""
    model, x = sparse(prior=prior, penalty_weight=2.0, prefixes=[0.25, 0.5], draws=2), rows()
    model.penalty.price.fill_(0.7)
    model.draw = lambda q, progress: q.mean
    model.candidates = None
    whole = model.loss(x, 0.3)
    part = few.loss(model, x, 0.3, LATENTS)
    torch.testing.assert_close(part.reconstruction, whole.reconstruction, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(part.kl, whole.kl, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(part.penalty, whole.penalty, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(part.active, whole.active)
    torch.testing.assert_close(part.opened, whole.opened)


def test_gates_beyond_the_candidates_are_shut():
    """The truncated divergence is that of a posterior whose other gates are never open."""
    model, x, count = sparse(), rows(), 6
    part = few.loss(model, x, 1.0, count)
    q, chosen = few.candidates(model, x, 1.0, count)
    whole = model.posterior(x)
    assert (
        whole.logits.gather(1, chosen).min(1).values >= whole.logits.topk(count).values[:, -1]
    ).all()
    p = model.prior.distribution(1.0)
    kl = torch.zeros(len(x))
    for row in range(len(x)):
        for j in range(LATENTS):
            gamma_p = torch.sigmoid(p.logits[j])
            where = (chosen[row] == j).nonzero()
            if len(where) == 0:
                kl[row] -= torch.log1p(-gamma_p)
                continue
            gamma = torch.sigmoid(q.logits[row, where[0, 0]])
            slabs = [Normal(d.loc[i], d.scale[i]) for d, i in ((q, (row, where[0, 0])), (p, j))]
            kl[row] += gamma * (
                torch.log(gamma / gamma_p) + torch.distributions.kl_divergence(*slabs)
            )
            kl[row] += (1 - gamma) * torch.log((1 - gamma) / (1 - gamma_p))
    torch.testing.assert_close(part.kl, kl, rtol=1e-4, atol=1e-4)


def test_every_gate_starts_open_for_about_its_share():
    model = sparse(latents=200)
    on = (model.posterior(rows(4000, seed=5)).logits > 0).float().mean(0)
    assert 0.5 < float(on.sum()) / 3.0 < 2
    assert (on > 0).float().mean() > 0.95


def test_the_multiplier_holds_gates_where_it_is_told_to():
    """Many small probabilities that no open gate stands for: the two go opposite ways."""

    def price(held, total):
        penalty = ActivityPenalty("posterior", 0.1, target_active=4.0, held=held)
        penalty.update(torch.tensor(total), opened=torch.tensor(2.0))
        return float(penalty.price)

    assert price("probabilities", 7.0) > 0 > price("gates", 7.0)
    assert price("gates", 17.0) > 0  # more than four times the target


@pytest.fixture(scope="module")
def made():
    """Rows that are sums of few of many atoms, and the atoms."""
    g = torch.Generator().manual_seed(0)
    atoms = torch.nn.functional.normalize(torch.randn(96, 128, generator=g), dim=1)
    on = torch.rand(3000, 96, generator=g) < 3 / 96
    x = (on * (0.5 + torch.rand(3000, 96, generator=g))) @ atoms
    return (x + 0.02 * torch.randn(x.shape, generator=g)).numpy(), atoms.numpy()


def test_a_dictionary_is_found_with_its_count_of_open_gates(made):
    from sparsevae.metrics.dictionaries import recovered

    x, atoms = made
    trained = fit(x, latents=128, target_active=3.0, device="cpu", epochs=20)
    assert trained.config.trunk == "linear"
    learned = trained.model.decoder.trunk[0].atoms.detach().numpy()
    learned = learned * np.array(trained.data.scaling.scale)
    assert recovered(learned, atoms) >= 90
    count = (trained.encode(x) != 0).sum(1).mean()
    assert abs(count / 3 - 1) < 0.15
    assert trained.evaluate(x[:500], groups=("quality",)).metrics["explained_variance"] > 0.9


@pytest.mark.parametrize(
    ("shape", "latents", "likelihood", "linear"),
    [
        ((40, 128), 64, "auto", True),
        ((40, 128), 63, "auto", False),
        ((40, 127), 200, "auto", False),
        ((40, 128), 64, "poisson", False),
        ((40, 1, 16, 16), 200, "gaussian", False),
    ],
)
def test_the_rule_looks_at_columns_latents_and_values(shape, latents, likelihood, linear):
    values = np.random.default_rng(0).normal(size=shape)
    values = np.abs(np.rint(values)) if likelihood == "poisson" else values
    config = settle(values, latents=latents, likelihood=likelihood).config
    assert (config.recipe == dictionaries.RECIPE) == linear
    assert (config.arguments["likelihood"] == dictionaries.LIKELIHOOD) == linear


def test_a_named_trunk_is_taken():
    values = np.random.default_rng(0).normal(size=(40, 128))
    assert settle(values, latents=64, trunk="mlp").config.trunk == "mlp"
    assert settle(values, latents=64, widths=(8,)).config.trunk == "convolution"
    assert settle(values[:, :5], latents=3, trunk="linear").config.trunk == "linear"


def test_the_command_line_and_the_estimator_take_a_trunk(tmp_path, capsys):
    from tests.test_own_data import command

    from sparsevae.estimators import SparseVAE

    values = rows(30).numpy()
    np.save(tmp_path / "rows.npy", values)
    options = ("--latents", 12, "--epochs", 1, "--seed", 3, "--test-fraction", 0)
    options = (*options, "--trunk", "linear", "--out", tmp_path / "run")
    assert command("fit", tmp_path / "rows.npy", *options) == 0
    assert "linear, a dictionary of 12 atoms of length 1" in capsys.readouterr().out
    assert command("fit", tmp_path / "rows.npy", "--trunk", "curved") == 2
    assert "'linear'" in capsys.readouterr().err
    estimator = SparseVAE(n_components=12, trunk="linear", max_iter=1, random_state=3).fit(values)
    alone = fit(values, latents=12, trunk="linear", epochs=1, seed=3, device="cpu")
    for model in (estimator.trained_, alone):
        atoms = model.model.decoder.trunk[0].atoms
        assert torch.equal(atoms, alone.model.decoder.trunk[0].atoms)
    from sparsevae import load

    assert torch.equal(load(tmp_path / "run").model.decoder.trunk[0].atoms, atoms)


def test_a_step_may_turn_an_atom_as_far_in_any_dimension():
    rates = {d: dictionaries.learning_rate(d, d) for d in (128, 512)}
    assert rates[128]["first"] == pytest.approx(2 * rates[512]["first"], rel=1e-2)
    small = settle(np.random.default_rng(0).normal(size=(40, 128)), latents=256).config
    large = settle(np.random.default_rng(0).normal(size=(40, 128)), latents=257).config
    assert small.arguments["penalty_weight"] == dictionaries.EVEN_USE
    assert small.arguments["candidates"] == 12  # of 8 that should be open
    assert large.arguments["penalty_weight"] == 0.0
    assert "candidates" not in large.arguments
    assert large.learning_rate["first"] < rates[128]["first"]
    assert small.learning_rate == rates[128]


@pytest.mark.parametrize("trunk", ["mlp", "linear"])
@torch.no_grad()
def test_a_gap_says_nothing_at_first(trunk):
    given = {"likelihood": "mixed"}
    model = build("vsc", (6,), 4, trunk=trunk, arguments=given, examples=torch.randn(50, 6))
    rows = torch.randn(3, 6)
    rows[:, 2] = 0.0
    gaps = rows.clone()
    gaps[:, 2] = torch.nan
    assert torch.equal(model.encoder(rows), model.encoder(gaps))


def test_auto_closes_no_gate_beforehand_in_a_small_dictionary_either():
    x = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    auto = fit(x, latents=48, epochs=1, trunk="linear", target_active="auto", device="cpu")
    told = fit(x, latents=48, epochs=1, trunk="linear", target_active=4.0, device="cpu")
    assert auto.model.candidates is None
    assert told.model.candidates == 6


def test_no_candidates_are_refused():
    with pytest.raises(ConfigurationError, match="candidates = 0"):
        fit(np.zeros((20, 64)), latents=20, trunk="linear", candidates=0)
