"""Recipes: every run of a study with everything that decides its numbers filled in."""

import pytest

import sparsevae.experiments.published  # noqa: F401 (the recipe "vsc-published")
from sparsevae.errors import ConfigurationError
from sparsevae.models import MODELS, build
from sparsevae.training.config import StudyConfig
from sparsevae.training.recipes import RECIPES, batch_size, recipe, runs


def test_a_grid_has_every_combination_once():
    study = StudyConfig(latents=(2, 8), seeds=(0, 1, 2))
    found = runs(study, "digits")
    assert len({(run.model, run.latents, run.seed) for run in found}) == 4 * 2 * 3 == len(found)
    assert {run.dataset for run in found} == {"digits"}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_builds_every_model_at_every_size(name):
    for run in runs(StudyConfig(recipe=name, latents=(2, 20)), "digits"):
        model = build(run.model, (1, 8, 8), run.latents, widths=(8,), arguments=run.arguments)
        assert model.latents == run.latents


@pytest.mark.parametrize("name", RECIPES)
def test_models_of_one_recipe_share_one_schedule(name):
    rates = [run.learning_rate for run in runs(StudyConfig(recipe=name), "digits")]
    assert all(rate == rates[0] for rate in rates)


def test_the_protocol_is_adam_at_one_thousandth():
    assert {run.learning_rate for run in runs(StudyConfig(recipe="protocol"), "digits")} == {1e-3}


@pytest.mark.parametrize("images", [100, 3_744, 4_583, 20_000, 60_000, 1_000_000])
def test_an_epoch_has_as_many_steps_on_few_images_as_on_mnist(images):
    size = batch_size(images)
    assert 16 <= size <= 256
    if 16 < size < 256:
        assert 234 <= images / size < 250
    assert runs(StudyConfig(), "digits", images)[0].batch_size == size


def test_a_given_batch_size_is_taken_for_every_model():
    found = runs(StudyConfig(batch_size=7), "digits", 60_000)
    assert {run.batch_size for run in found} == {7}


def test_alpha_is_filled_in_for_models_that_have_it():
    study = StudyConfig(recipe="protocol", latents=(2, 64), alpha=0.2)
    for run in runs(study, "digits"):
        assert run.arguments.get("alpha") == (0.2 if run.model.startswith("vsc") else None)


def test_arguments_of_the_study_go_before_those_of_the_recipe_and_these_before_the_rows():
    ramp = {"kind": "ramp", "start": 0.3, "end": 0.6}

    def warm_up(**settings):
        return runs(StudyConfig(models=("vsc-wu",), **settings), "digits")[0].arguments["warm_up"]

    assert warm_up(arguments={"vsc-wu": {"warm_up": ramp}}) == ramp
    assert warm_up() == RECIPES["default"].arguments["vsc-wu"]["warm_up"]
    assert warm_up(recipe="protocol") == MODELS["vsc-wu"].arguments["warm_up"]


def test_names_of_runs_are_names_of_folders():
    names = [run.name for run in runs(StudyConfig(), "mnist")]
    assert names[0] == "mnist-ae-2-seed0"
    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in names)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"recipe": "soup"}, "no recipe 'soup'"),
        ({"models": ("gan",)}, "no model 'gan'"),
        ({"models": ("vae", "vae")}, "asked for twice"),
        ({"models": ("vae",), "arguments": {"vsc": {}}}, "given for vsc, which do not run"),
        ({"models": ("ae",), "arguments": {"ae": {"beta": 1}}}, "'ae' does not take beta"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(settings, said):
    with pytest.raises(ConfigurationError, match=said):
        runs(StudyConfig(**settings), "digits")


def test_an_unknown_recipe_names_those_there_are():
    with pytest.raises(ConfigurationError, match="protocol"):
        recipe("none")
