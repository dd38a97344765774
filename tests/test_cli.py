"""The command line: right uses work, wrong ones get one sentence and exit status 2."""

import os
import subprocess
import sys

import pytest
import typer

from sparsevae import cli, data
from sparsevae._version import __version__
from sparsevae.models import MODELS
from sparsevae.training.config import StudyConfig

BASE = ["study", "--dataset", "digits", "--models", "ae", "--latents", "2", "--epochs", "1"]


def run(monkeypatch, capsys, *arguments):
    """Exit status, standard output and standard error of the command in this process."""
    monkeypatch.setattr(sys, "argv", ["sparsevae", *map(str, arguments)])
    with pytest.raises(SystemExit) as exit_:
        cli.main()
    said = capsys.readouterr()
    return exit_.value.code or 0, said.out, said.err


@pytest.mark.usefixtures("no_workers_in_this_test")
def test_a_study_from_options_and_its_report_again(monkeypatch, capsys, tmp_path):
    out = tmp_path / "study"
    status, said, _ = run(monkeypatch, capsys, *BASE, "--limit", 200, "--out", out)
    assert status == 0
    assert f"Report: {out / 'report.html'}" in said
    page = (out / "report.html").read_bytes()
    (out / "report.html").unlink()
    status, _, _ = run(monkeypatch, capsys, "report", out)
    assert status == 0
    assert len((out / "report.html").read_bytes()) == pytest.approx(len(page), rel=0.01)


@pytest.mark.usefixtures("no_workers_in_this_test")
def test_options_go_before_the_file(monkeypatch, capsys, tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("dataset: digits\nmodels: [vae]\nlatents: [2]\nepochs: 7\nlimit: 200\n")
    status, _, said = run(
        monkeypatch, capsys, "study", path, "--epochs", "1", "--out", tmp_path / "out"
    )
    assert status == 0, said
    runs = [folder.name for folder in (tmp_path / "out" / "runs").iterdir()]
    assert runs == ["digits-vae-2-seed0"]
    stored = (tmp_path / "out" / "study.yaml").read_text()
    assert "epochs: 1\n" in stored


PLUGIN = """
from sparsevae import models
from sparsevae.models import VAE

class Quiet(VAE):
    \"\"\"A model of a test's own.\"\"\"

models.register("quiet", models.Row("Quiet", Quiet))
"""


def test_a_plugin_is_imported_here_and_in_the_workers(tmp_path):
    (tmp_path / "mine.py").write_text(PLUGIN)
    words = [*BASE, "--models", "quiet", "--limit", "60", "--plugin", tmp_path / "mine.py"]
    for arguments in ([*words, "--out", tmp_path / "out"], ["--plugin", "mine.py", "models"]):
        command = [sys.executable, "-m", "sparsevae", *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "runs" / "digits-quiet-2-seed0" / "metrics.json").is_file()
    assert "quiet (Quiet, Quiet): A model of a test's own." in done.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "FileNotFoundError"), ("import nothing_such", "No module named"), ("1 +", "Syntax")],
)
def test_a_plugin_that_cannot_be_imported_is_one_sentence(
    content, said, monkeypatch, capsys, tmp_path
):
    if content is not None:
        (tmp_path / "mine.py").write_text(content)
    words = [*BASE, "--plugin", tmp_path / "mine.py", "--out", tmp_path / "new"]
    status, _, error = run(monkeypatch, capsys, *words)
    assert (status, error.count("\n")) == (2, 1)
    assert said in error
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([*BASE, "--vary", "epochs=1,2"], "--epochs is given, and epochs is varied as well"),
        ([*BASE, "--vary", "recipe=best", "--vary", "recipe=default"], "recipe is varied twice"),
        (["figures", ".", "--image", "²"], "--image takes the number of an example or mean"),
    ],
)
def test_what_would_be_taken_otherwise_than_meant_is_refused(monkeypatch, capsys, words, said):
    status, _, error = run(monkeypatch, capsys, *words)
    assert (status, error.count("\n")) == (2, 1)
    assert said in error


def test_a_file_whose_vary_is_no_mapping_is_one_sentence(monkeypatch, capsys, tmp_path):
    (tmp_path / "study.yaml").write_text("vary: [1, 2]\n")
    status, _, error = run(
        monkeypatch, capsys, "study", tmp_path / "study.yaml", "--vary", "epochs=1,2"
    )
    assert (status, error.count("\n")) == (2, 1)
    assert "'vary' does not take [1, 2]" in error


def test_every_field_of_a_study_is_an_option_but_what_needs_a_file():
    command = cli.studies.OfStudy("study")
    parameters = {one.name: one for one in command.get_params(typer.Context(command))}
    fields = set(StudyConfig.model_fields) - {"arguments", "vary"}
    assert fields | {"vary"} <= set(parameters)
    assert all(parameters[name].help for name in fields)


