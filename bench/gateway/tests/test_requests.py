"""What is sent and what is read back: wrk's figures, requests, the stand-in's answers, the cores."""

import json

import pytest

from bench.gateway import answers
from bench.gateway.cores import Cores, choose_cores
from bench.gateway.paced import percentile
from bench.gateway.peers import PEERS
from bench.gateway.requests import render, stream_body
from bench.gateway.wrk import parse

WRK = """Running 2s test @ http://127.0.0.1:8503
  1 threads and 32 connections
Requests/sec:   5000.00

{"requests": 10000, "duration_us": 2000000, "errors": 3, "p50_us": 420, "p90_us": 600, "p99_us": 2100, "max_us": 9000}
"""


def test_wrk_tells_requests_errors_and_latencies() -> None:
    load = parse(WRK)
    assert (load.per_second, load.errors, load.p50_ms, load.p99_ms) == (5_000, 3, 0.42, 2.1)


def test_a_stream_is_ordered_by_its_prompt() -> None:
    body = json.dumps(stream_body(300, 10)).encode()
    assert answers.ordered_in(body) == (300, 10)


def test_a_request_is_whole_http() -> None:
    head, body = render(8503, {"Authorization": "Bearer k"}, {"model": "m"}).split(b"\r\n\r\n")
    assert head.startswith(b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8503\r\n")
    assert b"Content-Length: %d" % len(body) in head
    assert b"Authorization: Bearer k" in head


def test_chunks_have_timings_only_for_those_who_ask() -> None:
    assert b'"timings"' not in answers.chunk({"content": "a"}, 1, has_timings=False)
    assert b'"predicted_n":7' in answers.chunk({"content": "a"}, 7, has_timings=True)


def test_the_usage_comes_only_to_those_who_ask() -> None:
    assert b'"usage"' not in answers.ending(7, has_usage=False)
    assert b'"completion_tokens":7' in answers.ending(7, has_usage=True)


def test_two_cores_are_one_for_what_is_tested_and_one_for_the_rest() -> None:
    assert choose_cores([0, 1]) == Cores(tested=(1,), around=(0,))


def test_a_second_gateway_gets_a_core_where_there_are_enough() -> None:
    assert choose_cores([0, 1, 2, 3]).second == ()
    assert choose_cores(range(6)) == Cores(tested=(5,), around=(0, 1, 2, 3), second=(4,))


def test_one_core_is_for_everybody() -> None:
    assert choose_cores([0]) == Cores(tested=(0,), around=(0,))


@pytest.mark.parametrize(("share", "value"), [(0.0, 1.0), (0.5, 3.0), (0.99, 5.0), (1.0, 5.0)])
def test_percentiles_are_measured_values(share: float, value: float) -> None:
    assert percentile([5.0, 1.0, 3.0, 2.0, 4.0], share) == value


def test_peers_are_known_by_name() -> None:
    assert set(PEERS) == {"litellm", "portkey"}
