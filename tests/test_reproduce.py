"""Published experiments: what they run, the table beside the published values, taking up again."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from sparsevae.errors import ConfigurationError, RunFolderError
from sparsevae.experiments import reproductions
from sparsevae.experiments.reproductions import smiley, student_report
from sparsevae.experiments.reproductions.reproduction import (
    Compared,
    Reproduction,
    Value,
    markdown,
)
from sparsevae.storage.files import write_json
from sparsevae.studies.study import Listener
from sparsevae.training.config import RunConfig, StudyConfig
from sparsevae.training.recipes import runs

EACH = pytest.mark.parametrize("name", reproductions.REPRODUCTIONS)
QUIET = Listener()


def written(out, study, model, latents, seed, **metrics):
    """A finished run folder with these metrics and nothing else."""
    config = RunConfig(dataset="mnist-5k", model=model, latents=latents, seed=seed)
    folder = out / study / "runs" / config.name
    folder.mkdir(parents=True)
    write_json(folder / "config.json", {"config": config.model_dump(mode="json")})
    write_json(folder / "metrics.json", metrics)


def small(**values):
    """A reproduction of two studies with given values of the table."""
    study = StudyConfig(dataset="mnist-5k", models=("vae",), latents=(2,))
    return Reproduction(
        name="small",
        source="Somebody, somewhere.",
        studies={"first": study, "second": study},
        values=tuple(values.values()),
        defects=("It was wrong.",),
        differences=("This is right.",),
    )


# ------------------------------------------------------------------ what is listed


@EACH
def test_every_value_belongs_to_a_run_that_is_done(name):
    found = reproductions.reproduction(name)
    done = {
        (key, run.model, run.latents)
        for key, study in found.studies.items()
        for run in runs(study, study.dataset)
    }
    wanted = {(value.study, value.model, value.latents) for value in found.values}
    assert wanted <= done
    assert len(set(found.values)) == len(found.values) > 3
    assert all(sentence.endswith(".") for sentence in (*found.defects, *found.differences))
    assert found.defects


@EACH
def test_settings_reach_every_run_and_all_else_stays(name):
    plain = reproductions.reproduction(name)
    few = reproductions.reproduction(name, settings={"epochs": 1, "limit": 50, "seeds": [3, 4]})
    for key, study in few.studies.items():
        assert (study.epochs, study.limit, study.seeds) == (1, 50, (3, 4))
        same = study.model_copy(update={"epochs": plain.studies[key].epochs, "limit": None})
        assert same.model_copy(update={"seeds": (0,)}) == plain.studies[key]


def test_the_published_values_are_those_that_are_on_record():
    published = {
        (value.study, value.model, value.latents, value.metric): value.published
        for value in reproductions.reproduction("vsc-2019").values
    }
    assert published["mnist-vae", "vae", 16, "negative_elbo"] == 104.8
    assert published["mnist-alpha-0.5", "vsc", 200, "negative_elbo"] == 115.1
    assert published["fashion-alpha-0.01", "vsc", 200, "probe_5000"] == 79.7


def test_a_part_is_chosen_by_its_data_set():
    part = reproductions.reproduction("vsc-2019", "fashion-mnist")
    assert {study.dataset for study in part.studies.values()} == {"fashion-mnist"}
    assert {value.study for value in part.values} == set(part.studies)
    with pytest.raises(ConfigurationError, match="'digits'"):
        reproductions.reproduction("smiley", "digits")


def test_an_unknown_name_is_refused_with_the_known_ones():
    with pytest.raises(ConfigurationError, match="vsc-2019, smiley"):
        reproductions.reproduction("nothing")


def test_the_students_faults_are_taken_out_one_by_one():
    arguments = {
        key: next(r for r in runs(study, "mnist") if r.model == "vsc-wu").arguments
        for key, study in student_report.STUDIES.items()
    }
    assert arguments["as-published"]["estimator"] == "bernoulli"
    assert arguments["as-published"]["prior"] == "unweighted"
    assert arguments["as-published"]["warm_up"]["last"] == 0.25
    assert not {"estimator", "prior"} & set(arguments["no-faults"])
    assert arguments["no-faults"]["warm_up"]["end"] < 0.5
    given = {key: found.get("alpha") for key, found in arguments.items()}
    assert given == {**dict.fromkeys(arguments, 0.25), "default-recipe": None}


# ------------------------------------------------------------------ the table


def test_ours_stand_beside_theirs_in_their_unit(tmp_path):
    for seed, accuracy in enumerate((0.5, 0.7)):
        written(tmp_path, "first", "vae", 2, seed, probe=accuracy, blank=None)
    written(tmp_path, "second", "vae", 2, 0, probe=0.25)
    found = small(
        a=Value("first", "vae", 2, "probe", "probe, %", 87.5, 100.0),
        b=Value("second", "vae", 2, "probe", "probe", "figure only"),
        c=Value("first", "vae", 2, "blank", "nothing"),
    )
    rows = reproductions.compare(found, tmp_path)
    assert [row.ours for row in rows] == [pytest.approx(60.0), 0.25, None]
    assert rows[0].deviation == pytest.approx(np.std([50, 70], ddof=1))
    assert [row.deviation for row in rows[1:]] == [None, None]
    assert [row.seeds for row in rows] == [2, 1, 0]
    lines = markdown(found, rows).splitlines()
    assert "| mnist-5k | first | VAE | 2 | probe, % | 87.5 | 60 ± 14 (2 seeds) |  |" in lines
    assert "| mnist-5k | second | VAE | 2 | probe | figure only | 0.25 |  |" in lines
    assert "| mnist-5k | first | VAE | 2 | nothing | – | – |  |" in lines
    assert {"- It was wrong.", "- This is right.", "Somebody, somewhere."} <= set(lines)


@EACH
def test_a_bar_in_a_cell_does_not_break_the_table(name):
    found = reproductions.REPRODUCTIONS[name]
    values = [replace(value, note="|μ|, not |z|") for value in found.values]
    rows = [Compared(value, "mnist", 1.0, None, 1) for value in values]
    lines = [line for line in markdown(found, rows).splitlines() if line.startswith("|")]
    quantities = {value.quantity for value in values}
    several, columns = (len(quantities), 4 + len(quantities)) if found.wide else (1, 8)
    assert len(lines) == 2 + len(values) / several
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {1 + columns}


def test_a_study_without_finished_runs_is_one_sentence(tmp_path):
    with pytest.raises(RunFolderError, match="no finished runs"):
        reproductions.compare(small(), tmp_path)


def test_latents_are_arranged_by_group_and_strength():
    correlation = np.zeros((18, 5))
    correlation[[12, 0, 5, 1], [0, 1, 3, 4]] = 0.9, 0.2, 1, 0.8  # the third is never on
    arranged = smiley.arranged(correlation)
    np.testing.assert_array_equal(arranged[:, :4].argmax(0), [1, 0, 5, 12])
    assert (arranged[:, 4] == 0).all()


# ------------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A small reproduction with an MLP on images, done once."""
    out = tmp_path_factory.mktemp("reproduction")
    dense = StudyConfig(
        dataset="digits",
        models=("vae",),
        latents=(2,),
        epochs=1,
        limit=120,
        widths=(9,),
        trunk="mlp",
        recipe="protocol",
    )
    value = Value("first", "vae", 2, "negative_elbo", "−ELBO, nats per image", 50.0)
    found = replace(
        small(a=value, b=replace(value, study="second")),
        studies={"first": dense, "second": dense.model_copy(update={"seeds": (0, 1)})},
        draw=lambda out: (out / "drawn").touch(),
    )
    return found, out, reproductions.reproduce(found, out, jobs=1, listener=QUIET)


