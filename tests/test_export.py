"""Runs as other programs' files, on the Hub, and from strangers: equal numbers or one sentence."""

import base64
import json
import os
import shutil
import struct
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch

from sparsevae import cli
from sparsevae.data.scaling import GREY, Scaling
from sparsevae.errors import ConfigurationError, DownloadError, OutputError, RunFolderError
from sparsevae.models import MODELS
from sparsevae.runs import export
from sparsevae.runs.export import hub, programs
from sparsevae.runs.folder import FORMAT, RunFolder
from sparsevae.runs.trained import TrainedModel
from sparsevae.runs.training import new_model
from sparsevae.training.config import DataConfig, RunConfig

SCALINGS = {
    "grey": (("uint8", (3, 10, 9)), GREY, "bernoulli", (0, 255)),
    "measured": (
        ("float64", (4,)),
        Scaling("standard", (1.0, -5.0, 100.0, 0.0), (2.0, 0.5, 30.0, 1.0)),
        "gaussian",
        (-40.0, 300.0),
    ),
    "ranges": (
        ("int64", (2,)),
        Scaling("minmax", (-3.0, 7.0), (10.0, 5.0)),
        "continuous-bernoulli",
        (-3, 12),
    ),
    "counts": (("uint16", (5,)), Scaling("none"), "poisson", (0, 9)),
}


def untrained(path, name="vsc", kind="grey", **arguments):
    """A run folder with the first weights of a model, spread so that gates differ."""
    (dtype, shape), scaling, likelihood, (low, high) = SCALINGS[kind]
    config = RunConfig.checked(
        {
            "dataset": "made",
            "model": name,
            "latents": 4,
            "widths": (3, 8),
            "arguments": {"likelihood": likelihood, **arguments},
        }
    )
    data = DataConfig(source="made.npy", dtype=dtype, scaling=scaling, low=low, high=high)
    folder = RunFolder(path)
    folder.start(config, "0" * 64, shape, data)
    model = new_model(config, torch.rand(60, *shape))
    with torch.no_grad():
        model.encoder.head.bias.uniform_(-1.0, 1.0)
    folder.save_weights(model, [])
    return folder


def rows_for(run, count=7):
    data = run.data
    values = np.random.default_rng(3).uniform(data.low, data.high, (count, *run.shape))
    return values.astype(data.dtype)


def sentence(caught):
    text = str(caught.value)
    assert "\n" not in text
    return text


# ------------------------------------------------------------------ programs


MEASURED = pytest.param("measured", marks=pytest.mark.slow)


