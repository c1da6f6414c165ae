"""Pure ASGI middleware: a request id for everything served, one log line when it ends, and a 500 that
tells nothing when it crashed.

From an internal caller (bearer token, see internal.py) the id is taken over, so that one id follows a
request through the services; a stranger's is ignored. The path is logged without its query.
"""

import re
import time

import structlog
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.errors import Kind
from shared.http.errors import error_body
from shared.ids import new_request_id

HEADER = "x-request-id"
INTERNAL_PREFIX = "/internal/"
ACCEPTED_ID = re.compile(rb"^[0-9a-f-]{36}$")
QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
OUR_FAULT = "Something went wrong on our side. Please try again; the request id helps us find it."

log = structlog.get_logger()


class RequestLog:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _inherited_id(scope) or new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = 0, time.perf_counter()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message).setdefault(HEADER, request_id)
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:
                log.error("unexpected_error", path=scope["path"], exc_info=error)
                if status == 0:
                    await _our_fault(scope, receive, send_with_id)
            finally:
                _tell(scope, status, time.perf_counter() - started)


async def _our_fault(scope: Scope, receive: Receive, send: Send) -> None:
    body = error_body(OUR_FAULT, Kind.INTERNAL, code="internal_error")
    await JSONResponse(body, 500)(scope, receive, send)


def _inherited_id(scope: Scope) -> str | None:
    if not scope["path"].startswith(INTERNAL_PREFIX):
        return None
    for name, value in scope["headers"]:
        if name == HEADER.encode() and ACCEPTED_ID.match(value):
            return str(value, "ascii")
    return None


def _tell(scope: Scope, status: int, seconds: float) -> None:
    if scope["path"] not in QUIET_PATHS:
        log.info(
            "request",
            method=scope["method"],
            path=scope["path"],
            status=status,
            duration_ms=round(seconds * 1000, 2),
        )
