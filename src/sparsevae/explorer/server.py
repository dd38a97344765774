"""The explorer's server on 127.0.0.1: the page's own files, and a few calls that take arrays.

    GET  /                     the page; /NAME its parts
    GET  /api/study            facts, rows, baseline
    GET  /api/runs/KEY         what the page keeps of a model
    POST /api/runs/KEY/encode  raw rows, float32 → gates then slabs, (2, N, J)
    POST /api/runs/KEY/decode  codes, float32 → rows
    POST /api/runs/KEY/costs   codes, float32 → nats from the first to each
    POST /api/runs/KEY/denoise a noisy row and its noise's σ by element, float32 → the row
    POST /api/upload/KIND      a file → its rows, and notes on them

Answers with facts are messages of :mod:`.packing`; other bodies and answers are float32,
little-endian. Names are looked up in tables that are made at the start; no text of a request
becomes a path.
"""

import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib.resources import files as package_files
from typing import Any

import numpy as np
import torch
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from sparsevae.errors import ConfigurationError, DatasetError
from sparsevae.explorer.backend import Explored, Study
from sparsevae.explorer.guard import BINARY, Guard, RefusedError
from sparsevae.explorer.packing import packed
from sparsevae.explorer.uploads import KINDS, read_upload
from sparsevae.runs.noise import has_denoiser
from sparsevae.storage.arrays import Array

HOST = "127.0.0.1"
MOST_CODES = 4096  # codes or rows of one request
AT_ONCE = 2**13  # bytes of a body that is answered without another thread
TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}


def page_files() -> dict[str, tuple[str, bytes]]:
    """Type and content of the page's own files, by name."""
    folder = package_files("sparsevae.explorer") / "page"
    found = {}
    for entry in folder.iterdir():
        ending = entry.name[entry.name.rfind(".") :]
        if ending in TYPES:
            found[entry.name] = (f"{TYPES[ending]}; charset=utf-8", entry.read_bytes())
    return found


class Answers:
    """What the page may ask, answered for one study; each method is an endpoint.

    Args:
        study: what is explored.
    """

    def __init__(self, study: Study) -> None:
        self.study, self.parts = study, page_files()
        self.messages: dict[str, bytes] = {}

    async def part(self, request: Request) -> Response:
        """One of the page's own files."""
        name = request.path_params.get("name", "index.html")
        if request.method != "GET" or name not in self.parts:
            raise RefusedError(404, "There is no such page here.")
        kind, content = self.parts[name]
        return Response(content, media_type=kind)

    async def facts(self, request: Request) -> Response:
        """The study's message."""
        content = await run_in_threadpool(self._kept, "", self.study.message)
        return Response(content, media_type=BINARY)

    async def run_facts(self, request: Request) -> Response:
        """A model's message."""
        run = self._run(request)
        make = partial(run.message, self.study.rows)
        return Response(await run_in_threadpool(self._kept, run.key, make), media_type=BINARY)

    async def call(self, request: Request) -> Response:
        """What a model computes of rows or codes."""
        run, name = self._run(request), request.path_params["call"]
        if name not in CALLS:
            raise RefusedError(404, "There is no such call.")
        body = await request.body()
        if len(body) <= AT_ONCE:  # a change of thread takes longer than to decode a code
            answer = _called(self.study, run, name, body)
        else:
            answer = await run_in_threadpool(_called, self.study, run, name, body)
        return Response(answer.astype("<f4").tobytes(), media_type=BINARY)

    async def upload(self, request: Request) -> Response:
        """Rows of a file."""
        kind, content = request.path_params["kind"], await request.body()
        if kind not in KINDS:
            raise RefusedError(415, f"Files are of one of the kinds {', '.join(KINDS)}.")
        answer = await run_in_threadpool(_uploaded, self.study, content, kind)
        return Response(answer, media_type=BINARY)

    def _run(self, request: Request) -> Explored:
        run = self.study.runs.get(request.path_params["key"])
        if run is None:
            raise RefusedError(404, "This study has no such model.")
        return run

    def _kept(self, name: str, make: Callable[[], bytes]) -> bytes:
        with self.study.lock:
            if name not in self.messages:
                self.messages[name] = make()
            return self.messages[name]


