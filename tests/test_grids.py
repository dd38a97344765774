"""Grids: what varies, how runs are called, and how tables and pages tell them apart."""

import csv
import json

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsevae.cli.studies import fields_of, varied
from sparsevae.errors import ConfigurationError
from sparsevae.experiments.claims import write_verdicts
from sparsevae.report.study import Study, by_model_and_size, in_order
from sparsevae.studies.study import Listener, study
from sparsevae.training.config import RunConfig, StudyConfig, read_yaml
from sparsevae.training.grids import SAFE, differences, grown, planned, run_name
from sparsevae.training.recipes import runs

RUN = RunConfig(dataset="mnist", model="vsc", latents=64)


def names(**fields):
    return list(planned(StudyConfig.checked({"latents": [16], **fields}), "mnist", 60_000))


def test_a_grid_without_vary_is_what_it_was():
    config = StudyConfig.checked({"latents": [2, 16], "seeds": [0, 1]})
    plan = planned(config, "mnist", 60_000)
    assert list(plan.values()) == runs(config, "mnist", 60_000)
    assert list(plan) == [run.name for run in plan.values()]


def test_every_combination_is_run_and_a_model_that_is_not_concerned_once():
    found = names(
        models=["ae", "vsc"], vary={"target_active": [4, 8], "vsc.estimator": ["concrete"]}
    )
    assert found == [
        "mnist-ae-16-seed0",
        "mnist-vsc-16-target_active=4-estimator=concrete-seed0",
        "mnist-vsc-16-target_active=8-estimator=concrete-seed0",
    ]
    fields = {"models": ["ae", "vsc"], "vary": {"epochs": [3, 4], "alpha": [0.1, 0.2]}}
    assert len(names(**fields)) == 2 + 4


def test_values_reach_the_runs():
    fields = {"models": ["vsc"], "latents": [16], "epochs": 9}
    vary = {"target_active": [4, 8], "learning_rate": [1e-3, 4e-3], "widths": [[4, 8], [16]]}
    plan = planned(StudyConfig.checked({**fields, "vary": vary}), "mnist", 60_000)
    found = {
        (run.arguments["target_active"], run.learning_rate, run.widths) for run in plan.values()
    }
    assert len(plan) == len(found) == 8
    assert (8, 4e-3, (4, 8)) in found
    assert {run.epochs for run in plan.values()} == {9}


def test_a_list_where_one_value_belongs_is_a_grid():
    short = StudyConfig.checked({"learning_rate": [1e-3, 4e-3], "widths": [[4], [8]]})
    long = StudyConfig.checked({"vary": {"learning_rate": [1e-3, 4e-3], "widths": [[4], [8]]}})
    assert short == long
    assert StudyConfig.checked({"widths": [4, 8]}).widths == (4, 8)
    assert StudyConfig.checked(yaml.safe_load(yaml.safe_dump(short.model_dump(mode="json"))))


def test_a_grid_grows_by_the_lists_of_another():
    one = StudyConfig.checked(
        {
            "models": ["ae", "vsc"],
            "vary": {"widths": [[4], [8]]},
            "arguments": {"ae": {"likelihood": "gaussian"}, "vsc": {"prior": "fixed"}},
        }
    )
    two = StudyConfig.checked(
        {"models": ["vsc"], "latents": [2, 3], "vary": {"widths": [[8], [16]]}, "epochs": 9}
    )
    both = grown(one, two)
    assert both.models == ("ae", "vsc")
    assert both.latents == (2, 64, 3)
    assert both.vary == {"widths": ([4], [8], [16])}
    assert both.arguments == {"ae": {"likelihood": "gaussian"}}, "of vsc those that it has now"
    assert both.epochs == 9
    assert set(planned(two, "digits")) < set(planned(both, "digits"))


def test_a_file_and_the_command_line_say_the_same(tmp_path):
    path = tmp_path / "study.yaml"
    path.write_text("vary:\n  vsc.target_active: [4, 8]\n  learning_rate: [1e-3, 4e-3]\n")
    said = dict(map(varied, ["vsc.target_active=4,8", "learning_rate=1e-3,4e-3"]))
    assert StudyConfig.checked(read_yaml(path)) == StudyConfig.checked({"vary": said})
    assert said["learning_rate"] == [0.001, 0.004]


