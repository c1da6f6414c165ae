"""Pure ASGI middleware: for everything served a request id, one log line when it ends, its figures and its span,
and a 500 that tells nothing when it crashed.

From an internal caller (bearer token, see internal.py) the id is taken over, so that one id follows a
request through the services; a stranger's is ignored. The path is logged without its query.
"""

import re
import time
from collections.abc import Awaitable, Iterable
from contextlib import AbstractContextManager

import structlog
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared import request_lines
from shared.errors import Kind
from shared.http import measure
from shared.http.errors import error_body
from shared.ids import AccountId, new_request_id
from shared.tracing import spans

HEADER = "x-request-id"
HEADER_NAME = HEADER.encode()
TRACEPARENT = "traceparent"
INTERNAL_PREFIX = "/internal/"
ACCEPTED_ID = re.compile(rb"^[0-9a-f-]{36}$")
QUIET_PATHS = frozenset({"/health", "/ready", "/metrics"})
ACCOUNT = "account_id"
"""Of whom a request is, in `scope["state"]` or among the parameters of its path."""
OUR_FAULT = "Something went wrong on our side. Please try again; the request id helps us find it."

log = structlog.get_logger()


class RequestLog:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = _inherited(scope, HEADER, ACCEPTED_ID) or new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id
        status, started = 0, time.perf_counter()

        def send_with_id(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = _with_id(message.get("headers", ()), request_id)
            return send(message)

        outside = structlog.contextvars.bind_contextvars(request_id=request_id)
        with _span(scope) as span:
            try:
                await self.app(scope, receive, send_with_id)
            except Exception as error:
                log.error("unexpected_error", path=scope["path"], exc_info=error)
                if status == 0:
                    await _our_fault(scope, receive, send_with_id)
            finally:
                _tell(scope, span, status, time.perf_counter() - started)
                structlog.contextvars.reset_contextvars(**outside)


def _with_id(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """Unless there is one."""
    headers = list(headers)
    for name, _ in headers:
        if name.lower() == HEADER_NAME:
            return headers
    headers.append((HEADER_NAME, request_id.encode()))
    return headers


def tell_account(scope: Scope, account_id: AccountId) -> None:
    """Whose request it turned out to be, for its log line and its span."""
    scope["state"][ACCOUNT] = account_id


async def _our_fault(scope: Scope, receive: Receive, send: Send) -> None:
    body = error_body(OUR_FAULT, Kind.INTERNAL, code="internal_error")
    await JSONResponse(body, 500)(scope, receive, send)


def _inherited(scope: Scope, header: str, accepted: re.Pattern[bytes] | None = None) -> str | None:
    if not scope["path"].startswith(INTERNAL_PREFIX):
        return None
    for name, value in scope["headers"]:
        if name == header.encode() and (accepted is None or accepted.match(value)):
            return str(value, "latin-1")
    return None


def _span(scope: Scope) -> AbstractContextManager[spans.Span]:
    if scope["path"] in QUIET_PATHS:
        return spans.NOTHING
    return spans.serving(scope["state"]["request_id"], _inherited(scope, TRACEPARENT))


def _tell(scope: Scope, span: spans.Span, status: int, seconds: float) -> None:
    method, route = measure.method_of(scope), measure.route_of(scope)
    measure.count(method, route, status, seconds)
    if scope["path"] in QUIET_PATHS:
        return
    account_id = scope["state"].get(ACCOUNT) or scope.get("path_params", {}).get(ACCOUNT)
    if spans.is_on():
        span.rename(f"{method} {route}")
        span.note(method=method, route=route, status=status, request_id=scope["state"]["request_id"])
        span.note(account_id=account_id)
    _write(scope, status, account_id, round(seconds * 1000, 2))


def _write(scope: Scope, status: int, account_id: str | None, duration_ms: float) -> None:
    """A span's line names its trace, as structlog knows it."""
    method, path = scope["method"], scope["path"]
    lines = None if spans.is_on() else request_lines.started()
    if lines is not None:
        lines.add(scope["state"]["request_id"], method, path, status, account_id, duration_ms)
        return
    log.info(
        "request", method=method, path=path, status=status, account_id=account_id, duration_ms=duration_ms
    )
