"""What is measured of one contender, once, with what it used meanwhile."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.gateway.accounting import Meter
from bench.gateway.cores import Cores
from bench.gateway.paced import Answers, Driver
from bench.gateway.requests import render, stream_body, whole_body
from bench.gateway.streams import Crowd
from bench.gateway.system import Contender
from bench.gateway.wrk import Load, run_wrk

CONNECTIONS = 32
OPENED_PER_SECOND = 200
LONGEST_SECONDS = 100


@dataclass(frozen=True, slots=True)
class Use:
    """Shares of a core: used by the contender, and wanted by it while others had it."""

    core: float
    waiting: float


@dataclass(frozen=True, slots=True)
class Busy:
    """A load, and how much of its core the contender took: well below 1, something else was the limit."""

    load: Load
    use: Use

    @property
    def cpu_us_per_request(self) -> float:
        return self.use.core / self.load.per_second * 1e6 if self.load.requests else 0.0


@dataclass(frozen=True, slots=True)
class Chunks:
    """Streams over a while."""

    per_second: float
    use: Use
    failures: list[str]

    @property
    def cpu_us_per_chunk(self) -> float:
        return self.use.core / self.per_second * 1e6 if self.per_second else 0.0


def whole_requests(contender: Contender) -> list[bytes]:
    """One of each customer."""
    body = whole_body(contender.model)
    return [render(contender.port, headers, body) for headers in contender.headers]


def stream_requests(contender: Contender, count: int, *, chunks: int, per_second: int) -> list[bytes]:
    """In turn from each customer."""
    body = stream_body(chunks, per_second, contender.model)
    headers = contender.headers
    return [render(contender.port, headers[number % len(headers)], body) for number in range(count)]


def start_requests(contender: Contender) -> list[bytes]:
    """Of streams that say one thing and end."""
    return stream_requests(contender, len(contender.headers), chunks=1, per_second=0)


def measure_load(
    contender: Contender, requests: Path, cores: Cores, *, connections: int, seconds: float
) -> Busy:
    with _metered(contender) as meter:
        load = run_wrk(contender.port, requests, connections=connections, seconds=seconds, cores=cores.around)
    return Busy(load, Use(meter.core, meter.waiting))


async def measure_paced(
    contender: Contender, requests: Sequence[bytes], *, per_second: float, seconds: float
) -> Answers:
    """At a constant rate, over as many connections as at the maximum."""
    driver = Driver(requests)
    await driver.connect(contender.port, CONNECTIONS)
    try:
        return await driver.run_paced(per_second=per_second, seconds=seconds)
    finally:
        driver.close()


async def measure_closed(contender: Contender, count: int, *, connections: int = 1) -> Answers:
    """So many requests, each connection asking again as soon as it is answered."""
    driver = Driver(whole_requests(contender))
    await driver.connect(contender.port, connections)
    try:
        return await driver.run_closed(count)
    finally:
        driver.close()


async def measure_chunks(
    contender: Contender, *, streams: int, per_second: int, warm_up_seconds: float, seconds: float
) -> Chunks:
    """With all streams open; they are cut when enough was seen."""
    crowd, total = Crowd(), LONGEST_SECONDS * per_second
    requests = stream_requests(contender, streams, chunks=total, per_second=per_second)
    await crowd.open(contender.port, requests, per_second=OPENED_PER_SECOND)
    await crowd.all_begun()
    await asyncio.sleep(warm_up_seconds)
    with _metered(contender) as meter:
        before = crowd.chunks
        await asyncio.sleep(seconds)
        passed = crowd.chunks - before
    failures = crowd.failures
    await crowd.close()
    return Chunks(passed / meter.seconds, Use(meter.core, meter.waiting), failures)


@contextmanager
def _metered(contender: Contender) -> Iterator[Meter]:
    with Meter(() if contender.pid is None else (contender.pid,)) as meter:
        yield meter
