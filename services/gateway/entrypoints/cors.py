"""Lets pages of allowed origins call /v1 with a key: `CORS_ALLOWED_ORIGINS`. Cookies never count here.

A preflight is answered before anything else: no key, no limit, no cost. Every other answer, errors too, says
that its page may read it. With no origins allowed nothing of this is there.
"""

import re
from collections.abc import Awaitable, Collection

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.gateway.entrypoints.http import Headers, header

ANY_ORIGIN = "*"
METHODS = b"GET, HEAD, POST, OPTIONS"
PREFLIGHT_FRESH_SECONDS = 7200
"""As long as any browser remembers one."""
REQUEST_HEADERS = re.compile(r"[A-Za-z0-9_, -]{1,2000}")
"""SDKs send a dozen of their own and new ones with each version: none has an effect here, so all may come."""
EXPOSED = (
    "x-request-id, x-ratelimit-limit-requests, x-ratelimit-remaining-requests, x-ratelimit-reset-requests, "
    "retry-after, x-should-retry, x-ignored-fields, x-tokens-granted, x-next-cursor"
)


class Cors:
    def __init__(self, app: ASGIApp, origins: Collection[str]) -> None:
        self._app = app
        self._origins = origins

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if not self._origins:
            return self._app(scope, receive, send)
        origin = header(scope, b"origin") if scope["type"] == "http" else ""
        if not self._allows(origin):
            return self._app(scope, receive, self._varying(send))
        if scope["method"] == "OPTIONS" and header(scope, b"access-control-request-method"):
            return self._answer_preflight(scope, send, origin)
        return self._app(scope, receive, self._readable(send, origin))

    def _allows(self, origin: str) -> bool:
        return bool(origin) and (ANY_ORIGIN in self._origins or origin in self._origins)

    async def _answer_preflight(self, scope: Scope, send: Send, origin: str) -> None:
        headers = [
            *self._of(origin),
            (b"access-control-allow-methods", METHODS),
            (b"access-control-max-age", str(PREFLIGHT_FRESH_SECONDS).encode()),
        ]
        asked = header(scope, b"access-control-request-headers")
        if REQUEST_HEADERS.fullmatch(asked):
            headers.append((b"access-control-allow-headers", asked.encode()))
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    def _readable(self, send: Send, origin: str) -> Send:
        return _with(send, [*self._of(origin), (b"access-control-expose-headers", EXPOSED.encode())])

    def _varying(self, send: Send) -> Send:
        """A cache must not give this answer to a page that may read it, nor the other way round."""
        return send if ANY_ORIGIN in self._origins else _with(send, [(b"vary", b"origin")])

    def _of(self, origin: str) -> Headers:
        if ANY_ORIGIN in self._origins:
            return [(b"access-control-allow-origin", b"*")]
        return [(b"access-control-allow-origin", origin.encode("latin-1")), (b"vary", b"origin")]


def _with(send: Send, headers: Headers) -> Send:
    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *headers]
        await send(message)

    return send_with