@pytest.mark.parametrize(
    ("vary", "named"),
    [
        ({"depth": [1, 2]}, "depth"),
        ({"ae.target_active": [1, 2]}, "ae.target_active"),
        ({"vae.beta": [1, 2]}, "vae.beta"),
        ({"latents": [1, 2]}, "latents"),
        ({"target_active": [4, 4]}, "target_active"),
        ({"target_active": []}, "vary"),
        ({"vsc.target_active": ["many"]}, "many"),
        ({"epochs": [0]}, "epochs"),
        ({"epochs": list(range(1, 20_000))}, "runs"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence(vary, named):
    with pytest.raises(ConfigurationError, match=named) as caught:
        names(models=["ae", "vsc"], vary=vary)
    assert str(caught.value).endswith(".")


def test_what_is_said_twice_is_refused_and_all_of_it_at_once():
    options = {"batch_size": 20, "recipe": "best"}
    with pytest.raises(ConfigurationError) as caught:
        fields_of({"vary": {"batch_size": [1, 2]}}, options, ["epochs=1", "epochs=2", "recipe=a"])
    assert str(caught.value) == (
        "epochs is varied twice; give all its values in one --vary. "
        "--batch-size is given, and batch_size is varied as well; leave one out. "
        "--recipe is given, and recipe is varied as well; leave one out."
    )


def test_what_varies_on_the_command_line_goes_before_the_file():
    file = {"epochs": 5, "limit": 9, "vary": {"epochs": [1, 2], "recipe": ["best"]}}
    fields = fields_of(file, {"limit": 7}, ["epochs=3,4"])
    assert fields["vary"] == {"epochs": [3, 4], "recipe": ["best"]}
    assert fields["limit"] == 7
    assert fields_of({"vary": [1]}, {}, ["epochs=3"])["vary"] == [1]  # refused with all else


def test_an_argument_of_another_type_is_told_before_the_recipe_reckons_with_it():
    with pytest.raises(ConfigurationError, match="does not take target_active = 'many'"):
        names(models=["vsc"], recipe="protocol", vary={"target_active": ["many"]})


@pytest.mark.parametrize("text", ["epochs", "=3", "epochs="])
def test_a_wrong_option_is_refused(text):
    with pytest.raises(ConfigurationError, match="NAME=V1,V2"):
        varied(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats(0, 1) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=4,
)


@settings(max_examples=200, deadline=None)
@given(one=JSON, two=JSON)
def test_names_are_safe_and_tell_values_apart(one, two):
    first, second = (run_name(RUN, {"argument": value}) for value in (one, two))
    for name in (first, second):
        assert SAFE.fullmatch(name.replace("=", "").replace("~", ""))
        assert len(name) < 200
    same = json.dumps(one, sort_keys=True) == json.dumps(two, sort_keys=True)
    assert (first.casefold() == second.casefold()) == same


def test_differences_are_within_a_model_and_size():
    configs = [
        RUN.model_copy(update={"model": model, "latents": latents, "arguments": arguments})
        for model, latents, arguments in [
            ("vsc", 2, {"alpha": 0.5}),
            ("vsc", 64, {"alpha": 0.125, "target_active": 8}),
            ("vsc", 64, {"alpha": 0.25, "target_active": 16}),
            ("vae", 64, {}),
        ]
    ]
    assert differences(configs) == [{}, {"target_active": 8}, {"target_active": 16}, {}]


SMALL = {
    "dataset": "digits",
    "models": ["ae", "vsc"],
    "latents": [4],
    "seeds": [0, 1],
    "epochs": 1,
    "limit": 300,
    "widths": [4, 4, 8],
    "vary": {"target_active": [2, 1]},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory, no_workers, few_draws):
    out = tmp_path_factory.mktemp("grid")
    return study(**SMALL, out=out, jobs=1)


def test_the_table_has_a_column_for_what_varies(finished):
    with (finished.folder / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["target_active"], row["seed"]) for row in rows] == [
        *(("ae", "", seed) for seed in "01"),
        *(("vsc", target, seed) for target in ("1.0", "2.0") for seed in "01"),
    ]
    assert "target_active" in rows[0]


def test_a_page_tells_kinds_apart_and_compares_seeds_of_one(finished):
    read = Study.read(finished.folder)
    titles = ["AE", "VSC · target_active = 1", "VSC · target_active = 2"]
    assert [run.title for run in read.first_seeds(4)] == titles
    assert [len(rows) for rows in by_model_and_size(read.rows).values()] == [2, 2, 2]
    assert [row.get("varied") for row in read.stability] == [
        "target_active = 1",
        "target_active = 2",
    ]
    page = finished.report.read_text()
    assert all(title in page for title in titles)


def test_runs_of_a_grid_are_taken_over_by_a_study_that_does_not_vary(finished, tmp_path):
    said = []
    plain = {**SMALL, "vary": {}, "models": ["vsc"], "arguments": {"vsc": {"target_active": 2}}}
    study(
        **plain,
        out=tmp_path,
        jobs=1,
        reuse=[finished.folder],
        listener=Listener(say=said.append, begin=lambda runs: said.append(dict(runs))),
    )
    assert {} in said
    assert sum("is taken from" in str(line) for line in said) == 2


def test_claims_leave_out_what_a_grid_varies(finished):
    verdicts = write_verdicts(finished.folder).read_text()
    assert '"vsc"' not in verdicts


def test_kinds_stand_by_their_numbers():
    kinds = [f"vsc · target_active = {target}" for target in (16, 4, 0.5)]
    assert in_order(kinds) == kinds[::-1]
