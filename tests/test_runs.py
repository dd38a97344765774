"""The run folder: written whole or not at all, read back equal, and clear when damaged."""

import json
import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch

from sparsevae.errors import OutputError, RunFolderError
from sparsevae.runs import weights
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.train import train_run
from sparsevae.runs.training import new_model
from sparsevae.storage import files
from sparsevae.training.config import RunConfig

SETTINGS = {"dataset": "made", "model": "vsc", "latents": 3, "widths": (2, 4)}
SHAPE = (1, 6, 5)
FILES = {
    *("config.json", "checkpoint.safetensors", "weights.safetensors", "history.json"),
    *("denoiser.safetensors", "diagnostics.json", "pictures.safetensors", "metrics.json"),
}


def config(**changes):
    return RunConfig.checked(SETTINGS | changes)


def model_of(some):
    return new_model(some, torch.zeros(60, *SHAPE))


@pytest.fixture
def started(tmp_path):
    folder = RunFolder(tmp_path / "run")
    folder.start(config(), "abc", SHAPE)
    return folder


@pytest.fixture
def weighted(started):
    """A run with weights; its numbers are not yet there."""
    started.save_weights(model_of(config()), [{"epoch": 1, "objective": 2.5}])
    return started


def sentence(caught):
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


# ------------------------------------------------------------------ what is kept


def test_a_finished_run_holds_the_files_it_promises_and_no_other(tiny_run):
    assert {path.name for path in tiny_run.path.iterdir()} == {*FILES, files.LOCK}
    assert os.fspath(tiny_run) == str(tiny_run.path)
    assert tiny_run.finished
    assert tiny_run.has_weights


def test_a_run_remembers_what_it_was(tiny_run, tiny_dataset):
    assert tiny_run.config.model == "vsc"
    assert tiny_run.data_sha256 == tiny_dataset.sha256
    assert tiny_run.shape == tiny_dataset.shape
    assert len(tiny_run.history) == tiny_run.config.epochs == 1
    content = json.loads((tiny_run.path / "config.json").read_text())
    assert set(content["versions"]) == {"sparsevae", "torch", "numpy", "python"}


def test_a_loaded_model_is_the_trained_one(tiny_run, tiny_dataset):
    model = RunFolder(str(tiny_run.path)).load()
    assert not model.training
    checkpoint, _ = tiny_run.load_checkpoint()
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, checkpoint[f"model/{name}"])
    chosen = tiny_run.pictures["example_indices"]
    codes = model.encode(torch.from_numpy(tiny_dataset.test.take(chosen).scaled()))
    torch.testing.assert_close(codes.numpy(), tiny_run.pictures["base_codes"][:-1])


def test_loading_leaves_the_users_generator(tiny_run):
    before = torch.get_rng_state()
    tiny_run.load()
    assert torch.equal(torch.get_rng_state(), before)


def test_pictures_come_back_as_they_were(started):
    grid = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    arrays = {
        "turned": grid.transpose(2, 0, 1),
        "backwards": grid[::-1],
        "part": grid[:, 1:],
        "frozen": np.broadcast_to(np.float32(0.5), (3, 2)),
        "undefined": np.array([np.nan, 1.0]),
        "indices": np.array([5, 7]),
        "flag": np.array([True]),
    }
    started.keep_pictures(arrays)
    found = started.pictures
    assert set(found) == set(arrays)
    for name, array in arrays.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
        assert found[name].flags.writeable


def test_a_run_without_pictures_has_none(started):
    assert started.pictures == {}


def test_checkpoints_come_back_with_their_history(started):
    assert started.load_checkpoint() == ({}, [])
    tensors = {"model/a": torch.randn(3, 4).T, "optimiser/0.step": torch.tensor(7.0)}
    history = [{"epoch": 1, "objective": 1 / 3}]
    started.save_checkpoint(tensors, history)
    found, rows = started.load_checkpoint()
    assert rows == history
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())


# ------------------------------------------------------------------ finished


def test_only_metrics_make_a_run_finished(weighted):
    weighted.keep_pictures({"rises": np.zeros(3)})
    assert weighted.has_weights
    assert not weighted.finished
    with pytest.raises(RunFolderError, match=r"is not finished: it has no metrics\.json\.$"):
        weighted.metrics  # noqa: B018 (a property that reads a file)
    weighted.finish({"mse": 0.25, "kl": None}, {})
    assert weighted.finished
    assert weighted.metrics == {"mse": 0.25, "kl": None}