@pytest.mark.parametrize("kind", ["grey", MEASURED])
def test_onnx_takes_raw_rows_and_gives_the_models_codes_and_rows(kind, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    run = untrained(tmp_path / "run", kind=kind)
    files = TrainedModel.load(run).export(tmp_path / "out")
    names = [file.name for file in files]
    assert names == ["encoder.onnx", "posterior.onnx", "decoder.onnx", "export.json"]
    told = json.loads(files[-1].read_text())
    opened, rows = TrainedModel.load(run), rows_for(run)
    sessions = [onnxruntime.InferenceSession(file) for file in (files[0], files[2])]
    for count in (1, 7):  # the number of rows is free
        raw = rows[:count].astype(told["rows"]["dtype"])
        (codes,) = sessions[0].run(["codes"], {"rows": raw})
        expected = opened.encode(rows[:count])
        np.testing.assert_allclose(codes, expected, atol=1e-5 * max(1, np.abs(expected).max()))
        np.testing.assert_array_equal(codes == 0, expected == 0)
        (restored,) = sessions[1].run(["rows"], {"codes": codes})
        decoded = opened.decode(expected, own_type=False)
        np.testing.assert_allclose(restored, decoded, atol=1e-5 * max(1, np.abs(decoded).max()))


QUICK = [("vsc", "ranges"), ("ae", "counts")]
CASES = [(name, kind) for name in MODELS for kind in SCALINGS if (name, kind) not in QUICK]
SLOW = [pytest.param(*case, marks=pytest.mark.slow) for case in CASES]


@pytest.mark.parametrize(("name", "kind"), [*QUICK, *SLOW])
def test_every_model_becomes_a_program_of_pytorch(name, kind, tmp_path):
    run = untrained(tmp_path / "run", name, kind)
    encoder, _, decoder, about = TrainedModel.load(run).export(tmp_path / "out", "torch")
    opened, rows = TrainedModel.load(run), rows_for(run)
    taken = torch.from_numpy(rows.astype(json.loads(about.read_text())["rows"]["dtype"]))
    codes = torch.export.load(encoder).module()(taken).detach().numpy()
    expected = opened.encode(rows)
    np.testing.assert_allclose(codes, expected, atol=1e-5 * max(1, np.abs(expected).max()))
    restored = torch.export.load(decoder).module()(torch.from_numpy(codes)).detach().numpy()
    np.testing.assert_allclose(restored, opened.decode(codes, own_type=False), atol=3e-3)
    assert max(json.loads(about.read_text())["largest_difference"].values()) <= 1e-5


def test_a_program_that_differs_is_refused(tmp_path):
    encoder, *_ = programs.programs(TrainedModel.load(untrained(tmp_path / "run", kind="counts")))
    largest = max(1.0, float(np.abs(encoder.expected).max()))
    wrong = {"a little": 2e-5 * largest, "not a number": np.nan}
    for offset in wrong.values():
        with pytest.raises(RunFolderError, match="differs from its model"):
            encoder.check(lambda rows, by=offset: encoder.expected[: len(rows)] + by, tmp_path)
    near = 0.5e-5 * largest
    found = encoder.check(lambda rows: encoder.expected[: len(rows)] + near, tmp_path)
    assert found == pytest.approx(0.5e-5, rel=0.1)


def test_a_missing_package_and_an_unknown_format_are_one_sentence(monkeypatch, tmp_path):
    run = untrained(tmp_path / "run", kind="counts")
    monkeypatch.setattr(export, "find_spec", lambda name: None)
    with pytest.raises(ConfigurationError, match="pip install onnx") as caught:
        TrainedModel.load(run).export(tmp_path / "out")
    sentence(caught)
    with pytest.raises(ConfigurationError, match="pip install huggingface_hub"):
        hub.push_to_hub(run, "me/model")
    with pytest.raises(ConfigurationError, match="onnx, torch"):
        TrainedModel.load(run).export(tmp_path / "out", "pickle")
    assert not (tmp_path / "out").exists()


def test_the_command_names_the_files_it_wrote(monkeypatch, capsys, tmp_path):
    run = untrained(tmp_path / "run", kind="counts")
    arguments = ["export", str(run.path), "--format", "torch", "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["sparsevae", *arguments])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    named = capsys.readouterr().out.split()
    assert named == [
        str(tmp_path / "out" / name)
        for name in ("encoder.pt2", "posterior.pt2", "decoder.pt2", "export.json")
    ]


# ------------------------------------------------------------------ the Hub

COMMIT = "c" * 40


class Hub(BaseHTTPRequestHandler):
    """What the Hub's client needs of the Hub: make, upload and download a repository."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *rest):
        pass

    def answer(self, content, status=200, headers=()):
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (*headers, ("Content-Length", len(body))):
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        repositories, path = self.server.repositories, self.path.split("?")[0]
        if self.headers.get("Authorization") != "Bearer right":
            return self.answer({"error": "no"}, 401)
        if path == "/api/validate-yaml":
            return self.answer({"errors": [], "warnings": []})
        if path == "/api/repos/create":
            given = json.loads(body)
            repositories.setdefault(f"{given['organization']}/{given['name']}", {})
            return self.answer({"url": f"http://{self.headers['Host']}/me/{given['name']}"})
        name, action = path.removeprefix("/api/models/").split("/main")[0].rsplit("/", 1)
        if action == "preupload":
            files = [
                {"path": file["path"], "uploadMode": "regular", "shouldIgnore": False}
                for file in json.loads(body)["files"]
            ]
            return self.answer({"files": files})
        for line in map(json.loads, body.splitlines()):
            if line["key"] == "file":
                content = base64.b64decode(line["value"]["content"])
                repositories[name][line["value"]["path"]] = content
        address = f"http://{self.headers['Host']}/{name}/commit/{COMMIT}"
        return self.answer({"commitUrl": address, "commitOid": COMMIT, "success": True})

    def do_GET(self):
        repositories, path = self.server.repositories, self.path.split("?")[0]
        if path.startswith("/api/models/"):
            name = "/".join(path.split("/")[3:5])
            if name not in repositories:
                return self.answer({}, 404, [("X-Error-Code", "RepoNotFound")])
            kept = repositories[name]
            if "/tree/" in path:
                told = {"type": "file", "oid": "0" * 40}
                rows = [{**told, "path": file, "size": len(kept[file])} for file in kept]
                return self.answer(rows)
            files = [{"rfilename": file} for file in kept]
            return self.answer({"id": name, "sha": COMMIT, "siblings": files})
        name, file = path[1:].split(f"/resolve/{COMMIT}/")
        content = repositories[name][file]
        headers = [("ETag", f'"{hash(content)}"'), ("X-Repo-Commit", COMMIT)]
        return self.answer(content, headers=headers)

    do_HEAD = do_GET  # noqa: N815 (http.server's own name)


@contextmanager
def served():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.repositories = {}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield server, f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with weights and metrics; nothing was trained."""
    run = untrained(tmp_path_factory.mktemp("finished") / "run", kind="measured")
    run.finish({"negative_elbo": 12.345, "mse": 0.0125, "kl": None, "seconds": 1.0}, {})
    return run


def test_a_run_goes_to_the_hub_and_comes_back(finished, tmp_path):
    pytest.importorskip("huggingface_hub")
    with served() as (server, endpoint):
        address = hub.push_to_hub(finished, "me/model", token="right", endpoint=endpoint)
        assert address.endswith(COMMIT)
        kept = server.repositories["me/model"]
        assert set(kept) == {
            *("README.md", "config.json", "history.json", "metrics.json"),
            *("weights.safetensors", "pictures.safetensors"),
        }
        run = hub.from_pretrained("me/model", tmp_path / "run", token="right", endpoint=endpoint)
    assert run.path == tmp_path / "run"
    rows = rows_for(finished)
    expected = TrainedModel.load(finished).encode(rows)
    np.testing.assert_array_equal(run.encode(rows), expected)
    assert RunFolder(run.path).metrics == finished.metrics


@pytest.mark.parametrize(
    ("act", "error", "says"),
    [
        (lambda run, **at: hub.push_to_hub(run, "me/m", token="wrong", **at), OutputError, "me/m"),
        (lambda run, **at: hub.from_pretrained("me/none", **at), DownloadError, "me/none"),
        (lambda run, **at: hub.from_pretrained("a b c", **at), RunFolderError, "a b c"),
    ],
    ids=["wrong token", "no such repository", "no name"],
)
def test_what_the_hub_refuses_is_one_sentence(act, error, says, finished):
    pytest.importorskip("huggingface_hub")
    with served() as (_, endpoint), pytest.raises(error, match=says) as caught:
        act(finished, endpoint=endpoint)
    sentence(caught)


def test_saved_and_loaded_from_a_folder_without_the_hub(finished, tmp_path):
    hub.save_pretrained(finished, tmp_path / "copy")
    rows = rows_for(finished)
    found = hub.from_pretrained(tmp_path / "copy").encode(rows)
    np.testing.assert_array_equal(found, TrainedModel.load(finished).encode(rows))


def test_the_card_says_what_was_trained_on_and_every_number_with_its_definition(
    finished, tmp_path
):
    copy = hub.save_pretrained(finished, tmp_path / "copy", "me/m")
    card = (copy / "README.md").read_text()
    assert card.startswith("---\nlibrary_name: sparsevae\n")
    assert 'from_pretrained("me/m")' in card
    assert "Likelihood: gaussian" in card
    assert finished.data_sha256 in card
    (line,) = [line for line in card.splitlines() if "12.3" in line]
    assert "nats per image" in line
    assert "Reconstruction plus KL" in line


def test_a_run_that_is_not_finished_has_no_card(tmp_path):
    run = untrained(tmp_path / "run", kind="counts")
    with pytest.raises(RunFolderError, match="not finished"):
        hub.save_pretrained(run, tmp_path / "copy")
    assert not (tmp_path / "copy").exists()


# ------------------------------------------------------------------ a stranger's run


def changed(run, tmp_path, change):
    """A copy of a run whose config.json was edited."""
    copy = RunFolder(shutil.copytree(run.path, tmp_path / "stranger"))
    content = json.loads((copy.path / "config.json").read_text())
    change(content)
    (copy.path / "config.json").write_text(json.dumps(content))
    return copy


HOSTILE = {
    "another format": lambda c: c.update(format=FORMAT + 1),
    "a format in words": lambda c: c.update(format="new"),
    "a name with a path": lambda c: c["config"].update(dataset="../../etc/cron.d/x"),
    "a model with a path": lambda c: c["config"].update(model="../vsc"),
    "an unknown model": lambda c: c["config"].update(model="gan"),
    "latents in words": lambda c: c["config"].update(latents="4; rm"),
    "far too many latents": lambda c: c["config"].update(latents=10**12),
    "far too many pixels": lambda c: c.update(shape=[3, 10**7, 10**7]),
    "far too wide": lambda c: c["config"].update(widths=[10**9, 10**9]),
    "far too many pseudo-inputs": lambda c: c["config"]["arguments"].update(
        prior="classifier", pseudo_inputs=10**11
    ),
    "a far too wide layer": lambda c: c["config"]["arguments"].update(encoder_hidden=10**11),
    "a shape in words": lambda c: c.update(shape=["a"]),
    "a shape of truth": lambda c: c.update(shape=[True]),
    "a shape of halves": lambda c: c.update(shape=[2.5]),
    "no shape": lambda c: c.update(shape=[]),
    "data in words": lambda c: c.update(data="x"),
    "a type that is none": lambda c: c["data"].update(dtype="O"),
    "a scale of 0": lambda c: c["data"]["scaling"].update(scale=[1, 0, 1, 1]),
    "scales that lack": lambda c: c["data"]["scaling"].update(scale=[1.0]),
    "an unknown scaling": lambda c: c["data"]["scaling"].update(kind="eval"),
    "a scale in words": lambda c: c["data"]["scaling"].update(scale=["x"] * 4),
    "arguments in a list": lambda c: c["config"].update(arguments=[1]),
    "an unknown argument": lambda c: c["config"]["arguments"].update(hook="os.system"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_configuration_that_lies_is_one_sentence(case, finished, tmp_path):
    run = changed(finished, tmp_path, HOSTILE[case])
    with pytest.raises((RunFolderError, ConfigurationError)) as caught:
        TrainedModel.load(run)
    sentence(caught)


def test_a_scaling_of_another_length_than_the_rows_is_refused(finished, tmp_path):
    def change(content):
        content["data"]["scaling"].update(shift=[0.0] * 3, scale=[1.0] * 3)

    with pytest.raises(RunFolderError, match="scaling") as caught:
        TrainedModel.load(changed(finished, tmp_path, change))
    sentence(caught)


@pytest.mark.parametrize(
    "content",
    [b"[" * 100_000, b'{"config": ' * 5000, b"\xff\xfe{}", b"{" + b'"a":1,' * 9, b"1" * 5000],
    ids=["deep list", "deep mapping", "no UTF-8", "cut", "a number too long"],
)
def test_json_that_is_none_is_one_sentence(content, finished, tmp_path):
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "stranger"))
    (copy.path / "config.json").write_bytes(content)
    with pytest.raises(RunFolderError, match=r"config\.json cannot be read") as caught:
        copy.load()
    sentence(caught)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes with names here")
@pytest.mark.parametrize("name", ["config.json", "weights.safetensors"])
def test_a_pipe_in_place_of_a_file_does_not_block(name, finished, tmp_path):
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "stranger"))
    (copy.path / name).unlink()
    os.mkfifo(copy.path / name)
    with pytest.raises(RunFolderError):
        copy.load()


