"""A service that is started before what it needs waits for it, and says so, instead of dying until it is there.

Until the app has started, `/health` is 200 (the process lives), `/ready` is 503 and names what is missing, and
everything else is 503 with `Retry-After`. When all is there at once, nothing is served before it has started.
Once it is leaving, `/ready` is 503 and each answer closes its connection.
"""

import asyncio
import json
import os
import signal
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import structlog
from fastapi import FastAPI
from starlette.types import Message, Receive, Scope, Send

from shared.errors import Kind, PartMissing
from shared.http.errors import error_body

RETRY_SECONDS = 1.0
STARTING = "The service is starting. Please try again."

log = structlog.get_logger()


class WaitingRoom:
    """ASGI. `build_app` makes the app anew for each attempt to start it."""

    def __init__(self, build_app: Callable[[], FastAPI]) -> None:
        self._build_app = build_app
        self._app: FastAPI | None = None
        self._missing: PartMissing | None = None
        self._tried = asyncio.Event()
        self._stopping = asyncio.Event()
        self._is_leaving = False

    def leave(self) -> None:
        """From now on nobody should come; who is here is served to the end."""
        self._is_leaving = True

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Coroutine[Any, Any, None]:
        if scope["type"] == "lifespan":
            return self._live(receive, send)
        if self._is_leaving and scope["type"] == "http":
            return self._serve_the_last(scope, receive, _closing(send))
        if self._app is not None:
            return self._app(scope, receive, send)
        return self._turn_away(scope, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        living = asyncio.create_task(self._run())
        tried = asyncio.create_task(self._tried.wait())
        await asyncio.wait({living, tried}, return_when=asyncio.FIRST_COMPLETED)
        tried.cancel()
        if living.done():
            log.error("start_failed", exc_info=living.exception())
            await send({"type": "lifespan.startup.failed", "message": repr(living.exception())})
            return
        living.add_done_callback(self._end_the_process_on_a_crash)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._stopping.set()
        await asyncio.wait({living})
        await send({"type": "lifespan.shutdown.complete"})

    async def _run(self) -> None:
        """The app's whole life, in one task."""
        while not self._stopping.is_set():
            app = self._build_app()
            try:
                async with app.router.lifespan_context(app):
                    self._app, self._missing = app, None
                    self._tried.set()
                    await self._stopping.wait()
            except PartMissing as missing:
                self._wait_for(missing)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), RETRY_SECONDS)

    def _wait_for(self, missing: PartMissing) -> None:
        if str(missing) != str(self._missing):
            log.warning("waiting_for", part=missing.part, reason=missing.message)
        self._missing = missing
        self._tried.set()

    async def _serve_the_last(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._app is None:
            await self._turn_away(scope, send)
        elif scope["path"] == "/ready":
            await _send(send, 503, {"status": "not ready", "missing": ["stopping"]})
        else:
            await self._app(scope, receive, send)

    async def _turn_away(self, scope: Scope, send: Send) -> None:
        if scope["type"] != "http":
            return
        path = scope["path"]
        if path == "/health":
            await _send(send, 200, {"status": "ok"})
        elif path == "/ready" and self._missing is not None:
            missing = {"missing": [self._missing.part], "reason": self._missing.message}
            await _send(send, 503, {"status": "not ready", **missing})
        else:
            await _send(send, 503, error_body(STARTING, Kind.UNAVAILABLE, code="starting"))

    def _end_the_process_on_a_crash(self, living: "asyncio.Task[None]") -> None:
        if living.cancelled() or living.exception() is None:
            return
        log.error("service_crashed", exc_info=living.exception())
        os.kill(os.getpid(), signal.SIGTERM)


def _closing(send: Send) -> Send:
    async def send_and_close(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
        await send(message)

    return send_and_close


async def _send(send: Send, status: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 503:
        headers.append((b"retry-after", b"1"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