def test_metrics_are_written_last(weighted, monkeypatch):
    written = []
    replace = os.replace

    def noted(source, target):
        written.append(os.path.basename(target))
        replace(source, target)

    monkeypatch.setattr(os, "replace", noted)
    weighted.finish({"mse": 0.25}, {"rises": np.zeros(3)})
    assert written == ["pictures.safetensors", "metrics.json"]


# ------------------------------------------------------------------ one step


def test_a_crash_while_writing_leaves_the_old_file_and_nothing_beside(tmp_path):
    path = tmp_path / "metrics.json"
    files.write_json(path, {"mse": 1})

    def interrupted():
        with files.replacing(path) as temporary:
            temporary.write_text('{"mse"')
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert files.read_json(path) == {"mse": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_another_process_trains_is_left_alone(tmp_path, tiny_dataset):
    folder = RunFolder(tmp_path / "run")
    with (
        files.locked(folder.path),
        pytest.raises(OutputError, match="Another process works on the folder"),
    ):
        train_run(config(), tiny_dataset, folder, device="cpu")
    assert [path.name for path in folder.path.iterdir()] == [files.LOCK]


def test_a_killed_writer_leaves_the_old_file(tmp_path):
    path = tmp_path / "metrics.json"
    files.write_json(path, {"mse": 1})
    code = (
        "import os, pathlib, signal, sys\n"
        "from sparsevae.storage import files\n"
        "with files.replacing(pathlib.Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('{')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], check=False)
    assert done.returncode == -9
    assert files.read_json(path) == {"mse": 1}


def test_numbers_that_json_lacks_are_refused_before_anything_is_written(tmp_path):
    path = tmp_path / "metrics.json"
    for value in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="JSON"):
            files.write_json(path, {"mse": value})
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk():
    """No file may grow beyond 4 KiB, as on a disk that is nearly full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_is_one_sentence_and_keeps_the_old_file(tmp_path):
    path, tensors = tmp_path / "text", tmp_path / "tensors"
    files.write_text(path, "old")
    files.write_tensors(tensors, {"a": torch.zeros(3)}, {})
    with pytest.raises(OutputError, match=r"^Cannot write .*text: File too large\.$"):
        files.write_text(path, "new" * 4096)
    with pytest.raises(OutputError, match=r"^Cannot write .*tensors: ") as caught:
        files.write_tensors(tensors, {"a": torch.zeros(30_000)}, {})
    sentence(caught)
    assert path.read_text() == "old"
    assert torch.equal(files.read_tensors(tensors)[0]["a"], torch.zeros(3))
    assert set(tmp_path.iterdir()) == {path, tensors}


# ------------------------------------------------------------------ places


def test_a_file_in_place_of_the_folder_is_named(tmp_path):
    path = tmp_path / "taken"
    path.write_text("mine")
    with pytest.raises(OutputError, match=r"taken: it is a file\.$"):
        RunFolder(path).start(config(), "abc", SHAPE)
    with pytest.raises(OutputError, match=r"taken/run: ") as caught:
        RunFolder(path / "run").start(config(), "abc", SHAPE)
    sentence(caught)
    assert path.read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    """The permission is withdrawn by hand, since it does not bind an administrator."""

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr("pathlib.Path.touch", refuse)
    with pytest.raises(OutputError, match=r"^Cannot write .*: Permission denied\.$"):
        RunFolder(tmp_path / "run").start(config(), "abc", SHAPE)


@pytest.mark.skipif(os.geteuid() == 0, reason="an administrator may write everywhere")
def test_a_read_only_folder_is_named(tmp_path):
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(OutputError, match="Permission denied"):
        RunFolder(tmp_path / "closed" / "run").start(config(), "abc", SHAPE)


def test_a_folder_that_is_not_there_is_not_a_run(tmp_path):
    with pytest.raises(RunFolderError, match="nowhere is not there; name the folder"):
        RunFolder(tmp_path / "nowhere").load()


# ------------------------------------------------------------------ another configuration


def test_a_started_folder_takes_the_same_configuration_again(started):
    before = (started.path / "config.json").read_bytes()
    started.start(config(), "abc", SHAPE)
    assert (started.path / "config.json").read_bytes() == before
    assert started.matches(config(), "abc")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"seed": 1}, "seed 0, not 1"),
        ({"model": "vae"}, "model 'vsc', not 'vae'"),
        ({"epochs": 26}, "epochs 25, not 26"),
        ({"arguments": {"alpha": 0.25}}, "arguments {}, not {'alpha': 0.25}"),
        ({"learning_rate": {"kind": "one-cycle", "peak": 0.1}}, "learning_rate 0.001, not {"),
    ],
    ids=str,
)
def test_another_configuration_is_refused_and_the_difference_named(started, changes, named):
    with pytest.raises(RunFolderError) as caught:
        started.start(config(**changes), "abc", SHAPE)
    assert named in sentence(caught)
    assert str(started.path) in str(caught.value)
    assert not started.matches(config(**changes), "abc")


def test_other_data_are_refused(started):
    with pytest.raises(RunFolderError, match="other training data"):
        started.start(config(), "xyz", SHAPE)
    assert not started.matches(config(), "xyz")


# ------------------------------------------------------------------ damage


DAMAGE = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "noise": lambda content: bytes(range(256)) * 4,
    "huge header": lambda content: b"\xff" * 8 + content[8:],
}
READERS = {
    "config.json": lambda folder: folder.config,
    "history.json": lambda folder: folder.history,
    "metrics.json": lambda folder: folder.metrics,
    "weights.safetensors": lambda folder: folder.load(),
    "checkpoint.safetensors": lambda folder: folder.load_checkpoint(),
    "pictures.safetensors": lambda folder: folder.pictures,
}


@pytest.mark.parametrize("how", DAMAGE)
@pytest.mark.parametrize("name", READERS)
def test_a_damaged_file_is_one_sentence_that_names_it(tiny_run, tmp_path, name, how):
    folder = RunFolder(tmp_path / "copy")
    shutil.copytree(tiny_run.path, folder.path)
    path = folder.path / name
    path.write_bytes(DAMAGE[how](path.read_bytes()))
    with pytest.raises(RunFolderError) as caught:
        READERS[name](folder)
    assert str(path) in sentence(caught)


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "17",
        "{}",
        '{"config": 3}',
        '{"config": {"dataset": "made"}}',
        '{"config": {"dataset": "made", "model": "vsc", "latents": -1}}',
        '{"config": {"dataset": "made", "model": "vsc", "latents": 2, "colour": "red"}}',
    ],
)
def test_a_configuration_that_is_none_is_one_sentence(started, content):
    (started.path / "config.json").write_text(content)
    for use in (lambda: started.config, started.load, lambda: started.start(config(), "", SHAPE)):
        with pytest.raises(RunFolderError) as caught:
            use()
        assert str(started.path / "config.json") in sentence(caught)


@pytest.mark.parametrize("name", ["data_sha256", "shape"])
def test_a_configuration_without_its_data_is_one_sentence(started, name):
    path = started.path / "config.json"
    content = json.loads(path.read_text())
    del content[name]
    path.write_text(json.dumps(content))
    with pytest.raises(RunFolderError, match=name) as caught:
        getattr(started, name)
    sentence(caught)


def test_weights_of_another_model_do_not_fit(weighted):
    other = config(latents=4)
    files.write_tensors(weighted.path / "weights.safetensors", model_of(other).state_dict(), {})
    with pytest.raises(RunFolderError, match=r"do not fit its config\.json") as caught:
        weighted.load()
    sentence(caught)


def test_a_run_that_keeps_no_weights_says_so(weighted):
    (weighted.path / "weights.safetensors").unlink()
    with pytest.raises(RunFolderError, match="keeps no weights") as caught:
        weighted.load()
    sentence(caught)


def test_a_file_of_tensors_without_a_history_is_no_checkpoint(started):
    files.write_tensors(started.path / "checkpoint.safetensors", {"a": torch.zeros(2)}, {})
    with pytest.raises(RunFolderError, match=r"checkpoint\.safetensors is damaged") as caught:
        started.load_checkpoint()
    sentence(caught)


def test_a_pickle_is_never_opened(weighted):
    """What torch.save writes could run code when read; it is refused, whatever its name."""
    torch.save(model_of(config()).state_dict(), weighted.path / "weights.safetensors")
    with pytest.raises(RunFolderError, match="is a pickle"):
        weighted.load()


# ------------------------------------------------------------------ weights of version 1


def with_further(folder, names):
    """The run with further numbers in its file of weights."""
    path = folder.path / "weights.safetensors"
    tensors, kept = files.read_tensors(path)
    files.write_tensors(path, {**tensors, **{name: torch.zeros(3) for name in names}}, kept)
    return tensors


def test_tensors_that_the_model_lacks_are_refused(weighted):
    with_further(weighted, ["penalty.other"])
    with pytest.raises(RunFolderError, match="do not fit") as caught:
        weights.load_model(weighted.path, config(), SHAPE)
    sentence(caught)
