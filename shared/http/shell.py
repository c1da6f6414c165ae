"""The FastAPI app every service starts from: health, readiness, request ids, errors as JSON.

`/health` says that the process runs; `/ready` that it can do its work, or names what is missing; `/metrics` both.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client.metrics_core import Metric
from starlette.exceptions import HTTPException

from shared.errors import Kind, PromptlyError
from shared.http.errors import KIND_OF_STATUS, body_of, error_body, headers_of, status_of
from shared.http.metrics import Readings, add_metrics, gauges
from shared.http.request_log import RequestLog

PROBE_TIMEOUT_SECONDS = 2

Probe = Callable[[], Awaitable[object]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
log = structlog.get_logger()


class Readiness:
    """Named probes, added as the service opens what it needs; a probe that raises is what is missing. And the
    figures that can be read of it."""

    def __init__(self) -> None:
        self._probes: dict[str, Probe] = {}
        self._was_missing: dict[str, str] = {}
        self.readings = Readings()
        self.readings.add("parts", self._read_parts)

    def add(self, name: str, probe: Probe) -> None:
        self._probes[name] = probe

    async def missing(self) -> list[str]:
        return [name for name, answers_now in await self.parts() if not answers_now]

    async def parts(self) -> list[tuple[str, bool]]:
        """Each part by its name, and whether it answers now."""
        answers = await asyncio.gather(*(self._answers(*named) for named in self._probes.items()))
        return list(zip(self._probes, answers, strict=True))

    async def _read_parts(self) -> list[Metric]:
        return [gauges("promptly_part_up", "1 when what it needs answers.", "part", await self.parts())]

    async def _answers(self, part: str, probe: Probe) -> bool:
        try:
            await asyncio.wait_for(_as_coroutine(probe), PROBE_TIMEOUT_SECONDS)
        except Exception as error:  # noqa: BLE001 - whatever a probe raises means "missing"
            self._tell_missing(part, type(error).__name__)
            return False
        self._tell_back(part)
        return True

    def _tell_missing(self, part: str, error: str) -> None:
        """Once: Prometheus asks every 15 s, a balancer more often."""
        if self._was_missing.get(part) != error:
            self._was_missing[part] = error
            log.warning("not_ready", part=part, error=error)

    def _tell_back(self, part: str) -> None:
        if self._was_missing.pop(part, None):
            log.info("ready_again", part=part)


def create_app(
    service: str, *, lifespan: Lifespan, readiness: Readiness, kind: type[FastAPI] = FastAPI
) -> FastAPI:
    """A FastAPI app without the framework's own documents pages; the caller adds its routers."""
    app = kind(
        title=f"Promptly {service}", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None
    )
    app.router.redirect_slashes = False  # its redirect carries the whole query, a key too, and to plain http
    app.add_middleware(RequestLog)
    app.add_exception_handler(PromptlyError, _promptly_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_exception)

    @app.get("/health")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready")
    async def ready() -> JSONResponse:
        missing = await readiness.missing()
        if missing:
            return JSONResponse({"status": "not ready", "missing": missing}, 503)
        return JSONResponse({"status": "ready"})

    add_metrics(app, readiness.readings)
    return app


async def _as_coroutine(probe: Probe) -> None:
    await probe()


async def _promptly_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, PromptlyError)
    return JSONResponse(body_of(error), status_of(error.kind), headers_of(error))


async def _validation_error(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    param = ".".join(str(part) for part in first["loc"][1:]) or None
    return JSONResponse(error_body(first["msg"], Kind.INVALID, code="invalid_request", param=param), 400)


async def _http_exception(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = KIND_OF_STATUS.get(error.status_code, Kind.INVALID)
    body = error_body(str(error.detail), kind, code=kind.value)
    return JSONResponse(body, error.status_code, headers=error.headers)
