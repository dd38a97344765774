"""The explorer without a browser: numbers, messages, uploads, the single file, who may ask."""

import gzip
import http.client
import io
import json
import random
import re
import shutil
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sparsevae import data
from sparsevae.errors import DatasetError, RunFolderError
from sparsevae.explorer import packing, rows, server, static, uploads
from sparsevae.explorer.backend import Explored, Study, runs_at
from sparsevae.explorer.guard import BINARY, MOST_BYTES, TOKEN_HEADER
from sparsevae.runs.folder import RunFolder
from sparsevae.runs.prepare import prepare
from sparsevae.runs.train import train_run
from sparsevae.storage.files import read_json, write_json

TOKEN = "a-token-of-the-tests"
TOP = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def study(tiny_run):
    return Study([tiny_run.path], 50)


@pytest.fixture(scope="module")
def port(study):
    """A guarded server in a thread of its own."""
    import uvicorn

    listening = server._listening(0)
    found = listening.getsockname()[1]
    guarded = server.application(study, TOKEN, found)
    config = uvicorn.Config(guarded, log_level="critical", lifespan="off", ws="none")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield found
    running.should_exit = True
    thread.join(20)
    listening.close()


def ask(port, method="GET", path="/api/study", body=None, **changes):
    """Status, headers and body of an answer; changes replace or (None) remove headers."""
    headers = {"Host": f"127.0.0.1:{port}", TOKEN_HEADER: TOKEN}
    if body is not None:
        headers["Content-Type"] = BINARY
    headers.update({name.replace("_", "-"): value for name, value in changes.items()})
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    if body is not None and "Content-Length" not in headers and "Transfer-Encoding" not in headers:
        headers["Content-Length"] = str(len(body))
    for name, value in headers.items():
        if value is not None:
            connection.putheader(name, value)
    try:
        connection.endheaders()
        if body:
            connection.send(body)
    except (BrokenPipeError, ConnectionResetError):
        pass
    answer = connection.getresponse()
    content = answer.read()
    connection.close()
    return answer.status, dict(answer.getheaders()), content


