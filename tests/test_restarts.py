"""A run that has learned nothing begins anew, says so, and ends the same when it was stopped."""

import math

import numpy as np
import pytest
import torch
from tests.test_own_data import command

from sparsevae.errors import SparseVAEError
from sparsevae.models import build, likelihoods
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.given import raw_rows
from sparsevae.runs.prepare import prepare
from sparsevae.runs.summary import last_words, summary
from sparsevae.runs.train import fit, train_prepared
from sparsevae.training import restarts, watch
from sparsevae.training.config import RunConfig

ROWS = np.random.default_rng(0).normal(size=(60, 5)) @ np.random.default_rng(1).normal(size=(5, 8))
CRUSHED = {"kl_weight": 500.0, "penalty": "none"}  # no code is worth that much

HIDDEN = {"trunk": "mlp", "recipe": "any-values"}  # a network that can fail to learn anything


class StoppedError(Exception):
    """Stands for an interrupt."""


def config(**settings):
    return RunConfig.checked({"dataset": "rows", "model": "vsc", "latents": 4, **settings})


def crushed(**settings):
    return prepare(
        raw_rows(ROWS), latents=4, epochs=9, arguments=CRUSHED, **{**HIDDEN, **settings}
    )


def test_attempts_change_the_rate_and_when_the_divergence_counts():
    rate = {"kind": "one-cycle", "peak": 4e-3}
    first = config(learning_rate=rate, arguments={"kl_weight": 2.0}, restarts=2)
    assert restarts.changed(first, 0) is first
    second, third = restarts.changed(first, 1), restarts.changed(first, 2)
    assert [c.learning_rate["peak"] for c in (second, third)] == [2e-3, 1e-3]
    ramps = [c.arguments["kl_weight"] for c in (second, third)]
    assert [(r["first"], r["last"], r["end"]) for r in ramps] == [(0, 2, 0.6), (0, 2, 0.9)]
    dense = config(model="ae", learning_rate=0.1)
    assert restarts.changed(dense, 1).learning_rate == {"kind": "constant", "value": 0.05}
    assert "divergence" in restarts.sentence(first, 1)
    assert "divergence" not in restarts.sentence(dense, 1)


def test_it_is_time_once_an_attempt_and_no_more_often_than_allowed():
    one = config(epochs=10, restarts=2)
    rows = [{"epoch": e} for e in range(1, 11)]
    assert [n for n in range(11) if restarts.due(one, rows[:n])] == [4]
    last = [{**row, "attempt": 2} for row in rows]
    assert not any(restarts.due(one, last[:n]) for n in range(11))
    assert not any(restarts.due(config(epochs=10), rows[:n]) for n in range(11))


@pytest.mark.parametrize("family", likelihoods.LIKELIHOODS)
def test_the_constant_row_is_scored_by_maximum_likelihood(family):
    """In closed form: the entropy of what fits the columns best, row after row the same."""
    torch.manual_seed(0)
    rows = torch.rand(200, 6)
    if likelihoods.family(family)[0].domain == "counts":
        rows = torch.poisson(5 * rows)
    model = build("vae", (6,), 2, widths=(4,), arguments={"likelihood": family})
    found = watch.constant_row_score(model, family, rows)
    mean, variance = rows.mean(0), rows.var(0, correction=0)
    gaussian = {
        "shared-gaussian": variance.mean().expand(6),
        "diagonal-gaussian": variance,
        "gaussian": variance,
    }
    if family in gaussian:
        expected = 0.5 * (torch.log(2 * math.pi * gaussian[family]) + 1).sum()
    elif family == "bernoulli":
        expected = -(mean * mean.log() + (1 - mean) * (1 - mean).log()).sum()
    elif family == "poisson":
        expected = -torch.distributions.Poisson(mean).log_prob(rows).sum(1).mean()
    else:
        expected = found
        kind = likelihoods.family(family)[0]
        raw = torch.zeros(1, 6 * (kind.outputs + (kind.trained != "none")))
        start = -likelihoods.family(family)[0](raw.expand(200, -1)).log_prob(rows).mean()
        assert found < float(start)
    assert found == pytest.approx(float(expected), rel=1e-3, abs=1e-3)


def test_a_plateau_is_the_mean_row_or_shut_gates():
    model = build("vsc", (6,), 2, widths=(4,), arguments={"likelihood": "shared-gaussian"})
    assert "mean row" in watch.stuck({"reconstruction": 9.8}, model, 10.0)
    assert watch.stuck({"reconstruction": 9.0, "shut": 1.0}, model, 10.0) == ""
    assert "all 2 gates" in watch.stuck({"reconstruction": 1.0, "shut": 2.0}, model, 10.0)
    grey = build("vsc", (6,), 2, widths=(4,), arguments={})
    assert watch.stuck({"reconstruction": 9.4}, grey, 10.0) == ""
    assert "mean row" in watch.stuck({"reconstruction": 9.6}, grey, 10.0)


