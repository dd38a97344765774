"""Finished runs measured again: new numbers from old weights, what training knows is kept."""

import json
import shutil
import sys
from dataclasses import replace

import pytest

from sparsevae import cli, data, report
from sparsevae.errors import RunFolderError
from sparsevae.evaluation import Pass
from sparsevae.evaluation.bound import COLUMNS as BOUND_COLUMNS
from sparsevae.evaluation.bound import importance_columns
from sparsevae.runs.folder import RunFolder
from sparsevae.storage.files import write_json
from sparsevae.studies import study
from sparsevae.studies.remeasuring import measure_run

SMALL = {"dataset": "digits", "latents": [2], "epochs": 1, "limit": 100}


def files(path):
    return {found.name: found.read_bytes() for found in path.iterdir() if found.is_file()}


@pytest.fixture
def copied(tiny_run, tmp_path):
    """A finished run of its own."""
    return RunFolder(shutil.copytree(tiny_run.path, tmp_path / "run"))


def test_numbers_pictures_and_findings_are_made_anew(copied, tiny_dataset):
    before, kept = files(copied.path), copied.metrics
    old = {**kept, "mse": 9.0, "forgotten": 1, "seconds": 77.5, "kernel": "that of training"}
    for name in ("hoyer", "probe_200", "alpha"):
        del old[name]
    write_json(copied.path / "metrics.json", old)
    copied.keep_pictures({})
    (copied.path / "diagnostics.json").unlink()
    measure_run(copied, tiny_dataset, device="cpu")
    trained = {"seconds": 77.5, "kernel": "that of training"}
    assert copied.metrics == {**kept, **trained}
    assert list(copied.metrics) == list(kept)
    after = files(copied.path)
    assert {name for name in before if after[name] != before[name]} == {"metrics.json"}


def test_a_run_of_other_data_is_left_as_it_is(copied, tiny_dataset):
    before = files(copied.path)
    other = replace(tiny_dataset, train=tiny_dataset.test, sha256="")
    with pytest.raises(RunFolderError, match=r"trained on other data than mnist-5k .*\.$"):
        measure_run(copied, other, device="cpu")
    assert files(copied.path) == before


@pytest.mark.parametrize(
    ("absent", "said"),
    [("weights.safetensors", "keeps no weights"), ("metrics.json", "is not finished")],
)
def test_a_run_that_cannot_be_measured_is_one_sentence(absent, said, copied, tiny_dataset):
    (copied.path / absent).unlink()
    before = files(copied.path)
    with pytest.raises(RunFolderError, match=rf"{said}[^\n]*\.$"):
        measure_run(copied, tiny_dataset, device="cpu")
    assert files(copied.path) == before


@pytest.fixture(scope="module")
def small_study(tmp_path_factory, no_workers):
    out = tmp_path_factory.mktemp("study")
    study.study(**SMALL, models=["vsc"], seeds=[0, 1], out=out, device="cpu", jobs=1)
    return out


def command(monkeypatch, capsys, *arguments, name="measure"):
    monkeypatch.setattr(sys, "argv", ["sparsevae", name, *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    return exit_.value.code or 0, capsys.readouterr().err


def test_a_study_is_measured_with_its_references_and_its_report(
    small_study, tmp_path, monkeypatch, capsys
):
    out = shutil.copytree(small_study, tmp_path / "study")
    made = ("baselines.json", "results.csv", "stability.json")
    for name in (*made, "report.html"):
        (out / name).unlink()
    for path in out.glob("runs/*/metrics.json"):
        write_json(path, {**json.loads(path.read_text()), "mse": 9.0})
    status, said = command(monkeypatch, capsys, out, "--device", "cpu")
    assert status == 0, said
    assert said.count("digits-vsc-2-seed") >= 2
    for name in made:
        assert (out / name).read_bytes() == (small_study / name).read_bytes(), name
    assert (out / "report.html").stat().st_size > 10_000
    (row,) = json.loads((out / "stability.json").read_text())
    assert row["seeds"] == [0, 1]
    assert 0 <= row["stability_chance"] <= 1


def test_a_run_alone_is_measured_and_nothing_beside_it(small_study, tmp_path, monkeypatch, capsys):
    run = shutil.copytree(small_study / "runs" / "digits-vsc-2-seed1", tmp_path / "run")
    before = files(run)
    write_json(run / "metrics.json", {**RunFolder(run).metrics, "mse": 9.0})
    status, said = command(monkeypatch, capsys, run, "--device", "cpu")
    assert status == 0, said
    assert files(run) == before


def test_a_study_with_a_run_without_weights_is_not_begun(
    small_study, tmp_path, monkeypatch, capsys
):
    out = shutil.copytree(small_study, tmp_path / "study")
    (out / "runs" / "digits-vsc-2-seed1" / "weights.safetensors").unlink()
    first = out / "runs" / "digits-vsc-2-seed0"
    write_json(first / "metrics.json", {**RunFolder(first).metrics, "mse": 9.0})
    status, said = command(monkeypatch, capsys, out)
    assert status == 2
    assert "keeps no weights" in said
    assert said.count("\n") == 1
    assert RunFolder(first).metrics["mse"] == 9.0
    (out / "runs" / "digits-vsc-2-seed0" / "weights.safetensors").unlink()
    assert report.write_report(out).is_file()  # it needs no weights


def test_a_folder_without_finished_runs_is_one_sentence(tmp_path, monkeypatch, capsys):
    status, said = command(monkeypatch, capsys, tmp_path)
    assert (status, said.count("\n")) == (2, 1)
    assert "holds no finished runs" in said


def test_a_bound_with_more_draws_is_tighter_and_the_only_number_that_changes(
    small_study, tmp_path, monkeypatch, capsys
):
    out = shutil.copytree(small_study, tmp_path / "study")
    run = RunFolder(out / "runs" / "digits-vsc-2-seed1")
    before, untouched = run.metrics, files(run.path)
    options = ("--samples", 2000, "--images", 40)
    status, said = command(monkeypatch, capsys, out, *options, "--device", "cpu", name="bound")
    assert status == 0, said
    after = RunFolder(run.path).metrics
    changed = {name for name in after if after[name] != before[name]}
    assert changed
    assert changed <= set(BOUND_COLUMNS)
    assert (after["importance_samples"], after["importance_images"]) == (2000, 40)
    assert after["importance_weighted_bound"] < after["importance_negative_elbo"]
    assert {name for name in untouched if files(run.path)[name] != untouched[name]} == {
        "metrics.json"
    }
    status, said = command(monkeypatch, capsys, out, *options, name="bound")
    assert "0 runs to do" in said
    direct = importance_columns(Pass.of(run.load(), data.load("digits", limit=100)), images=40)
    assert after["importance_weighted_bound"] < direct["importance_weighted_bound"]