def unpacked(message):
    """The inverse of packing, written from its description alone."""
    length = int.from_bytes(message[:4], "little")
    header = json.loads(message[4 : 4 + length])
    start = -(-(4 + length) // 8) * 8
    arrays = {}
    for entry in header["arrays"]:
        count = int(np.prod(entry["shape"]))
        at = start + entry["offset"]
        assert at % 8 == 0
        flat = np.frombuffer(message, entry["dtype"], count, at)
        arrays[entry["name"]] = flat.reshape(entry["shape"])
    return header["facts"], arrays


def test_a_message_holds_facts_and_arrays():
    arrays = {
        "a": np.arange(5, dtype=np.uint8),
        "b": np.ones((2, 3), np.float32),
        "c": np.array([[0.5], [-65504.0]], np.float16),
        "d": np.array([-7], np.int32),
    }
    facts, found = unpacked(packing.packed({"text": "ü <b>"}, arrays))
    assert facts == {"text": "ü <b>"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array)


def test_gates_and_slabs_give_the_models_code(study):
    (run,) = study.runs.values()
    gates, slabs = run.posterior(study.rows.values)
    expected = run.trained.encode(study.rows.values)
    np.testing.assert_allclose(np.where(gates > 0.5, slabs, 0), expected, atol=1e-5)
    _, arrays = unpacked(run.message(study.rows))
    np.testing.assert_array_equal(arrays["gates"] > 127, gates > 0.5)


@pytest.mark.parametrize("kind", ["bernoulli", "poisson", "normal"])
def test_the_cost_of_a_step_is_a_divergence(kind, study, counts_run, measured_run):
    run = next(iter(study.runs.values()))
    if kind != "bernoulli":
        run = Explored(counts_run if kind == "poisson" else measured_run, "r0")
    codes = np.random.default_rng(0).normal(size=(5, run.latents)).astype(np.float32)
    scaled = run.data.scaling.apply(run.decode(codes))
    parts = [torch.from_numpy(scaled).double().flatten(1)]
    if kind == "normal":
        parts.append(run.model.likelihood(torch.from_numpy(codes)).scale.detach().double())
    family = getattr(torch.distributions, kind.title())
    first, each = (family(*(p.expand(5, -1) for p in q)) for q in ([p[:1] for p in parts], parts))
    distance = torch.distributions.kl_divergence(first, each).sum(1)
    assert (distance >= 0).all()
    np.testing.assert_allclose(run.costs(codes), distance.numpy(), rtol=2e-3, atol=2e-3)


def test_rows_of_a_table_are_read_again_with_their_labels(counts_run):
    study = Study([counts_run.path])
    assert study.rows.note == ""
    assert study.rows.classes == ("<img src=x onerror=alert(1)>", "b")
    assert len(study.rows.values) == 8
    assert len(study.components.basis) > 0


def test_a_table_beside_its_run_is_found_from_any_folder(counts_run, tmp_path, monkeypatch):
    shutil.copytree(counts_run.path, tmp_path / "run")
    content = read_json(tmp_path / "run" / "config.json")
    shutil.copy(content["data"]["source"], tmp_path / "table.csv")
    content["data"]["source"] = "table.csv"
    write_json(tmp_path / "run" / "config.json", content)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert Study([tmp_path / "run"]).rows.note == ""


def test_without_the_data_kept_codes_stand_in(counts_run, tiny_run, tmp_path, monkeypatch):
    shutil.copytree(counts_run.path, tmp_path / "run")
    content = read_json(tmp_path / "run" / "config.json")
    content["data"]["source"] = "/nowhere/table.csv"
    write_json(tmp_path / "run" / "config.json", content)
    study = Study([tmp_path / "run"])
    assert study.rows.note.startswith("/nowhere/table.csv is not here as it was")
    assert study.rows.values.shape[1:] == (6,)
    assert len(study.components.basis) == 0
    monkeypatch.setattr(rows.data, "load", _fails)
    pictures = Study([tiny_run.path])
    kept = tiny_run.pictures
    place = int(kept["example_indices"][0])
    np.testing.assert_allclose(pictures.rows.values[place], kept["examples"][0], atol=1)


def _fails(*_, **__):
    raise DatasetError("there is no data set.")


def test_a_study_is_of_one_data_set_with_weights(tiny_run, counts_run, tmp_path):
    with pytest.raises(RunFolderError, match="trained on different data"):
        Study([tiny_run.path, counts_run.path])
    with pytest.raises(RunFolderError, match="holds no finished run"):
        runs_at(tmp_path)


def png(mode, size, colour):
    file = io.BytesIO()
    Image.new(mode, size, colour).save(file, "PNG")
    return file.getvalue()


def test_a_dropped_image_becomes_a_row(study):
    row = uploads.read_upload(
        png("RGB", (90, 60), (255, 255, 255)), "image", (1, 28, 28), study.data
    )
    assert row.rows.shape == (1, 1, 28, 28)
    assert row.rows.min() > 254
    for content in (b"", b"GIF89a", b"<svg/>", png("L", (4, 4), 9)[:40]):
        with pytest.raises(DatasetError, match=r"^The file"):
            uploads.read_upload(content, "image", (1, 28, 28), study.data)


def test_a_dropped_table_is_read_by_the_librarys_reader(measured_run):
    study = Study([measured_run.path])
    names = ",".join(reversed(study.data.columns))
    read = uploads.read_upload(f"{names}\n1,2,3,4,5\n".encode(), "csv", (5,), study.data)
    np.testing.assert_array_equal(read.rows, [[5, 4, 3, 2, 1]])
    with pytest.raises(DatasetError, match="The file") as caught:
        uploads.read_upload(b"a,b\n1,x\n", "csv", (5,), study.data)
    assert "/tmp" not in str(caught.value)


def test_gaps_and_unknown_levels_of_a_dropped_row_are_filled_and_said(tmp_path):
    draw = np.random.default_rng(0)
    lines = ["size,age,kind,day"]
    for n, (size, age) in enumerate(draw.normal(size=(80, 2)).round(3).tolist()):
        lines.append(
            f"{size},{age if n % 5 else ''},{'red' if n % 3 else 'blue'},2020-01-{n % 28 + 1:02}"
        )
    path = tmp_path / "table.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    prepared = prepare(data.read(path), latents=2, epochs=1)
    run = RunFolder(tmp_path / "run")
    train_run(prepared.config, prepared.dataset, run, data=prepared.data)
    study = Study([run.path])
    assert study.facts()["kinds"] == ["categories", "dates"]
    content = lines[0].encode() + b"\n0.5,,green,2020-01-03\n"
    facts, arrays = unpacked(server._uploaded(study, content, "csv"))
    assert np.isfinite(arrays["rows"]).all()
    row = dict(zip(study.data.columns, arrays["rows"][0], strict=True))
    assert row["size"] == np.float32(0.5)
    assert "levels that the model has not seen (such as 'green')" in facts["notes"][0]
    assert facts["notes"][-1] == "Gaps of the row hold what VSC expects there: 'age', 'kind'."
    assert str(tmp_path) not in str(facts)


def test_the_server_answers_the_page(port, study):
    (run,) = study.runs.values()
    status, headers, page = ask(port, path="/", **{TOKEN_HEADER: None})
    assert status == 200
    assert headers["content-security-policy"].startswith("default-src 'self';")
    assert b"served.js" in page
    facts, arrays = unpacked(ask(port)[2])
    assert facts["models"][0]["key"] == "r0"
    np.testing.assert_array_equal(arrays["rows"], study.rows.values)
    _, arrays = unpacked(ask(port, path="/api/runs/r0")[2])
    assert arrays["slabs"].shape == (50, 4)
    codes = np.random.default_rng(0).normal(size=(3, 4)).astype("<f4")
    for name in ("decode", "costs"):
        _, _, content = ask(port, "POST", f"/api/runs/r0/{name}", codes.tobytes())
        expected = getattr(run, name)(codes)
        found = np.frombuffer(content, "<f4").reshape(expected.shape)
        np.testing.assert_allclose(found, expected, atol=1e-4)
    row = study.rows.values[:1].astype("<f4")
    _, _, content = ask(port, "POST", "/api/runs/r0/encode", row.tobytes())
    np.testing.assert_allclose(np.frombuffer(content, "<f4"), np.ravel(run.posterior(row)))
    status, _, content = ask(port, "POST", "/api/upload/image", png("L", (28, 28), 7))
    facts, arrays = unpacked(content)
    assert facts == {"notes": []}
    np.testing.assert_allclose(arrays["rows"], np.full((1, 1, 28, 28), 7), atol=1e-3)


def hostile_requests(port, count):
    """Requests that must be refused, drawn at random with a fixed seed."""
    draw = random.Random(0)
    good = np.zeros(4, "<f4").tobytes()
    call = "/api/runs/r0/decode"
    hosts = ["evil.example", f"evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", None, "[::1]"]
    origins = ["http://evil.example", "null", "https://127.0.0.1", f"http://127.0.0.1.evil:{port}"]
    names = ["../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%00", "lock.json", "vendor/lock.json"]
    names += ["server.py", "//etc/passwd", "page/index.html", "config.json", "%2e%2e/backend.py"]
    keys = ["r1", "r0%00", "../r0", "r00", "__class__", "<script>", "%F0%9F%92%A5"]
    nan = np.full(4, np.nan, "<f4").tobytes()
    kinds = [
        lambda: dict(
            **{TOKEN_HEADER: draw.choice([None, "", "x" * 5000, TOKEN[:-1], f"{TOKEN} "[:0]])}
        ),
        lambda: {"Host": draw.choice(hosts)},
        lambda: {"Origin": draw.choice(origins)},
        lambda: {"Sec_Fetch_Site": draw.choice(["cross-site", "same-site"])},
        lambda: {"method": draw.choice(["PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "TRACE"])},
        lambda: {"path": f"/{draw.choice(names)}"},
        lambda: {"path": f"/api/runs/{draw.choice(keys)}"},
        lambda: {"method": "POST", "path": f"/api/runs/{draw.choice(keys)}/decode", "body": good},
        lambda: {"method": "POST", "path": f"/api/runs/r0/{draw.choice(keys)}", "body": good},
        lambda: {
            "method": "POST",
            "path": call,
            "body": bytes(draw.choice([0, 1, 3, 15, 17, 4097])),
        },
        lambda: {"method": "POST", "path": call, "body": nan},
        lambda: {
            "method": "POST",
            "path": call,
            "body": b"",
            "Content_Length": str(MOST_BYTES + 1),
        },
        lambda: {
            "method": "POST",
            "path": call,
            "body": b"",
            "Content_Length": "9" * draw.randint(20, 400),
        },
        lambda: {
            "method": "POST",
            "path": call,
            "body": b"",
            "Content_Length": draw.choice(["-1", "1e3", "+4", "٤"]),
        },
        lambda: {
            "method": "POST",
            "path": call,
            "body": good,
            "Content_Type": draw.choice(["text/plain", None, "application/json"]),
        },
        lambda: {"method": "POST", "path": call, "body": b"", "Transfer_Encoding": "chunked"},
        lambda: {
            "method": "POST",
            "path": f"/api/upload/{draw.choice(['exe', 'pickle', '..'])}",
            "body": good,
        },
        lambda: {"method": "POST", "path": "/api/upload/image", "body": draw.randbytes(200)},
        lambda: {
            "method": "POST",
            "path": "/api/upload/npy",
            "body": b"\x93NUMPY" + draw.randbytes(80),
        },
        lambda: {"method": "POST", "path": "/api/study", "body": good},
        lambda: {"method": "GET", "path": call},
        lambda: {"path": "/api/study", "body": good},
    ]
    for number in range(count):
        yield kinds[number % len(kinds)]()


def test_a_thousand_hostile_requests_are_refused_with_a_sentence(port, study):
    secret = study.runs["r0"].run.path.name.encode()
    statuses = set()
    for request in hostile_requests(port, 1000):
        request = {
            name.replace("Sec_Fetch_Site", "Sec-Fetch-Site"): v for name, v in request.items()
        }
        try:
            status, _, content = ask(port, **request)
        except UnicodeEncodeError:
            continue
        statuses.add(status)
        assert 400 <= status < 500, request
        if request.get("method") != "HEAD":
            assert re.fullmatch(rb"[A-Z][^<>]{8,400}\.", content), (request, content)
        assert secret not in content
        assert b"Traceback" not in content
    assert {400, 401, 403, 404, 405, 411, 413, 415, 421, 422} <= statuses
    assert ask(port)[0] == 200


def test_a_link_elsewhere_opens_the_page_and_nothing_of_the_study(port, study):
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", TOKEN_HEADER: None}
    status, headers, page = ask(port, path="/", **{**link, "Sec-Fetch-Dest": "document"})
    assert status == 200
    assert b"served.js" in page
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    for dest in ("iframe", "frame", "embed", "object"):
        assert ask(port, path="/", **{**link, "Sec-Fetch-Dest": dest})[0] == 403
    script = {**link, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "script"}
    assert ask(port, path="/served.js", **script)[0] == 403
    known = {**link, "Sec-Fetch-Dest": "document", TOKEN_HEADER: TOKEN}
    for path in ("/api", "/api/study", "/api/runs/r0", "/%61pi/study"):
        assert ask(port, path=path, **known)[0] == 403
    name = study.runs["r0"].run.path.name.encode()
    for _, content in server.page_files().values():
        assert TOKEN.encode() not in content
        assert name not in content


def test_what_is_no_request_at_all_does_no_harm(port):
    for content in (
        b"\x00" * 100,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000,
        b"POST / HTTP/9.9\r\n\r\n",
    ):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            try:
                connection.sendall(content)
                connection.shutdown(socket.SHUT_WR)
                assert b"200 OK" not in connection.recv(4096)
            except (ConnectionResetError, BrokenPipeError, OSError):
                pass
    assert ask(port)[0] == 200


def test_vendored_files_are_those_of_the_lock_with_their_licence():
    check = [sys.executable, str(TOP / "tools" / "vendor_onnxruntime_web.py")]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    licence = TOP / "src/sparsevae/explorer/page/vendor/LICENSE.txt"
    assert "MIT License" in licence.read_text(encoding="utf-8")


def test_the_single_file_runs_only_what_it_holds():
    page = static.single_page({"study": gzip.compress(b"x")})
    scripts = re.findall(r"<script>(.*?)</script>", page, re.S)
    policy = re.search(r'content="(default-src[^"]+)"', page)[1]
    assert len(scripts) == 2
    for script in scripts:
        assert static._hash(script) in policy
    assert "'unsafe-inline'" not in policy
    assert "connect-src" not in policy
    assert "served.js" not in page
    assert not re.search(r"^(import|export) ", scripts[1], re.M)
