"""Spans as a collector gets them: named by the request, joined over processes, without what nobody may see."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from shared.ids import new_request_id
from shared.tracing import spans
from shared.tracing.traceparent import of_request
from tests.support.otlp_receiver import Collector, Received, running_collector

PARTS = "name.startswith(('opentelemetry.sdk.trace', 'opentelemetry.exporter', 'shared.tracing.otlp'))"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with running_collector() as collector:
        yield collector


@pytest.fixture
def silent_port() -> Iterator[int]:
    """Takes connections, and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield silent.getsockname()[1]


def sent(collector: Collector, *, share: float = 1.0, requests: list[str] | None = None) -> list[Received]:
    """What comes of one request each: served, settled, and told in a batch."""
    spans.start("somebody", endpoint=collector.url, share=share)
    try:
        for request_id in requests or [new_request_id()]:
            with spans.serving(request_id, None), spans.step("settle", request_id):
                pass
        with spans.batch("publish", requests or []):
            pass
    finally:
        spans.stop()
    return collector.spans


def test_a_requests_first_span_is_called_as_the_request_is(collector: Collector) -> None:
    request_id = new_request_id()
    first = next(span for span in sent(collector, requests=[request_id]) if span.name == "request")
    assert f"00-{first.trace_id}-{first.span_id}-01" == str(of_request(request_id))
    assert first.parent_id == ""


def test_a_step_belongs_below_it_wherever_it_is_done(collector: Collector) -> None:
    request_id = new_request_id()
    first, step, _ = sorted(sent(collector, requests=[request_id]), key=lambda span: span.name != "request")[
        :3
    ]
    assert (step.trace_id, step.parent_id) == (first.trace_id, first.span_id)


def test_a_batch_is_linked_to_each_of_its_requests(collector: Collector) -> None:
    requests = [str(new_request_id()) for _ in range(3)]
    batch = next(span for span in sent(collector, requests=requests) if span.name == "publish")
    assert batch.links == {request_id.replace("-", "")[16:] for request_id in requests}
    assert batch.trace_id not in {request_id.replace("-", "") for request_id in requests}


def test_of_a_share_the_same_requests_are_traced_everywhere(collector: Collector) -> None:
    requests = [str(new_request_id()) for _ in range(400)]
    first_time = {
        span.trace_id for span in sent(collector, share=0.5, requests=requests) if span.name == "settle"
    }
    collector.spans.clear()
    again = {span.trace_id for span in sent(collector, share=0.5, requests=requests) if span.name == "settle"}
    assert first_time == again
    assert 120 < len(first_time) < 280


def test_an_error_is_told_by_its_name_never_by_its_text(collector: Collector) -> None:
    spans.start("somebody", endpoint=collector.url)
    with pytest.raises(ValueError, match="canary"), spans.step("settle", new_request_id()):
        raise ValueError("canary: you@example.com")
    spans.stop()
    assert collector.spans[0].attributes == {"error.type": "ValueError"}
    assert b"canary" not in b"".join(collector.bodies)


def test_an_attribute_is_one_of_those_that_are_known_to_be_harmless(collector: Collector) -> None:
    spans.start("somebody", endpoint=collector.url)
    try:
        with pytest.raises(KeyError), spans.step("settle", new_request_id()) as span:
            span.note(prompt="Once upon a time")
    finally:
        spans.stop()


def test_without_an_endpoint_nothing_of_it_is_loaded() -> None:
    """By us. (The Redis client looks for the library's metrics by itself; it asks for no spans.)"""
    look = f"import sys, services.gateway.app; print([name for name in sys.modules if {PARTS}])"
    found = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert found.stdout == "[]\n"


@pytest.mark.timing
def test_a_collector_that_never_answers_costs_no_request_and_no_stop(silent_port: int) -> None:
    spans.start("somebody", endpoint=f"http://127.0.0.1:{silent_port}")
    began = time.perf_counter()
    for _ in range(5_000):
        with spans.serving(new_request_id(), None):
            pass
    served_seconds = time.perf_counter() - began
    spans.stop()
    assert served_seconds < 3
    assert time.perf_counter() - began - served_seconds < 3


@pytest.mark.timing
def test_a_collector_that_is_not_there_costs_no_request_and_no_stop() -> None:
    began = time.perf_counter()
    spans.start("somebody", endpoint="http://127.0.0.1:9")
    with spans.serving(new_request_id(), None):
        pass
    spans.stop()
    assert time.perf_counter() - began < 4
