"""Who may ask the server, and how much: checked before a byte of a body is read.

A page elsewhere in the same browser can send requests to 127.0.0.1 and can point a name of its own
at it. It knows neither the token nor can it change the headers Host and Origin. A link there may
open the page, whose own files hold nothing of a study.
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

TOKEN_HEADER = "x-explorer-token"
BINARY = "application/octet-stream"
MOST_BYTES = 2**23  # of codes or rows in one request
MOST_UPLOADED = 2**25
API = "/api"
UPLOADS = f"{API}/upload/"
POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
HEADERS = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: of the answer.
        sentence: what the answer says.
    """

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class Guard:
    """Lets requests of the page through to an application.

    Args:
        application: answers them.
        token: that requests to ``/api`` must carry.
        port: of the server; its hosts are 127.0.0.1 and localhost.
    """

    def __init__(self, application: Application, token: str, port: int) -> None:
        self.application, self.token = application, token
        self.hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it with a sentence."""
        if scope["type"] == "lifespan":
            await self.application(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        try:
            self.check(scope)
        except RefusedError as refusal:
            await _refuse(refusal, send)
            return
        await self.application(scope, receive, _with_headers(send))

    def check(self, scope: Scope) -> None:
        """Look at method and headers.

        Raises:
            RefusedError: they are not those of the page.
        """
        headers = _single(scope["headers"])
        if headers.get("host") not in self.hosts:
            raise RefusedError(421, "This server answers only to 127.0.0.1 and localhost.")
        origin = headers.get("origin")
        if origin is not None and origin.removeprefix("http://") not in self.hosts:
            raise RefusedError(403, "Requests from other pages are not answered.")
        inside = headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        if not inside and not _opens_page(scope, headers):
            raise RefusedError(403, "Requests from other sites are not answered.")
        if scope["method"] not in ("GET", "POST"):
            raise RefusedError(405, "Only GET and POST are answered.")
        if scope["path"].startswith(API):
            given = headers.get(TOKEN_HEADER, "").encode("latin-1")
            if not hmac.compare_digest(given, self.token.encode()):
                raise RefusedError(
                    401, "Open the address that the command printed, token included."
                )
        _check_body(scope, headers)


def _opens_page(scope: Scope, headers: Mapping[str, str]) -> bool:
    """Whether a tab of its own opens the page: no frame, no script, and nothing of a study."""
    asked = (scope["method"], headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    return asked == ("GET", "navigate", "document") and not scope["path"].startswith(API)


def _single(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    """Headers by name; one that decides anything may be there only once."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.decode("latin-1").lower()
        if key in found and key in ("host", "origin", "content-length", TOKEN_HEADER):
            raise RefusedError(400, f"The header {key} is there twice.")
        found[key] = value.decode("latin-1")
    return found


def _check_body(scope: Scope, headers: Mapping[str, str]) -> None:
    length = headers.get("content-length")
    if scope["method"] == "GET":
        if length not in (None, "0") or "transfer-encoding" in headers:
            raise RefusedError(400, "A GET request has no body.")
        return
    if length is None or not length.isascii() or not length.isdigit():
        raise RefusedError(411, "Say in Content-Length how long the body is.")
    most = MOST_UPLOADED if scope["path"].startswith(UPLOADS) else MOST_BYTES
    if len(length) > 12 or int(length) > most:
        raise RefusedError(413, f"A body has at most {most:,} bytes here.")
    if headers.get("content-type") != BINARY:
        raise RefusedError(415, f"Bodies are of the type {BINARY}.")


def _with_headers(send: Send) -> Send:
    async def wrapped(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *_encoded(HEADERS)]
        await send(message)

    return wrapped


def _encoded(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in headers.items()]


async def _refuse(refusal: RefusedError, send: Send) -> None:
    body = refusal.sentence.encode()
    facts = {"content-type": "text/plain; charset=utf-8", "content-length": str(len(body))}
    headers = _encoded({**facts, **HEADERS, "connection": "close"})
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
