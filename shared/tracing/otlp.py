"""The spans of this process on their way to a collector: OTLP over HTTP, from a thread of its own.

A collector that is slow, or not there, costs spans, never a request: the queue to the thread is bounded and what
does not fit is dropped. Imported only when there is an endpoint (spans.py).
"""

import logging
import os
import socket
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes
from typing_extensions import override

from shared.tracing.spans import ATTRIBUTES, Kind, Span
from shared.tracing.traceparent import Traceparent

QUEUE_SPANS_MAX = 4096
SEND_EVERY_MS = 1000
SEND_SPANS_MAX = 512
SEND_TIMEOUT_SECONDS = 5
STOP_TIMEOUT_SECONDS = 1
ATTRIBUTE_LENGTH_MAX = 128
RANDOM_BITS = 32
"""The lowest ones of a request id; its upper ones count up. They decide whether a trace is in the share."""
SILENT = "opentelemetry"
"""Its loggers would tell of every attempt, with a traceback; the collector's absence shows in the collector."""

_identity: ContextVar[Traceparent | None] = ContextVar("identity", default=None)


class _Ids(RandomIdGenerator):
    """A request's first span is called as its request is; all others have random names."""

    def generate_trace_id(self) -> int:
        identity = _identity.get()
        return super().generate_trace_id() if identity is None else identity.trace_id

    def generate_span_id(self) -> int:
        identity = _identity.get()
        return super().generate_span_id() if identity is None else identity.span_id


class _ShareOfTraces(Sampler):
    """The same traces in every service. (The library's own looks at bits that are not random in a UUID.)"""

    def __init__(self, share: float) -> None:
        self._bound = round(share * (1 << RANDOM_BITS))

    @override
    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: trace.TraceState | None = None,
    ) -> SamplingResult:
        is_in = trace_id & (1 << RANDOM_BITS) - 1 < self._bound
        return SamplingResult(Decision.RECORD_AND_SAMPLE if is_in else Decision.DROP)

    @override
    def get_description(self) -> str:
        return "share of traces"


class _Noted:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def note(self, **attributes: str | int | None) -> None:
        for name, value in attributes.items():
            if value is not None:
                kept = value[:ATTRIBUTE_LENGTH_MAX] if isinstance(value, str) else value
                self._span.set_attribute(ATTRIBUTES[name], kept)

    def rename(self, name: str) -> None:
        self._span.update_name(name)


class OtlpRecorder:
    def __init__(self, service: str, *, endpoint: str, share: float) -> None:
        logging.getLogger(SILENT).setLevel(logging.CRITICAL)
        instance = f"{socket.gethostname()}-{os.getpid()}"
        resource = Resource({"service.name": service, "service.instance.id": instance})
        exporter = OTLPSpanExporter(
            endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_TIMEOUT_SECONDS
        )
        self._sending = BatchSpanProcessor(
            exporter,
            max_queue_size=QUEUE_SPANS_MAX,
            schedule_delay_millis=SEND_EVERY_MS,
            max_export_batch_size=SEND_SPANS_MAX,
        )
        provider = TracerProvider(
            sampler=_ShareOfTraces(share), resource=resource, id_generator=_Ids(), shutdown_on_exit=False
        )
        provider.add_span_processor(self._sending)
        self._tracer = provider.get_tracer("promptly")

    @contextmanager
    def span(
        self,
        name: str,
        kind: Kind,
        *,
        identity: Traceparent | None = None,
        parent: Traceparent | None = None,
        links: Iterable[Traceparent] = (),
        started_ns: int | None = None,
    ) -> Iterator[Span]:
        linked = [Link(_context_of(each)) for each in links]
        with _called(identity):
            span = self._tracer.start_span(
                name, _below(parent), SpanKind[kind.name], links=linked, start_time=started_ns
            )
        with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
            try:
                yield _Noted(span)
            except Exception as error:
                span.set_attribute(ATTRIBUTES["error"], type(error).__name__)
                span.set_status(
                    Status(StatusCode.ERROR)
                )  # no description: an error's text may quote anything
                raise

    def current(self) -> Traceparent | None:
        context = trace.get_current_span().get_span_context()
        return Traceparent(context.trace_id, context.span_id) if context.is_valid else None

    def stop(self) -> None:
        """The library's own waits for as long as the collector does."""
        stopping = threading.Thread(target=self._sending.shutdown, daemon=True)
        stopping.start()
        stopping.join(STOP_TIMEOUT_SECONDS)


@contextmanager
def _called(identity: Traceparent | None) -> Iterator[None]:
    token = _identity.set(identity)
    try:
        yield
    finally:
        _identity.reset(token)


def _below(parent: Traceparent | None) -> Context:
    """Where nothing is above, a trace begins."""
    if parent is None:
        return Context()
    return trace.set_span_in_context(trace.NonRecordingSpan(_context_of(parent)), Context())


def _context_of(place: Traceparent) -> SpanContext:
    return SpanContext(place.trace_id, place.span_id, is_remote=True, trace_flags=TraceFlags(1))