def header(size, text=b"{}"):
    return struct.pack("<Q", size) + text


@pytest.mark.parametrize(
    "content",
    [
        header(2**62),
        header(2**31, b"{" + b" " * 1000),
        header(2) + b"\0" * 99,
        header(93, b'{"encoder.head.bias":{"dtype":"F32","shape":[4611686018427387904],')
        + b'"data_offsets":[0,8]}}',
        b"",
    ],
    ids=["endless header", "oversized header", "no tensors", "lying shape", "empty"],
)
def test_weights_that_lie_are_one_sentence(content, finished, tmp_path):
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "stranger"))
    (copy.path / "weights.safetensors").write_bytes(content)
    with pytest.raises(RunFolderError) as caught:
        copy.load()
    assert str(copy.path) in sentence(caught)


class Payload:
    """Unpickling it creates a folder: the trace of code that ran."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (self.trace,)


@pytest.mark.parametrize("ending", [".pt", ".bin", ".pkl", ".safetensors"])
def test_a_pickle_in_place_of_weights_never_runs(ending, finished, tmp_path):
    trace = str(tmp_path / "trace")
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "stranger"))
    (copy.path / "weights.safetensors").unlink()
    torch.save({"weights": Payload(trace)}, copy.path / f"weights{ending}")
    with pytest.raises(RunFolderError, match="pickle") as caught:
        copy.load()
    sentence(caught)
    assert not os.path.exists(trace)


def test_writing_replaces_a_link_and_leaves_what_it_pointed_to(finished, tmp_path):
    outside = tmp_path / "outside.json"
    outside.write_text("kept")
    copy = RunFolder(shutil.copytree(finished.path, tmp_path / "stranger"))
    (copy.path / "diagnostics.json").symlink_to(outside)
    copy.keep_diagnosis({"findings": [], "statistics": {}})
    assert outside.read_text() == "kept"
    assert copy.diagnosis["findings"] == []


def test_the_browsers_programs_keep_the_units_of_a_wide_table(tmp_path):
    """Means are far above a column's spread, and above what half precision has a number for."""
    onnxruntime = pytest.importorskip("onnxruntime")
    from sparsevae.explorer.backend import Study
    from sparsevae.explorer.programs import browser_programs

    rng = np.random.default_rng(0)
    means = np.where(np.arange(70) % 2, 20_001.3, 2e6)
    rows = means + rng.normal(size=(300, 70)) * rng.uniform(1, 2, 70)
    np.save(tmp_path / "wide.npy", rows)
    run = tmp_path / "run"
    fit = ["fit", str(tmp_path / "wide.npy"), "--latents", "3", "--epochs", "2", "--widths", "8"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["sparsevae", *fit, "--out", str(run)])
        with pytest.raises(SystemExit):
            cli.main()
    (explored,) = Study([run], 20).runs.values()
    content = browser_programs(explored, rows)["decoder"]
    codes = rng.normal(size=(20, 3)).astype(np.float32)
    found, _ = onnxruntime.InferenceSession(content).run(None, {"input": codes})
    apart = np.abs(found - explored.decode(codes)) / rows.std(0)
    assert apart[:, 1::2].max() < 0.02
    assert apart.max() < 0.3  # of 2,000,000 single precision has every eighth
