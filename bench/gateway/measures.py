"""What is measured of one contender, once. Each run is short; __main__ repeats and interleaves them."""

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from bench.gateway.accounting import cpu_seconds
from bench.gateway.cores import Cores
from bench.gateway.requests import render, stream_body, whole_body, write_requests
from bench.gateway.streams import Crowd
from bench.gateway.system import Contender
from bench.gateway.wrk import Load, run_wrk

CONNECTIONS = 32


@dataclass(frozen=True, slots=True)
class Busy:
    """A load, and how much of its core the contender took: well below 1, something else was the limit."""

    load: Load
    core: float

    @property
    def cpu_us_per_request(self) -> float:
        return self.core / self.load.per_second * 1e6


@dataclass(frozen=True, slots=True)
class Chunks:
    """Streams over a while. `core`: the share of one core that they took."""

    per_second: float
    core: float
    failures: int

    @property
    def cpu_us_per_chunk(self) -> float:
        return self.core / self.per_second * 1e6


def whole_requests(contender: Contender, folder: Path) -> Path:
    body = whole_body(contender.model)
    requests = [render(contender.port, headers, body) for headers in contender.headers]
    return write_requests(folder / f"whole-{contender.port}", requests)


def stream_requests(contender: Contender, count: int, *, chunks: int, per_second: int) -> list[bytes]:
    body = stream_body(chunks, per_second, contender.model)
    headers = contender.headers
    return [render(contender.port, headers[number % len(headers)], body) for number in range(count)]


def measure_load(
    contender: Contender, requests: Path, cores: Cores, *, connections: int, seconds: float
) -> Busy:
    begun, cpu = time.perf_counter(), _cpu_of(contender)
    load = run_wrk(contender.port, requests, connections=connections, seconds=seconds, cores=cores.around)
    return Busy(load, (_cpu_of(contender) - cpu) / (time.perf_counter() - begun))


async def measure_chunks(
    contender: Contender, *, streams: int, per_second: int, warm_up_seconds: float, seconds: float
) -> Chunks:
    """With all streams open; they are cut when enough was seen."""
    crowd = Crowd()
    total = 100 * per_second
    requests = stream_requests(contender, streams, chunks=total, per_second=per_second)
    await crowd.open(contender.port, requests, per_second=200)
    await asyncio.sleep(warm_up_seconds)
    begun, cpu, chunks = time.perf_counter(), _cpu_of(contender), crowd.chunks
    await asyncio.sleep(seconds)
    elapsed = time.perf_counter() - begun
    used, passed = _cpu_of(contender) - cpu, crowd.chunks - chunks
    failures = len(crowd.failures)
    await crowd.close()
    return Chunks(passed / elapsed, used / elapsed, failures)


def _cpu_of(contender: Contender) -> float:
    return 0.0 if contender.pid is None else cpu_seconds([contender.pid])