def test_a_reproduction_leaves_runs_a_picture_and_a_table(done):
    _, out, page = done
    kept = json.loads((out / "table.json").read_text())
    assert [row["seeds"] for row in kept["rows"]] == [1, 2]
    assert kept["rows"][0]["published"] == 50.0
    assert 0 < kept["rows"][0]["ours"] < 200
    assert kept["studies"]["first"]["trunk"] == "mlp"
    assert page == out / "table.md"
    assert "| digits | first | VAE | 2 |" in page.read_text()
    assert (out / "drawn").is_file()
    assert len(list(out.glob("*/runs/*/weights.safetensors"))) == 3


def test_it_is_taken_up_where_it_was_and_other_settings_are_refused(done):
    found, out, _ = done
    sizes, before = [], (out / "table.json").read_text()
    reproductions.reproduce(found, out, listener=Listener(begin=sizes.append))
    assert sizes == [{}]
    assert (out / "table.json").read_text() == before
    longer = {key: s.model_copy(update={"epochs": 2}) for key, s in found.studies.items()}
    with pytest.raises(RunFolderError, match="epochs 1, not 2"):
        reproductions.reproduce(replace(found, studies=longer), out, listener=QUIET)


def test_the_command_says_what_is_wrong_in_one_sentence(tmp_path):
    command = [sys.executable, "-m", "sparsevae", "reproduce", "nothing"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.count("\n") == 1
    assert "student-report" in result.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.needs_mnist
@pytest.mark.needs_fashion_mnist
@EACH
def test_the_command_runs_small(name, tmp_path):
    options = ["--epochs", "1", "--limit", "300", "--out", os.fspath(tmp_path / "out")]
    command = [sys.executable, "-m", "sparsevae", "reproduce", name, *options]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    rows = json.loads((tmp_path / "out" / "table.json").read_text())["rows"]
    assert len(rows) == len(reproductions.REPRODUCTIONS[name].values)
    assert "Table: " in result.stdout
