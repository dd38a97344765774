"""Configurations survive JSON and YAML, and each mistake is one sentence."""

import pytest
import yaml

from sparsevae.errors import ConfigurationError
from sparsevae.training.config import RunConfig, StudyConfig, read_yaml

RUN = {"dataset": "digits", "model": "vsc", "latents": 8}


def test_a_run_survives_json():
    run = RunConfig.checked({**RUN, "arguments": {"warm_up": {"kind": "ramp", "start": 0.1}}})
    assert RunConfig.model_validate_json(run.model_dump_json()) == run
    assert RunConfig.checked(run.model_dump(mode="json")) == run


def test_a_study_survives_yaml(tmp_path):
    study = StudyConfig.checked({"latents": [2, 8], "arguments": {"vae": {"beta": 4.0}}})
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(study.model_dump(mode="json")))
    assert StudyConfig.checked(read_yaml(path)) == study


def test_an_empty_file_gives_the_defaults(tmp_path):
    (tmp_path / "empty.yaml").touch()
    assert StudyConfig.checked(read_yaml(tmp_path / "empty.yaml")) == StudyConfig()


def test_configurations_do_not_change():
    with pytest.raises(ValueError, match="frozen"):
        StudyConfig().epochs = 3


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latents": 0}, "'latents' does not take 0"),
        ({"latents": 2.5}, "'latents' does not take 2.5"),
        ({"epochs": "many"}, "'epochs' does not take 'many'"),
        ({"learning_rate": float("nan")}, "'learning_rate' does not take nan"),
        ({"widths": []}, "'widths' does not take"),
        ({"widths": [16, 0]}, "'widths' does not take 0"),
        ({"epoch": 3}, "There is no setting 'epoch'; the settings are dataset, split"),
    ],
)
def test_a_wrong_setting_is_one_sentence(changes, said):
    with pytest.raises(ConfigurationError) as error:
        RunConfig.checked({**RUN, **changes})
    assert said in str(error.value)
    assert str(error.value).endswith(".")
    assert "\n" not in str(error.value)


def test_every_wrong_setting_is_named_at_once():
    wrong = {"epochs": 0, "batch_size": -1, "nonsense": 1, "folly": 2}
    with pytest.raises(ConfigurationError) as refusal:
        StudyConfig.checked(wrong)
    said = str(refusal.value)
    assert "'epochs' does not take 0" in said
    assert "'batch_size' does not take -1" in said
    assert "no setting 'nonsense', 'folly'; the settings are" in said


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ([1, 2], "[1, 2]: give every name a list of values, such as 'vary: {epochs: [10, 25]}'."),
        ("abc", "'abc': give every name a list of values"),
        (None, "None: give every name a list of values"),
        ({"epochs": 3, "recipe": []}, "epochs, recipe must have a list of values, as in 'vary: "),
    ],
    ids=str,
)
def test_a_wrong_vary_says_what_to_write_beside_all_else(vary, said):
    with pytest.raises(ConfigurationError, match="'vary' does not take") as refusal:
        StudyConfig.checked({"vary": vary, "batch_size": [20, 40], "alpha": 3})
    assert said in str(refusal.value)
    assert "'alpha' does not take 3" in str(refusal.value)
    assert "'batch_size' does" not in str(refusal.value)  # a list of it is a grid


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigurationError, match="The setting 'model' is missing"):
        RunConfig.checked({"dataset": "digits", "latents": 8})


def test_a_file_that_is_not_text_is_refused(tmp_path):
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00epochs")
    with pytest.raises(ConfigurationError, match="is not a YAML file"):
        read_yaml(tmp_path / "bytes.yaml")


def test_yaml_cannot_make_objects(tmp_path):
    path = tmp_path / "evil.yaml"
    path.write_text("dataset: !!python/object/apply:os.getcwd []\n")
    with pytest.raises(ConfigurationError, match="is not a YAML file"):
        read_yaml(path)