def test_the_version_is_said(monkeypatch, capsys):
    assert run(monkeypatch, capsys, "--version") == (0, f"sparsevae {__version__}\n", "")


def test_models_and_data_sets_are_listed(monkeypatch, capsys):
    status, said, _ = run(monkeypatch, capsys, "models")
    assert status == 0
    for name, row in MODELS.items():
        assert f"{name} ({row.title}, {row.model.__name__}): " in said
    status, said, _ = run(monkeypatch, capsys, "datasets")
    assert status == 0
    assert [line.split(":")[0] for line in said.splitlines()[::2]] == list(data.names())


def test_commands_stand_in_groups(monkeypatch, capsys):
    _, said, _ = run(monkeypatch, capsys, "--help")
    places = [said.index(panel) for panel in ("Studies", "Your own data", "Share", "Look up")]
    assert places == sorted(places)
    assert "--install-completion" in said


WRONG = {
    "unknown model": (["--models", "gan"], "no model 'gan'"),
    "unknown data set": (["--dataset", "imagenet"], "no data set 'imagenet'"),
    "no latents": (["--latents", "0"], "'latents' does not take 0"),
    "negative seed": (["--seeds", "-1"], "'seeds' does not take -1"),
    "latents in words": (["--latents", "two"], "whole numbers"),
    "widths in words": (["--widths", "two"], "--widths takes whole numbers"),
    "no epochs": (["--epochs", "0"], "'epochs' does not take 0"),
    "no batch": (["--batch-size", "0"], "'batch_size' does not take 0"),
    "negative rate": (["--learning-rate", "-0.1"], "'learning_rate' does not take -0.1"),
    "alpha of one": (["--alpha", "1"], "'alpha' does not take 1"),
    "alpha of zero": (["--alpha", "0"], "'alpha' does not take 0"),
    "no images": (["--limit", "0"], "'limit' does not take 0"),
    "unknown recipe": (["--recipe", "soup"], "no recipe 'soup'"),
    "unknown split": (["--split", "train"], "'split' does not take 'train'"),
    "unknown precision": (["--precision", "int3"], "'precision' does not take 'int3'"),
    "missing CUDA": (["--device", "cuda:77"], "is not on this machine"),
    "unknown device": (["--device", "toaster"], "is not on this machine"),
    "missing file": (["absent.yaml"], "Cannot read absent.yaml"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_gets_one_sentence_and_leaves_nothing(case, monkeypatch, capsys, tmp_path):
    arguments, expected = WRONG[case]
    status, out, said = run(monkeypatch, capsys, *BASE, "--out", tmp_path / "new", *arguments)
    assert status == 2
    assert expected in said
    assert said.startswith("Error: ")
    assert said.count("\n") == 1
    assert out == ""
    assert not (tmp_path / "new").exists()


def test_an_output_folder_that_is_a_file(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    status, _, said = run(monkeypatch, capsys, *BASE, "--limit", 100, "--out", tmp_path / "file")
    assert status == 2
    assert "it is a file" in said


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write anywhere")
def test_an_output_folder_that_is_not_writable(monkeypatch, capsys, tmp_path):
    tmp_path.chmod(0o500)
    status, _, said = run(monkeypatch, capsys, *BASE, "--limit", 100, "--out", tmp_path / "new")
    assert status == 2
    assert "Cannot write" in said


def test_damaged_idx_files(monkeypatch, capsys, tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03\0\0\xea\x60")
    monkeypatch.setenv("SPARSEVAE_DATA", str(tmp_path))
    status, _, said = run(
        monkeypatch, capsys, *BASE, "--dataset", "mnist", "--out", tmp_path / "new"
    )
    assert status == 2
    assert "train-images-idx3-ubyte" in said
    assert not (tmp_path / "new").exists()


def test_no_network_for_a_named_data_set(monkeypatch, capsys, tmp_path):
    monkeypatch.setenv("SPARSEVAE_DATA", str(tmp_path))
    monkeypatch.setenv("SPARSEVAE_CACHE", str(tmp_path / "cache"))
    status, _, said = run(
        monkeypatch, capsys, *BASE, "--dataset", "mnist", "--out", tmp_path / "new"
    )
    assert status == 2
    assert "SPARSEVAE_DATA=FOLDER" in said
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(("option", "said"), [("--help", "study"), ("--version", "sparsevae ")])
def test_help_is_quick_because_libraries_wait(option, said):
    code = (
        f"import sys; sys.argv = ['sparsevae', '{option}']\n"
        "from sparsevae.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'yaml', 'matplotlib'} & set(sys.modules)\n"
        "ours = {name for name in sys.modules if name.startswith('sparsevae.')}\n"
        "ours -= {name for name in ours if name.startswith('sparsevae.cli')}\n"
        "assert not heavy, heavy\n"
        "assert ours == {'sparsevae.errors', 'sparsevae._version'}, ours"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout
