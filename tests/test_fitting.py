"""Whole runs: killed and resumed equals uninterrupted; scores fall when the data are spoilt."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from sparsevae import data as datasets
from sparsevae.data import Split
from sparsevae.errors import ConfigurationError, DatasetError, DeviceError, RunFolderError
from sparsevae.evaluation import bound, evaluate_dataset
from sparsevae.metrics import bounds
from sparsevae.models import MODELS
from sparsevae.networks import kernels
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.train import fit, train_run, work_of
from sparsevae.runs.training import new_model
from sparsevae.storage import files
from sparsevae.training.config import RunConfig
from sparsevae.training.recipes import RECIPES

SMALL = {
    "dataset": "mnist-5k",
    "latents": 4,
    "epochs": 3,
    "batch_size": 64,
    "widths": (4, 8, 16),
}
MIXTURE = {"prior": "mixture", "penalty": "prior", "pseudo_inputs": 7}
CASES = [*((name, {}) for name in MODELS), ("vsc", MIXTURE)]
each_case = pytest.mark.parametrize(("name", "arguments"), CASES, ids=str)


pytestmark = pytest.mark.usefixtures("few_draws")


class InterruptionError(Exception):
    """Stands for whatever ends a process."""


def config(name="vsc", arguments=None, **changes):
    return RunConfig.checked({**SMALL, "model": name, "arguments": arguments or {}, **changes})


def stop_after(images):
    """A progress that ends training once so many images are done."""
    done = 0

    def progress(count):
        nonlocal done
        done += count
        if done >= images:
            raise InterruptionError

    return progress


def trained(path, some, dataset):
    folder = RunFolder(path)
    train_run(some, dataset, folder, device="cpu")
    return folder


def timeless(rows):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def assert_same_run(found, expected):
    for name in ("weights.safetensors", "pictures.safetensors", "config.json"):
        assert (found.path / name).read_bytes() == (expected.path / name).read_bytes(), name
    assert timeless(found.history) == timeless(expected.history)
    assert timeless([found.metrics]) == timeless([expected.metrics])


# ------------------------------------------------------------------ resumption


@each_case
def test_stopped_in_any_epoch_and_resumed_equals_uninterrupted(
    name, arguments, tiny_dataset, tmp_path
):
    some, images = config(name, arguments), len(tiny_dataset.train)
    whole = trained(tmp_path / "whole", some, tiny_dataset)
    folder = RunFolder(tmp_path / "parts")
    for done in (1, images + 1, 2 * images + 200):
        with pytest.raises(InterruptionError):
            train_run(some, tiny_dataset, folder, device="cpu", progress=stop_after(done))
        assert not folder.finished
    train_run(some, tiny_dataset, folder, device="cpu")
    assert_same_run(folder, whole)


@pytest.mark.parametrize(
    "kernel", ["plain", pytest.param("native", marks=pytest.mark.needs_compiler)]
)
def test_resumption_is_exact_with_either_kernel(kernel, tiny_dataset, tmp_path):
    some = config("vsc", MIXTURE, widths=(16, 32, 64))
    with kernels.use(kernel):
        whole = trained(tmp_path / "whole", some, tiny_dataset)
        folder = RunFolder(tmp_path / "parts")
        with pytest.raises(InterruptionError):
            train_run(some, tiny_dataset, folder, device="cpu", progress=stop_after(700))
        train_run(some, tiny_dataset, folder, device="cpu")
    assert_same_run(folder, whole)
    assert whole.metrics["kernel"].startswith(kernel)


KILLED = """
import json, os, signal, sys
import torch
from sparsevae import data as datasets
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.train import train_run
from sparsevae.training.config import RunConfig
from pathlib import Path

torch.set_num_threads(1)
done = 0
def progress(count):
    global done
    done += count
    if done > 500:
        os.kill(os.getpid(), signal.SIGKILL)

