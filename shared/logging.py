"""Structured logs: one JSON object a line on standard output, with the request id of whatever is served.

Log events, not stories; never a key, a secret, an address of a person, a prompt or a completion.
"""

import logging
import sys

import structlog

from shared import request_lines
from shared.tracing import spans

NOISY = ("httpx", "httpcore", "asyncio", "uvicorn.error")
"""Libraries that tell every reconnect or request; their warnings are enough."""
SILENT = ("aio_pika", "aiormq")
"""Their warnings may show a message with its body; `shared.bus` logs what happened to it."""


def configure(service: str, level: str = "info") -> None:
    """Set up structlog and route the standard library's loggers through it. Call once, at start."""
    threshold = getattr(logging, level.upper())
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _name_service(service),
        _name_trace,
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*processors, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stdout),
        cache_logger_on_first_use=True,
    )
    _route_standard_library(processors, threshold)
    if threshold <= logging.INFO:
        request_lines.start(service)


def bind_ids(request_id: str | None, account_id: str | None) -> None:
    """Every log line of the current task carries these from now on, and none of another."""
    structlog.contextvars.clear_contextvars()
    ids = {"request_id": request_id, "account_id": account_id}
    structlog.contextvars.bind_contextvars(
        **{name: value for name, value in ids.items() if value is not None}
    )


def current_request_id() -> str | None:
    """The id bound to the current task, to hand on over HTTP and the bus."""
    value = structlog.contextvars.get_contextvars().get("request_id")
    return value if isinstance(value, str) else None


def _name_service(service: str) -> structlog.typing.Processor:
    def add(
        _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        event["service"] = service
        return event

    return add


def _name_trace(
    _: structlog.typing.WrappedLogger, __: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    """Only where traces are sent; a request's trace id is its request id without dashes."""
    if (trace_id := spans.current_trace_id()) is not None:
        event["trace_id"] = trace_id
    return event


def _route_standard_library(processors: list[structlog.typing.Processor], threshold: int) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=processors,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(threshold)
    for name in NOISY:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    for name in SILENT:
        logging.getLogger(name).setLevel(logging.CRITICAL)
