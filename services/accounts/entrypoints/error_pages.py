"""Errors for people are pages; programs that ask for JSON, and other services, get the shell's JSON."""

import json
from collections.abc import Awaitable, Callable
from typing import Any, cast

import structlog
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from services.accounts.entrypoints.pages import Pages
from services.accounts.entrypoints.requests import wants_json
from shared.errors import PromptlyError, Unavailable
from shared.http.request_log import INTERNAL_PREFIX

Handler = Callable[[Request, Any], Awaitable[Response]]
log = structlog.get_logger()

TITLES = {
    401: "Please sign in",
    403: "This is not allowed",
    404: "This page does not exist",
    405: "This page cannot be used that way",
    429: "Too many attempts",
    503: "We will be right back",
}
SENTENCES = {
    "Not Found": "The address may be mistyped, or the page has moved.",
    "Method Not Allowed": "Please go to the start page and follow the links from there.",
}
"""Where the framework has only a word."""


def show_errors_as_pages(app: FastAPI, pages: Pages, *, dependency_down: tuple[type[Exception], ...]) -> None:
    """Wraps the shell's handlers. What a missing database raises becomes a 503 that says to try again."""
    as_json = {each: _handler_of(app, each) for each in (HTTPException, PromptlyError)}
    unavailable = _unavailable(as_json[PromptlyError])
    handlers = as_json | dict.fromkeys(dependency_down, unavailable)
    for error_class, handler in handlers.items():
        app.add_exception_handler(error_class, _as_page(handler, pages))


def _handler_of(app: FastAPI, error_class: type[Exception]) -> Handler:
    return cast("Handler", app.exception_handlers[error_class])  # the shell's are all async


def _as_page(handler: Handler, pages: Pages) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        reply = await handler(request, error)
        if wants_json(request) or request.url.path.startswith(INTERNAL_PREFIX):
            return reply
        status = reply.status_code
        message = json.loads(bytes(reply.body))["error"]["message"]
        headers = {name: value for name, value in reply.headers.items() if not name.startswith("content-")}
        return pages.render(
            "problem.html",
            status=status,
            headers=headers,
            title=TITLES.get(status, "That did not work"),
            sentence=SENTENCES.get(message, message),
        )

    return handle


def _unavailable(promptly_error: Handler) -> Handler:
    async def handle(request: Request, error: Exception) -> Response:
        log.warning("dependency_down", error=type(error).__name__)
        message = "A part of the service does not answer at the moment. Please try again soon."
        return await promptly_error(request, Unavailable(message, retry_after_seconds=5))

    return handle
