"""Spans: what this process did for a request, told to a collector when OTEL_EXPORTER_OTLP_ENDPOINT is set.

Without it nothing is imported, nothing is kept, and each call here is one comparison. An attribute is one of
ATTRIBUTES, and none of them can hold a key, an address, a path as it was asked for, or a text: a test looks.
"""

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import Enum
from typing import Protocol

from shared.tracing.traceparent import Traceparent, of_request, parse

LINKS_MAX = 128
"""Of a batch; as many as collectors keep by default."""
ATTRIBUTES = {
    "method": "http.request.method",
    "route": "http.route",
    "status": "http.response.status_code",
    "event_id": "messaging.message.id",
    "event_type": "messaging.operation.name",
    "request_id": "promptly.request_id",
    "account_id": "promptly.account_id",
    "outcome": "promptly.outcome",
    "tokens": "promptly.tokens",
    "records": "promptly.records",
    "error": "error.type",
}


class Kind(Enum):
    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"
    INTERNAL = "internal"


class Span(Protocol):
    def note(self, **attributes: str | int | None) -> None:
        """By the names of ATTRIBUTES; None is left out."""
        ...

    def rename(self, name: str) -> None: ...


class Recorder(Protocol):
    """Two: the one that sends (otlp.py), and none."""

    def span(
        self,
        name: str,
        kind: Kind,
        *,
        identity: Traceparent | None = None,
        parent: Traceparent | None = None,
        links: Iterable[Traceparent] = (),
        started_ns: int | None = None,
    ) -> AbstractContextManager[Span]:
        """Within it this is the current span. `identity` is what a request's first span is called; `started_ns`,
        since 1970, when it began if not now."""
        ...

    def current(self) -> Traceparent | None: ...

    def stop(self) -> None: ...


class _NoSpan:
    def note(self, **attributes: str | int | None) -> None:
        pass

    def rename(self, name: str) -> None:
        pass


NO_SPAN = _NoSpan()
NOTHING: AbstractContextManager[Span] = nullcontext(NO_SPAN)
_recorder: Recorder | None = None


def start(service: str, *, endpoint: str, share: float = 1.0) -> None:
    """Of every `share` of requests the spans are sent to `endpoint`. Empty: tracing stays off."""
    global _recorder
    if endpoint:
        from shared.tracing.otlp import OtlpRecorder  # OpenTelemetry: not loaded where nobody asked for it

        _recorder = OtlpRecorder(service, endpoint=endpoint, share=share)


def stop() -> None:
    """Sends what is there, as far as that goes quickly."""
    global _recorder
    if _recorder is not None:
        _recorder.stop()
    _recorder = None


def is_on() -> bool:
    return _recorder is not None


def current_traceparent() -> str | None:
    """To hand on over HTTP and the bus."""
    current = None if _recorder is None else _recorder.current()
    return None if current is None else str(current)


def current_trace_id() -> str | None:
    current = None if _recorder is None else _recorder.current()
    return None if current is None else f"{current.trace_id:032x}"


def serving(request_id: str, traceparent: str | None) -> AbstractContextManager[Span]:
    """A request as this service answers it: the first of its trace, unless a service of ours asks for it."""
    if _recorder is None:
        return NOTHING
    if traceparent is not None:
        parent = parse(traceparent) or of_request(request_id)
        return _recorder.span("request", Kind.SERVER, parent=parent)
    return _recorder.span("request", Kind.SERVER, identity=of_request(request_id))


def calling() -> AbstractContextManager[Span]:
    """A call of another service, inside what is done now."""
    if _recorder is None:
        return NOTHING
    return _recorder.span("call", Kind.CLIENT, parent=_recorder.current())


def handling(traceparent: str | None, request_id: str | None) -> AbstractContextManager[Span]:
    """A message, as its consumer takes it."""
    if _recorder is None:
        return NOTHING
    return _recorder.span("handle", Kind.CONSUMER, parent=parse(traceparent) or of_request(request_id))


def step(
    name: str, request_id: str | None, *, because_of: str | None = None, started_ns: int | None = None
) -> AbstractContextManager[Span]:
    """Part of a request's work, in whichever process and however late. `because_of` is a traceparent to link to."""
    if _recorder is None:
        return NOTHING
    parent, cause = of_request(request_id), parse(because_of)
    links = [cause] if cause else []
    return _recorder.span(name, Kind.INTERNAL, parent=parent, links=links, started_ns=started_ns)


@contextmanager
def batch(name: str, request_ids: Iterable[str]) -> Iterator[Span]:
    """One piece of work for several requests: a trace of its own, with a link to each."""
    if _recorder is None:
        yield NO_SPAN
        return
    links = [first for each in request_ids if (first := of_request(each)) is not None]
    with _recorder.span(name, Kind.PRODUCER, links=links[:LINKS_MAX]) as span:
        yield span
