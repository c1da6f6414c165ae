"""The drivers against the stand-in: what they count is what it sent."""

import asyncio
import os
import time
from collections.abc import AsyncIterator

import pytest

from bench.gateway.accounting import Meter, memory_mb
from bench.gateway.measures import (
    measure_chunks,
    measure_closed,
    measure_paced,
    start_requests,
    stream_requests,
)
from bench.gateway.paced import Driver
from bench.gateway.requests import render, stream_body
from bench.gateway.stand_in import StandIn
from bench.gateway.streams import Crowd
from bench.gateway.system import Contender


@pytest.fixture
async def stand_in() -> AsyncIterator[Contender]:
    server = await asyncio.get_running_loop().create_server(StandIn, "127.0.0.1", 0)
    yield Contender("stand-in", server.sockets[0].getsockname()[1], os.getpid())
    server.close()


async def test_a_fixed_number_of_requests_is_answered(stand_in: Contender) -> None:
    answers = await measure_closed(stand_in, 50, connections=4)
    assert (len(answers.ms), answers.failures) == (50, 0)


async def test_a_constant_rate_is_not_exceeded(stand_in: Contender) -> None:
    answers = await measure_paced(stand_in, start_requests(stand_in), per_second=200, seconds=0.25)
    assert 1 <= len(answers.ms) <= 50
    assert answers.failures == 0
    assert answers.first_percentile_ms(0.5) <= answers.percentile_ms(0.5)


async def test_a_connection_that_breaks_is_a_failure(stand_in: Contender) -> None:
    driver = Driver([b"not HTTP\r\n\r\n"])
    await driver.connect(stand_in.port, 1)
    answers = await driver.run_closed(1)
    assert dict(answers.failed) == {"broke off": 1}


async def test_every_chunk_of_every_stream_is_counted(stand_in: Contender) -> None:
    crowd = Crowd()
    requests = stream_requests(stand_in, 3, chunks=10, per_second=0)
    await crowd.open(stand_in.port, requests, per_second=1_000)
    await asyncio.gather(*(stream.ended for stream in crowd.streams))
    greeting, end, done = 1, 1, 1
    assert crowd.chunks == 3 * (10 + greeting + end + done)
    assert crowd.failures == []


async def test_streams_that_are_open_are_measured_and_then_cut(stand_in: Contender) -> None:
    chunks = await measure_chunks(stand_in, streams=2, per_second=100, warm_up_seconds=0.0, seconds=0.2)
    assert chunks.per_second > 0
    assert chunks.cpu_us_per_chunk > 0
    assert chunks.failures == []


async def test_the_stand_in_says_timings_and_usage_to_those_who_ask(stand_in: Contender) -> None:
    asked = {"timings_per_token": True, "stream_options": {"include_usage": True}}
    body = stream_body(2, 0) | asked
    reader, writer = await asyncio.open_connection("127.0.0.1", stand_in.port)
    writer.write(render(stand_in.port, {}, body))
    said = await reader.readuntil(b"[DONE]")
    writer.close()
    assert said.count(b'"timings"') == 3
    assert said.count(b'"usage"') == 1


def test_the_meter_counts_this_process() -> None:
    begun = time.process_time()
    with Meter([os.getpid()]) as meter:
        while time.process_time() < begun + 0.25:  # some kernels count in hundredths of a second only
            sum(range(10_000))
    assert 0 < meter.core <= 1.1
    assert memory_mb([os.getpid()]) > 10
