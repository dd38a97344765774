"""The diagnostics find each fault in a model trained to have it, and none in healthy ones."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import sparsevae.experiments.published  # noqa: F401 (the recipe "vsc-published")
from sparsevae import data
from sparsevae.errors import RunFolderError
from sparsevae.evaluation import Pass, diagnostics
from sparsevae.evaluation.diagnostics import statistics
from sparsevae.models import build
from sparsevae.models.schedules import from_json
from sparsevae.report import diagnostics as panels_of
from sparsevae.report.study import Run
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.training import new_model
from sparsevae.storage.files import write_json
from sparsevae.studies import study
from sparsevae.training import loop, step, watch
from sparsevae.training.config import RunConfig, StudyConfig
from sparsevae.training.recipes import recipe

FAST = {"kind": "one-cycle", "peak": 1.2e-2}
SHAPE, LATENTS = (1, 9, 8), 5


@pytest.fixture(scope="module")
def digits():
    """1,500 training and 400 test images of all classes."""
    whole, order = data.load("mnist-5k"), np.random.default_rng(0)
    train, test = order.permutation(len(whole.train)), order.permutation(len(whole.test))
    return replace(whole, train=whole.train.take(train[:1500]), test=whole.test.take(test[:400]))


def examined(digits, model="vsc", *, hook=None, recipe_name="default", **changes):
    """The diagnosis of a run; a hook changes what the decoder is given while it trains."""
    arguments = {**recipe(recipe_name).arguments.get(model, {}), **changes.pop("arguments", {})}
    settings = {"dataset": "digits", "latents": 16, "epochs": 6, "batch_size": 16}
    fields = {**settings, "model": model, "widths": (8, 16, 64), "learning_rate": FAST}
    config = RunConfig.checked({**fields, "arguments": arguments, **changes})
    images = torch.from_numpy(digits.train.images)
    trained = new_model(config, images)
    handle = hook and trained.decoder.register_forward_pre_hook(hook)
    with torch.random.fork_rng():
        rows = loop.train(
            trained,
            step.make_optimiser(trained),
            images,
            epochs=config.epochs,
            batch_size=config.batch_size,
            learning_rate=from_json(config.learning_rate),
            seed=config.seed,
        )
        assert len(list(rows)) == config.epochs
    if handle:
        handle.remove()
    return diagnostics.examine(Pass.of(trained.eval(), digits))


def of_others(module, inputs):
    """Codes of other images of the batch."""
    (codes,) = inputs
    return (codes[torch.randperm(len(codes))],)


def by_name(diagnosis):
    return {finding.name: finding for finding in diagnosis.findings}


def alarms(diagnosis):
    return [f.name for f in diagnosis.findings if f.severity == "alarm"]


# ------------------------------------------------------------------ each fault, provoked


def test_too_few_steps_leave_the_mean_image(digits):
    found = by_name(examined(digits, epochs=2, batch_size=64, learning_rate=2e-3))
    finding = found["decoder prints the mean image"]
    assert finding.severity == "alarm"
    assert finding.subject == ()
    assert "more steps" in finding.cure


@pytest.mark.slow
def test_a_heavy_divergence_empties_the_code(digits):
    found = by_name(examined(digits, "vae", epochs=3, arguments={"beta": 50.0}))
    assert "the codes carry nothing" in found["decoder prints the mean image"].sentence
    assert "alike for all images" in found["decoder ignores the code"].sentence
    assert len(found["dead dimensions"].subject) > 8


def test_a_decoder_trained_to_ignore_the_code_is_found(digits):
    diagnosis = examined(digits, "ae", hook=of_others, epochs=3)
    finding = by_name(diagnosis)["decoder ignores the code"]
    assert finding.severity == "alarm"
    assert "trained on codes of other images" in finding.cause
    assert abs(diagnosis.statistics.code_use) < 2


@pytest.mark.slow
@pytest.mark.parametrize(("model", "arguments"), [("vae", {"beta": 0.0}), ("vsc", {})])
def test_such_a_decoder_is_found_with_every_kind_of_code(digits, model, arguments):
    found = examined(digits, model, hook=of_others, epochs=3, arguments=arguments)
    assert {"decoder ignores the code", "decoder prints the mean image"} <= set(alarms(found))


def test_the_fixed_prior_leaves_most_dimensions_dead(digits):
    arguments = {"prior": "fixed", "penalty": "none", "alpha": 0.1}
    diagnosis = examined(digits, latents=32, epochs=3, arguments=arguments)
    finding, s = by_name(diagnosis)["dead dimensions"], diagnosis.statistics
    assert finding.severity == "warning"
    expected = np.flatnonzero((s.on_share < 0.001) & (s.ablation_cost < 0.1))
    assert finding.subject == tuple(expected)
    assert len(expected) > 16


def test_a_penalty_on_the_mean_over_dimensions_leaves_a_dense_code(digits):
    diagnosis = examined(
        digits,
        latents=32,
        recipe_name="vsc-published",
        arguments={"prior": "mixture", "alpha": 0.1},
    )
    found, s = by_name(diagnosis), diagnosis.statistics
    assert found["dimensions always on"].severity == "alarm"
    assert found["dimensions always on"].subject == tuple(np.flatnonzero(s.on_share > 0.95))
    assert found["saturated gates"].subject == tuple(np.flatnonzero(s.open | s.shut))
    assert s.shut.sum() > 8


def test_spikes_that_sink_together_are_found(digits):
    heavy = {"alpha": 0.02, "penalty_weight": 20.0, "penalty_distance": "kl"}
    rate = {"kind": "one-cycle", "peak": 5e-3}
    diagnosis = examined(digits, epochs=2, learning_rate=rate, arguments=heavy)
    found = by_name(diagnosis)
    assert {"spikes sunk to 0", "saturated gates"} <= set(alarms(diagnosis))
    assert found["spikes sunk to 0"].subject == tuple(range(16))
    assert max(diagnosis.statistics.gamma.max(), diagnosis.statistics.prior_gamma.max()) < 0.01


def test_without_warm_up_of_the_slabs_the_code_is_binary(digits):
    diagnosis = examined(digits, arguments={"warm_up": 0.0, "kl_weight": 1.0})
    found = by_name(diagnosis)
    assert found["warm-up did not end"].severity == "alarm"
    assert "λ is 0 after" in found["warm-up did not end"].evidence
    assert found["slab unused"].severity == "warning"
    assert abs(diagnosis.statistics.slab_use) < 1 < diagnosis.statistics.code_use


@pytest.mark.slow
def test_slabs_that_are_trained_too_late_spoil_the_images(digits):
    late = {"warm_up": {"kind": "ramp", "start": 0.98, "end": 1.0}, "kl_weight": 1.0}
    diagnosis = examined(digits, arguments={**late, "decode_gates": False})
    assert alarms(diagnosis) == ["decoder prints the mean image"]
    sees_gates = by_name(examined(digits, arguments=late))  # and does without slabs
    assert {n: found.severity for n, found in sees_gates.items()} == {"slab unused": "warning"}


@pytest.mark.slow
def test_a_warm_up_that_ends_half_way_is_the_only_fault(digits):
    assert alarms(examined(digits, arguments={"warm_up": 0.5})) == ["warm-up did not end"]


def test_the_published_prior_has_a_floor_and_no_divergence_at_first(digits):
    found = by_name(
        examined(
            digits,
            latents=32,
            epochs=2,
            recipe_name="vsc-published",
            arguments={"alpha": 0.005},
        )
    )
    assert found["alpha out of reach"].severity == "alarm"
    assert "0.0067" in found["alpha out of reach"].sentence
    assert found["divergence switched off"].severity == "alarm"


def test_a_classifier_that_settles_on_few_pseudo_inputs_is_found(digits):
    settings = {"learning_rate": 2e-2, "epochs": 4, "arguments": {"prior": "classifier"}}
    diagnosis = examined(digits, **settings)
    assert by_name(diagnosis)["pseudo-inputs unused"].severity == "warning"
    assert diagnosis.statistics.perplexity < 10


# ------------------------------------------------------------------ healthy models


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(s, marks=pytest.mark.slow) for s in range(2, 10))]
)
def test_a_healthy_sparse_model_gives_no_alarm(digits, seed):
    diagnosis = examined(digits, seed=seed)
    assert {finding.severity for finding in diagnosis.findings} <= {"note"}
    assert diagnosis.statistics.reconstruction < 0.9 * diagnosis.statistics.mean_image


@pytest.mark.slow
@pytest.mark.parametrize("model", ["ae", "vae", "vsc-wu"])
def test_other_healthy_models_give_no_alarm(digits, model):
    assert {finding.severity for finding in examined(digits, model).findings} <= {"note"}


# ------------------------------------------------------------------ statistics


def untrained(name, **arguments):
    torch.manual_seed(0)
    model = build(name, SHAPE, LATENTS, widths=(3, 16), arguments=arguments).eval()
    for parameter in model.encoder.head.parameters():
        parameter.data *= 4  # posteriors far enough from their priors
    return model


def gathered(model, images=23):
    x = np.random.default_rng(0).random((images, *SHAPE), dtype=np.float32)
    one = Pass(model, x)
    return statistics.gather(one), one.measured


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("vae", {}),
        ("vsc", {"prior": "fixed"}),
        ("vsc", {"prior": "learned"}),
        ("vsc", {"prior": "mixture", "pseudo_inputs": 1}),
    ],
)
def test_dimensions_of_a_prior_without_choice_add_up_to_the_divergence(name, arguments):
    s, found = gathered(untrained(name, **arguments))
    assert s.kl.sum() == pytest.approx(found.kl.mean(), rel=1e-4)
    if found.gated:
        np.testing.assert_allclose(s.prior_gamma, found.expected.mean(0), rtol=1e-5)


def test_dimensions_of_a_mixture_stay_below_the_divergence():
    model = untrained("vsc", prior="mixture", pseudo_inputs=4)
    s, found = gathered(model)
    assert 0 < s.kl.sum() <= found.kl.mean() + 1e-4
    gamma = model.prior.mixture(model.posterior).components.spike_probability.detach()
    np.testing.assert_allclose(s.prior_gamma, gamma.mean(0), rtol=1e-5)
    assert (s.components, s.perplexity) == (4, pytest.approx(4.0))


def test_what_is_not_defined_for_a_model_is_null_and_the_rest_is_plain_json():
    model = untrained("ae")
    s, _ = gathered(model)
    kept = json.loads(json.dumps(s.as_json(), allow_nan=False))
    assert kept["slab_use"] is kept["total_kl"] is kept["alpha"] is kept["perplexity"] is None
    assert kept["kl"] == [None] * LATENTS
    assert kept["gamma"] == [1.0] * LATENTS
    assert kept["open"] == [True] * LATENTS
    assert kept["reconstruction"] == pytest.approx(s.reconstruction, rel=1e-3)


def test_exchanged_slabs_keep_the_gates_and_the_slabs_of_every_dimension():
    torch.manual_seed(0)
    mask = (torch.rand(40, 3) < 0.5).float()
    z = mask * torch.randn(40, 3)
    mixed = statistics.exchange_slabs(z, mask)
    assert torch.equal(mixed != 0, mask > 0.5)
    assert not torch.equal(mixed, z)
    torch.testing.assert_close(mixed.sort(0).values, z.sort(0).values)


def test_another_likelihood_has_no_mean_image_score():
    s, _ = gathered(untrained("vae", likelihood="continuous-bernoulli"))
    assert np.isnan(s.mean_image)


# ------------------------------------------------------------------ verdicts


def test_alarms_come_first_and_every_verdict_is_one_sentence():
    s, _ = gathered(untrained("vsc", warm_up=0.5))
    worst = replace(s, pixel_variance=0.01, on_share=np.ones_like(s.on_share))
    found = diagnostics.findings(worst)
    severities = [finding.severity for finding in found]
    assert severities == sorted(severities, key=["alarm", "warning", "note"].index)
    assert len(severities) > 2
    for finding in found:
        assert finding.sentence.endswith(".")
        assert ". " not in finding.sentence


# ------------------------------------------------------------------ during training


def history(*rows):
    start = {"reconstruction": 100.0, "sum_gamma": 4.0, "always_on": 0.0, "shut": 0.0}
    return [{**start, "epoch": n, **row} for n, row in enumerate(rows, start=1)]


def test_activity_counts_open_and_shut_gates():
    found = watch.activity(torch.tensor([0.99, 0.5, 0.0005]), True)
    assert found == {"sum_gamma": pytest.approx(1.4905), "always_on": 1, "shut": 1}
    assert watch.activity(torch.zeros(3), False) == {}


def test_gates_that_are_never_open_at_all_are_a_collapse():
    model = untrained("l1")
    row = {"reconstruction": 100.0, **watch.activity(torch.zeros(LATENTS), model.has_gates)}
    assert watch.stuck({"epoch": 2, **row}, model, 1e3) == "all 5 gates are shut"
    rows = [{"epoch": 1, **row}, {"epoch": 2, **row}]
    assert "all 5 gates are shut" in watch.warning(rows, 4, model, float("nan"))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"reconstruction": 199.0}, "mean image"),
        ({"shut": float(LATENTS)}, "all 5 gates are shut"),
        ({"always_on": 3.0}, "the same 3 gates"),
    ],
)
def test_a_sign_of_collapse_is_said_once(row, said):
    model = untrained("vsc", alpha=0.1)
    rows = history({}, {}, row, row)
    assert watch.warning(rows[:2], 4, model, 200.0) == ""
    assert said in watch.warning(rows[:3], 4, model, 200.0)
    assert watch.warning(rows[:3], 4, model, 200.0).startswith("epoch 3 of 4: ")
    assert watch.warning(rows, 4, model, 200.0) == ""


def test_nothing_is_said_of_the_beginning_or_without_need():
    model = untrained("vsc", alpha=0.1)
    poor = {"reconstruction": 199.0}
    assert watch.warning(history({"shut": 5.0}), 9, model, 200.0) == ""
    assert watch.warning(history(poor, poor), 9, model, 200.0) == ""
    assert (
        watch.warning(history({}, {"always_on": 3.0}), 2, untrained("vsc", alpha=0.5), 200.0) == ""
    )
    assert watch.warning(history({}, poor), 2, model, float("nan")) == ""
    plain = [{"epoch": n, "reconstruction": 100.0} for n in (1, 2)]
    assert watch.warning(plain, 2, untrained("vae"), 200.0) == ""


def test_history_keeps_the_activity_of_sparse_models(tiny_run):
    (row,) = tiny_run.history
    assert 0 < row["sum_gamma"] < 4
    assert row["always_on"] + row["shut"] <= 4


# ------------------------------------------------------------------ where verdicts are told


def test_a_run_keeps_what_was_found(tiny_run, tiny_dataset):
    kept = {**tiny_run.diagnosis}
    assert kept.pop("notes") == []
    found = diagnostics.examine(Pass.of(tiny_run.load(), tiny_dataset))
    assert kept == json.loads(json.dumps(found.as_json()))
    assert [finding["sentence"] for finding in kept["findings"]] == [
        finding.sentence for finding in found.findings
    ]
    assert len(kept["statistics"]["kl"]) == 4


def test_findings_of_another_form_are_one_sentence(tmp_path):
    write_json(tmp_path / "diagnostics.json", {"verdicts": []})
    with pytest.raises(RunFolderError, match=r"diagnostics\.json is damaged"):
        assert RunFolder(tmp_path).diagnosis


@pytest.mark.usefixtures("no_workers_in_this_test", "few_draws")
def test_a_study_says_collapse_while_it_trains_and_when_it_ends(tmp_path):
    said = []
    fields = {"dataset": "mnist-5k", "models": ["vsc"], "latents": [2], "limit": 300}
    config = StudyConfig.checked({**fields, "epochs": 3, "batch_size": 100})
    study.run_study(config, tmp_path, jobs=1, listener=study.Listener(say=said.append))
    run = "mnist-5k-vsc-2-seed0: "
    assert any(line.startswith(f"{run}epoch 2 of 3: the decoder still prints") for line in said)
    assert any(line.startswith(f"{run}The reconstruction takes") for line in said)


def test_the_report_has_a_panel_with_findings_and_numbers(tiny_run):
    (panel,) = panels_of.panels([Run.read(tiny_run)])
    kept = tiny_run.diagnosis
    assert (panel.title, panel.latents) == ("VSC", 4)
    assert [f.sentence for f in panel.findings] == [f["sentence"] for f in kept["findings"]]
    assert panel.numbers[0][0] == "dimension"
    costs = [float(line[-1]) for line in panel.numbers[1:]]
    assert costs == sorted(costs, reverse=True)


def test_panels_count_alarms_over_seeds_and_say_what_is_missing(tiny_run):
    run = Run.read(tiny_run)
    healthy = {**run.diagnosis, "findings": []}
    (panel,) = panels_of.panels([replace(run, diagnosis=healthy), run])
    assert panel.findings == ()
    assert "decoder prints the mean image in 1" in panel.seeds
    (unknown,) = panels_of.panels([replace(run, diagnosis={})])
    assert unknown.missing