def crushed_run():
    """A run that may begin anew twice; short runs of the defaults may not."""
    prepared = crushed()
    allowed = {**prepared.config.model_dump(), "restarts": 2}
    return prepared.__class__(
        RunConfig.checked(allowed), prepared.dataset, prepared.data, prepared.notes
    )


def test_a_stopped_run_begins_anew_as_an_uninterrupted_one_does(tmp_path):
    lines = []
    whole = train_prepared(
        crushed_run(), RunFolder(tmp_path / "whole"), device="cpu", warn=lines.append
    )
    begun = [line for line in lines if "begun anew" in line]
    assert [line.split(":")[0] for line in begun] == ["epoch 3 of 9"] * 2
    assert {row["attempt"] for row in whole.history} == {2}
    assert len(whole.history) == 9

    stopped, steps = RunFolder(tmp_path / "stopped"), iter(range(10_000))
    for limit in (2, 3, 4, 8):  # before, at and after the end of a third

        def stop(rows, limit=limit):
            if next(steps) % 9 == limit:
                raise StoppedError

        with pytest.raises(StoppedError):
            train_prepared(crushed_run(), stopped, device="cpu", progress=stop)
    again = train_prepared(crushed_run(), stopped, device="cpu")
    without = [
        [{k: v for k, v in row.items() if k != "seconds"} for row in model.history]
        for model in (whole, again)
    ]
    assert without[0] == without[1]
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, again.model.state_dict()[name])


def test_a_healthy_run_begins_once():
    found = fit(ROWS, latents=4, epochs=90, device="cpu")
    assert all("attempt" not in row for row in found.history)


def test_a_run_that_ends_in_an_alarm_says_so_last_and_exits_with_3(tmp_path, capsys, monkeypatch):
    np.save(tmp_path / "rows.npy", ROWS)
    run = RunFolder(tmp_path / "run")
    train_prepared(crushed(), run, device="cpu")
    words, alarm = last_words(run)
    assert alarm
    assert all(word.startswith("Alarm: ") for word in words)
    settings = prepared_as_the_command_does(monkeypatch)
    out = ("--latents", 4, "--epochs", 9, "--out", tmp_path / "other")
    for _ in settings:
        assert command("fit", tmp_path / "rows.npy", *out) == 3
        said = capsys.readouterr().out.strip().splitlines()
        assert said[-1].startswith("Alarm: ")
        assert any(line.startswith("Held-out squared error") for line in said)


def prepared_as_the_command_does(monkeypatch):
    """The command's own settings with a divergence that no code is worth; twice."""
    own = prepare

    def with_weight(raw, **settings):
        return own(raw, **{**settings, **HIDDEN, "arguments": CRUSHED})

    monkeypatch.setattr("sparsevae.runs.prepare.prepare", with_weight)
    return ("trains", "is finished already")


def test_the_line_beside_pca_is_that_of_scikit_learn(tmp_path):
    from sklearn.decomposition import PCA

    prepared = prepare(raw_rows(ROWS), latents=4, epochs=20, scaling="none")
    run = RunFolder(tmp_path)
    train_prepared(prepared, run, device="cpu")
    train, test = prepared.dataset.train.scaled(), prepared.dataset.test.scaled()
    for count in (1, 4):
        fitted = PCA(count).fit(train)
        left = fitted.inverse_transform(fitted.transform(test)) - test
        assert run.baselines["pca"][count] == pytest.approx((left**2).mean(), rel=1e-4)
    assert run.baselines["pca"][0] == run.baselines["mean_row"]
    (line,) = summary(run)
    assert f"PCA-4 {run.baselines['pca'][4]:.4g}" in line


def test_errors_are_in_the_units_of_the_data_where_columns_are_scaled_alike(tmp_path):
    images = (40 + 20 * np.random.default_rng(0).random((50, 6, 6))).astype(np.float32)
    run = RunFolder(tmp_path)
    train_prepared(prepare(raw_rows(images), latents=2, epochs=1), run, device="cpu")
    scale = run.data.scaling.scale[0]
    assert f"{run.baselines['pca'][2] * scale**2:.4g}" in summary(run)[0]
    assert "scaled" not in summary(run)[0]
    assert issubclass(SparseVAEError, Exception)


@pytest.mark.parametrize(("arguments", "last"), [({}, 4.0), ({"beta": 0.5}, 0.5)])
def test_the_weight_of_a_vae_rises_in_a_new_attempt_too(arguments, last):
    second = restarts.changed(config(model="beta-vae", arguments=arguments), 1)
    ramp = second.arguments["beta"]
    assert (ramp["first"], ramp["last"], ramp["end"]) == (0.0, last, 0.6)
    assert "divergence" in restarts.sentence(second, 1)