config = RunConfig.checked(json.loads(sys.argv[2]))
data = datasets.load("mnist-5k", limit=200)
train_run(config, data, RunFolder(Path(sys.argv[1])), device="cpu", progress=progress)
"""


def test_a_killed_process_is_taken_up_by_another(tmp_path):
    some, data = config("vsc", MIXTURE), datasets.load("mnist-5k", limit=200)
    folder = RunFolder(tmp_path / "killed")
    command = [sys.executable, "-c", KILLED, str(folder.path), some.model_dump_json()]
    assert subprocess.run(command, check=False).returncode == -9
    assert len(folder.load_checkpoint()[1]) == 2
    train_run(some, data, folder, device="cpu")
    assert_same_run(folder, trained(tmp_path / "whole", some, data))


def test_progress_counts_what_is_done_also_after_an_interruption(tiny_dataset, tmp_path):
    folder, some = RunFolder(tmp_path / "run"), config()
    with pytest.raises(InterruptionError):
        train_run(some, tiny_dataset, folder, device="cpu", progress=stop_after(310))
    seen = []
    train_run(some, tiny_dataset, folder, device="cpu", progress=seen.append)
    assert seen[0] == 300
    assert sum(seen) == work_of(some, tiny_dataset)


def test_a_finished_run_is_not_trained_again(tiny_dataset, tmp_path):
    folder = trained(tmp_path / "run", config(), tiny_dataset)
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    seen = []
    train_run(config(), tiny_dataset, folder, device="cpu", progress=seen.append)
    assert seen[0] == 3 * 300
    assert sum(seen) == work_of(config(), tiny_dataset)
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before


# ------------------------------------------------------------------ what a run says


def test_metrics_say_which_run_it_was_and_are_plain_json(tiny_run):
    row = tiny_run.metrics
    expected = {"dataset": "mnist-5k", "model": "vsc", "latents": 4, "seed": 0, "epochs": 1}
    assert {key: row[key] for key in expected} == expected
    assert row["kernel"] == kernels.kernel_name()
    assert row["prior"] == tiny_run.load().prior.name
    parts = [row[f"parameters_{part}"] for part in ("trunk", "head", "prior")]
    assert row["parameters"] == sum(parts)
    assert row["seconds"] == sum(epoch["seconds"] for epoch in tiny_run.history)
    json.dumps(row, allow_nan=False)


def test_metrics_can_be_had_again_from_the_weights(tiny_run, tiny_dataset, few_draws, monkeypatch):
    monkeypatch.setattr(bound, "importance_columns", few_draws)
    found = evaluate_dataset(tiny_run.load(), tiny_dataset)
    row, arrays = found.metrics, found.arrays
    kept = tiny_run.metrics
    for name, value in row.items():
        close = pytest.approx(value, rel=1e-5) if isinstance(value, float) else value
        assert kept[name] == close, name
    np.testing.assert_array_equal(arrays["grid"], tiny_run.pictures["grid"])


def test_another_seed_gives_other_weights_and_another_start(tiny_dataset):
    images = torch.from_numpy(tiny_dataset.train.images)
    first, again, other = (new_model(config(seed=seed), images) for seed in (0, 0, 1))
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, again.state_dict()[name])
    assert not torch.equal(first.encoder.head.weight, other.encoder.head.weight)


def test_pseudo_inputs_start_from_training_images(tiny_dataset):
    images = torch.from_numpy(tiny_dataset.train.images)
    model = new_model(config("vsc", MIXTURE), images)
    starts = model.prior.pseudo_inputs.detach()
    nearest = torch.cdist(starts.flatten(1), images.flatten(1) / 255).argmin(1)
    assert len(starts) == len(nearest.unique()) == 7
    noise = 2 * starts - images[nearest].float() / 255
    assert float(noise.min()) > -0.01
    assert float(noise.max()) < 1.01


def test_more_pseudo_inputs_than_images_survive_the_way_through_the_folder(tiny_dataset, tmp_path):
    few = replace(tiny_dataset, train=tiny_dataset.train.take(slice(20)), sha256="")
    folder = trained(tmp_path / "run", config("vsc", {**MIXTURE, "pseudo_inputs": 30}), few)
    assert len(folder.load().prior.pseudo_inputs) == 30


# ------------------------------------------------------------------ in memory


def test_fitting_in_memory_gives_the_weights_of_the_run(tiny_dataset, tmp_path):
    """Both go through one loop; the folder adds nothing to the numbers."""
    arguments = {"alpha": 0.3}
    some = config(widths=(16, 32, 256), epochs=2, arguments=arguments)
    run = trained(tmp_path / "run", some, tiny_dataset)
    model = fit(
        tiny_dataset.train.images,
        "vsc",
        latents=4,
        epochs=2,
        batch_size=64,
        recipe="protocol",
        device="cpu",
        **arguments,
    )
    assert not model.model.training
    for name, weight in run.load().state_dict().items():
        assert torch.equal(weight, model.model.state_dict()[name]), name


@each_case
def test_the_users_random_state_is_left_alone(name, arguments, tiny_dataset, tmp_path):
    torch.manual_seed(7)
    before, numbers = torch.get_rng_state(), np.random.get_state()  # noqa: NPY002 (the global one)
    fit(tiny_dataset.train.images[:50], name, latents=2, epochs=1, device="cpu", **arguments)
    trained(tmp_path / "run", config(name, arguments, epochs=1), tiny_dataset)
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numbers[1])  # noqa: NPY002


def test_the_users_random_state_has_no_effect(tiny_dataset):
    models = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        models.append(fit(tiny_dataset.train.images[:50], "vsc", latents=2, epochs=1))
    assert torch.equal(models[0].model.encoder.head.weight, models[1].model.encoder.head.weight)


def test_grey_levels_and_floats_of_either_precision_give_one_model(tiny_dataset):
    grey = tiny_dataset.train.images[:50]
    forms = (grey, grey / np.float32(255), (grey / np.float32(255)).astype(np.float64))
    models = [fit(form, "vae", latents=2, epochs=1) for form in forms]
    for model in models[1:]:
        assert torch.equal(model.model.encoder.head.weight, models[0].model.encoder.head.weight)


def test_vectors_and_other_families_can_be_fitted():
    rows = np.random.default_rng(0).normal(3.0, 2.0, (60, 7))
    model = fit(rows, "vsc", latents=2, epochs=1, likelihood="gaussian", prior="fixed")
    assert model.reconstruct(torch.from_numpy(rows[:5]).float()).shape == (5, 7)


# ------------------------------------------------------------------ mistakes


def refused(error, action):
    with pytest.raises(error) as caught:
        action()
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"model": "gan"}, "gan"),
        ({"depth": 3}, "depth"),
        ({"alpha": 2.0}, "alpha"),
        ({"latents": 0}, "latents"),
        ({"epochs": 0}, "epochs"),
        ({"batch_size": -1}, "batch_size"),
        ({"seed": -1}, "seed"),
        ({"recipe": "soup"}, "soup"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_one_sentence(settings, named, tiny_dataset):
    few = tiny_dataset.train.images[:20]
    message = refused(ConfigurationError, lambda: fit(few, **{"epochs": 1, **settings}))
    assert named in message


def test_a_known_recipe_is_named_where_an_unknown_one_is_refused(tiny_dataset):
    few = tiny_dataset.train.images[:20]
    message = refused(ConfigurationError, lambda: fit(few, recipe="soup"))
    assert all(name in message for name in RECIPES)


@pytest.mark.parametrize(
    ("images", "named"),
    [
        (np.full((9, 1, 8, 8), 2.0), "2"),
        (np.full((9, 1, 8, 8), np.nan), "nan"),
        (np.zeros((0, 1, 8, 8), np.uint8), "no images"),
    ],
    ids=["too bright", "not a number", "none"],
)
def test_images_that_cannot_be_learned_are_refused(images, named):
    assert named in refused(
        DatasetError,
        lambda: fit(images, "vae", latents=2, epochs=1, likelihood="bernoulli", scaling="none"),
    )


def test_an_absent_device_leaves_no_folder(tiny_dataset, tmp_path):
    folder = RunFolder(tmp_path / "run")
    refused(DeviceError, lambda: train_run(config(), tiny_dataset, folder, device="cuda:77"))
    assert not folder.path.exists()


def test_training_that_diverges_says_so(tiny_dataset, tmp_path):
    folder = RunFolder(tmp_path / "run")
    wild = config("ae", learning_rate=1e30)
    message = refused(
        ConfigurationError, lambda: train_run(wild, tiny_dataset, folder, device="cpu")
    )
    assert "diverged in epoch 1" in message
    assert not folder.finished


def test_a_folder_of_another_run_is_left_as_it_is(tiny_dataset, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(InterruptionError):
        train_run(config(), tiny_dataset, folder, device="cpu", progress=stop_after(400))
    before = {path.name: path.read_bytes() for path in folder.path.iterdir()}
    message = refused(
        RunFolderError, lambda: train_run(config(seed=5), tiny_dataset, folder, device="cpu")
    )
    assert "seed 0, not 5" in message
    other = replace(tiny_dataset, train=tiny_dataset.test, sha256="")
    message = refused(RunFolderError, lambda: train_run(config(), other, folder, device="cpu"))
    assert "other training data" in message
    assert {path.name: path.read_bytes() for path in folder.path.iterdir()} == before


@pytest.mark.parametrize("damage", ["cut", "other weights", "other moments"])
def test_a_damaged_checkpoint_is_not_gone_on_from(damage, tiny_dataset, tmp_path):
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(InterruptionError):
        train_run(config(), tiny_dataset, folder, device="cpu", progress=stop_after(400))
    path = folder.path / "checkpoint.safetensors"
    tensors, history = folder.load_checkpoint()
    if damage == "cut":
        os.truncate(path, path.stat().st_size // 2)
    elif damage == "other weights":
        tensors["model/encoder.head.weight"] = torch.zeros(2, 2)
        folder.save_checkpoint(tensors, history)
    else:
        tensors["optimiser/999.exp_avg"] = torch.zeros(2)
        folder.save_checkpoint(tensors, history)
    message = refused(
        RunFolderError, lambda: train_run(config(), tiny_dataset, folder, device="cpu")
    )
    assert str(folder.path) in message
    assert "start again" in message


def test_weights_are_stored_in_plain_memory_order(tiny_run):
    stored, _ = files.read_tensors(tiny_run.path / "weights.safetensors")
    assert all(tensor.is_contiguous() for tensor in stored.values())


# ------------------------------------------------------------------ spoilt data


def with_shuffled_pixels(split, rng):
    """Each image with its own permutation of its pixels: nothing is left but their histogram."""
    flat = rng.permuted(split.images.reshape(len(split), -1), axis=1)
    return Split(flat.reshape(split.images.shape), split.labels)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """The same VSC trained on digits and on digits with shuffled pixels, and their data."""
    real, rng = datasets.load("mnist-5k", limit=1000), np.random.default_rng(0)
    parts = {part: with_shuffled_pixels(getattr(real, part), rng) for part in ("train", "test")}
    spoilt = replace(real, sha256="", **parts)
    arguments = {"prior": "fixed", "penalty": "none", "alpha": 0.3}
    settings = {"latents": 16, "epochs": 10, "batch_size": 32, "widths": (8, 16, 64)}
    some = config("vsc", arguments, learning_rate=3e-3, **settings)
    base = tmp_path_factory.mktemp("learned")
    return {
        name: (trained(base / name, some, data), data)
        for name, data in (("real", real), ("spoilt", spoilt))
    }


def gain(run, dataset):
    """Nats an image by which the reconstruction beats the mean training image."""
    floor = bounds.collapse_floor(dataset.train.scaled(), dataset.test.scaled())
    return floor - run.metrics["reconstruction"]


def test_images_without_structure_score_worse(learned):
    (real, _), (spoilt, _) = learned["real"], learned["spoilt"]
    assert real.metrics["mse"] < 0.75 * spoilt.metrics["mse"]
    assert real.metrics["negative_elbo"] < spoilt.metrics["negative_elbo"] - 50
    assert gain(*learned["real"]) > 15
    assert gain(*learned["spoilt"]) < 6
    assert not real.metrics["collapsed_decoder"]
    assert spoilt.metrics["collapsed_decoder"]


def test_shuffled_labels_leave_the_selectivity_of_chance(learned):
    run, data = learned["real"]
    labels = np.random.default_rng(1).permutation(data.test.labels)
    mixed = replace(data, test=Split(data.test.images, labels), sha256="")
    row = evaluate_dataset(run.load(), mixed).metrics
    kept = run.metrics
    assert kept["selectivity"] > 3 * kept["selectivity_permuted"]
    assert row["selectivity"] == pytest.approx(kept["selectivity_permuted"], abs=0.04)
    for name in ("mse", "reconstruction", "used_dimensions", "active_per_image"):
        assert row[name] == pytest.approx(kept[name], rel=1e-5), name


def test_codes_of_a_trained_vsc_hold_exact_zeros(learned):
    run, data = learned["real"]
    codes = run.load().encode(torch.from_numpy(data.test.scaled()))
    share = (codes == 0).float().mean().item()
    assert share == pytest.approx(run.metrics["exact_zeros"], abs=1e-3)
    assert 0.3 < share < 1.0
    assert run.metrics["active_per_image"] == pytest.approx(16 * (1 - share), rel=1e-2)