async def _refused(request: Request, error: Any) -> Response:
    status = error.status if isinstance(error, RefusedError) else 422
    return PlainTextResponse(str(error), status)


async def _unknown(request: Request, error: Any) -> Response:
    return PlainTextResponse("There is no such page here.", 404)


def application(study: Study, token: str, port: int) -> Guard:
    """The guarded application.

    Args:
        study: what is explored.
        token: that the page must show.
        port: that it listens on.
    """
    answers = Answers(study)
    routes = [
        Route("/", answers.part),
        Route("/api/study", answers.facts),
        Route("/api/runs/{key:str}", answers.run_facts),
        Route("/api/runs/{key:str}/{call:str}", answers.call, methods=["POST"]),
        Route("/api/upload/{kind:str}", answers.upload, methods=["POST"]),
        Route("/{name:str}", answers.part),
    ]
    handlers: Mapping[Any, Any] = {
        RefusedError: _refused,
        DatasetError: _refused,
        404: _unknown,
        405: _unknown,
    }
    return Guard(Starlette(routes=routes, exception_handlers=handlers), token, port)


def _called(study: Study, run: Explored, name: str, body: bytes) -> Array:
    """Check what a body holds, and compute."""
    form, compute = CALLS[name]
    row = run.shape if form == "rows" else (run.latents,)
    length = 4 * int(np.prod(row))
    if not body or len(body) % length or len(body) // length > MOST_CODES:
        raise RefusedError(
            422, f"The body holds {form} of {length // 4} float32 numbers, 1 to {MOST_CODES}."
        )
    values = np.frombuffer(body, "<f4").reshape(-1, *row).astype(np.float32)
    if not np.isfinite(values).all():
        raise RefusedError(422, "All numbers must be finite.")
    with study.lock:
        return compute(run, values)


def _uploaded(study: Study, content: bytes, kind: str) -> bytes:
    """Rows of a file, gaps filled as those of test rows are, and what is to be said of them."""
    upload = read_upload(content, kind, study.shape, study.data)
    rows, notes = upload.rows, upload.notes
    if study.data.table is not None:
        notes = (*notes, *study.gap_notes(rows))
        with study.lock:
            rows = study.first.filled(rows).astype(np.float32)
    if not np.isfinite(rows).all():
        raise DatasetError(
            "The model cannot fill gaps of the file: other numbers of the row are too far from "
            "those that it was trained on; correct them."
        )
    return packed({"notes": notes}, {"rows": rows})


def _denoised(run: Explored, rows: Array) -> Array:
    if len(rows) != 2 or not has_denoiser(run.trained):
        raise RefusedError(422, "A model that denoises takes a row and its noise's σ by element.")
    return run.denoise(rows[:1], rows[1:])


CALLS: dict[str, tuple[str, Callable[[Explored, Array], Array]]] = {
    "encode": ("rows", lambda run, rows: np.stack(run.posterior(rows))),
    "decode": ("codes", lambda run, codes: run.decode(codes)),
    "costs": ("codes", lambda run, codes: run.costs(codes)),
    "denoise": ("rows", lambda run, rows: _denoised(run, rows)),
}


def serve(study: Study, port: int, ready: Callable[[str], None]) -> None:
    """Answer the page until the process is interrupted.

    Args:
        study: what is explored.
        port: to listen on; 0 takes a free one.
        ready: called with the page's address, token included, once it can be opened.

    Raises:
        ConfigurationError: the port is not free.
    """
    torch.set_num_threads(1)  # one row at a time: more threads only wait for one another
    listening = _listening(port)
    port = listening.getsockname()[1]
    token = secrets.token_urlsafe(24)
    config = uvicorn.Config(
        application(study, token, port),
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=1,
        limit_concurrency=64,
    )
    ready(f"http://{HOST}:{port}/#token={token}")
    with suppress(KeyboardInterrupt):  # it is how one stops looking
        uvicorn.Server(config).run(sockets=[listening])


def _listening(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen(128)
    except (OSError, OverflowError):
        listening.close()
        raise ConfigurationError(
            f"Port {port} is not free; name another with --port, or leave it out."
        ) from None
    return listening
