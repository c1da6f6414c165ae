"""Many at once: a thousand streams for minutes, and five thousand connections of which nobody gets on."""

import asyncio
import socket
from collections.abc import Sequence

from bench.gateway.accounting import Meter, memory_mb
from bench.gateway.measures import OPENED_PER_SECOND, stream_requests
from bench.gateway.paced import Answers, Driver
from bench.gateway.run import GATEWAY, Run
from bench.gateway.streams import Crowd
from bench.gateway.system import Contender

STREAMS, CHUNKS_PER_SECOND = 1_000, 10
SAMPLE_SECONDS = 5.0
SETTLING_SECONDS = 5.0

SLOW_READERS = 500
WAITERS = 4_500
WAITING_ACCOUNTS = 9
SLOTS_LEFT = 8
COMING_PER_SECOND = 250
LONG_CHUNKS = 6_000
LARGE, LARGE_CHUNKS = 20, 30_000
"""Of the slow readers some are sent more at once, a dozen megabytes, than all buffers on the way will take."""
RECEIVE_BUFFER_BYTES = 4_096
CROWDED = {"UPSTREAM_CONCURRENCY": str(SLOW_READERS + SLOTS_LEFT), "QUEUE_TIMEOUT_SECONDS": "600"}


def measure_thousand_streams(run: Run) -> None:
    gateway = run.around.start_gateway(run.around.stream_port, run.customers)
    run.do(_thousand_streams(run, gateway))


async def _thousand_streams(run: Run, gateway: Contender) -> None:
    """Memory is sampled from the moment in which all are open."""
    assert gateway.pid is not None
    crowd, seconds = Crowd(), run.plan.crowd_seconds
    lasting_seconds = round(seconds) + 60
    requests = stream_requests(
        gateway, STREAMS, chunks=lasting_seconds * CHUNKS_PER_SECOND, per_second=CHUNKS_PER_SECOND
    )
    await crowd.open(gateway.port, requests, per_second=OPENED_PER_SECOND)
    await asyncio.sleep(SETTLING_SECONDS)
    with Meter([gateway.pid]) as meter:
        before = crowd.chunks
        for _ in range(round(seconds / SAMPLE_SECONDS)):
            run.figures.add("crowd_memory_mb", GATEWAY, memory_mb([gateway.pid]))
            await asyncio.sleep(SAMPLE_SECONDS)
        passed = crowd.chunks - before
    run.figures.add("crowd_memory_mb", GATEWAY, memory_mb([gateway.pid]))
    run.figures.add("crowd_failures", GATEWAY, len(crowd.failures))
    run.figures.add("crowd_chunks_per_second", GATEWAY, passed / meter.seconds)
    run.figures.add("crowd_core_share", GATEWAY, meter.core)
    run.say(
        gateway,
        f"{passed / meter.seconds:>9,.0f} chunks/s to {STREAMS:,} streams, {meter.core:.0%} of its core",
    )
    await crowd.close()


def measure_open_connections(run: Run) -> None:
    gateway = run.around.start_gateway(run.around.stream_port, run.customers, different=CROWDED)
    run.do(_open_connections(run, gateway))


async def _open_connections(run: Run, gateway: Contender) -> None:
    """What another customer waits for a short stream: alone, and while all others wait or do not read."""
    assert gateway.pid is not None
    waiting = stream_requests(gateway, WAITING_ACCOUNTS, chunks=20, per_second=100)
    other = stream_requests(gateway, WAITING_ACCOUNTS + 1, chunks=2, per_second=100)[-1]
    seconds = run.plan.others_seconds
    alone = await _served(gateway, other, seconds)
    readers = await _open_slow_readers(gateway)
    waiters = Driver([waiting[number % WAITING_ACCOUNTS] for number in range(WAITERS)])
    going = asyncio.create_task(waiters.run_endlessly(per_second=2 * COMING_PER_SECOND))
    await waiters.connect(gateway.port, WAITERS, per_second=COMING_PER_SECOND)
    await asyncio.sleep(SETTLING_SECONDS)
    run.figures.add("open_connections", GATEWAY, waiters.asking + len(readers))
    beside = await _served(gateway, other, seconds)
    for name, answers in (("alone", alone), ("beside", beside)):
        run.figures.add("others_failures", GATEWAY, answers.failures)
        if answers.ms:
            run.figures.add(f"others_p50_ms_{name}", GATEWAY, answers.percentile_ms(0.5))
            run.figures.add(f"others_p99_ms_{name}", GATEWAY, answers.percentile_ms(0.99))
    run.figures.add("open_connections_memory_mb", GATEWAY, memory_mb([gateway.pid]))
    run.figures.add("open_connections_failures", GATEWAY, waiters.answers.failures + _lost(readers))
    for what, answers in (("those that wait", waiters.answers), ("others", beside)):
        if answers.failures:
            run.say(gateway, f"{what}: {dict(answers.failed)}")
    run.say(
        gateway,
        f"{beside.percentile_ms(0.5):>9.1f} ms for others (p50), {alone.percentile_ms(0.5):.1f} ms alone",
    )
    going.cancel()
    waiters.close()
    for reader in readers:
        reader.close()


async def _served(gateway: Contender, request: bytes, seconds: float) -> Answers:
    """One after the other."""
    driver = Driver([request])
    await driver.connect(gateway.port, 1)
    try:
        return await driver.run_for(seconds)
    finally:
        driver.close()


async def _open_slow_readers(gateway: Contender) -> list[socket.socket]:
    """They ask for a long answer and read nothing of it; each keeps its place at the upstream."""
    long = stream_requests(gateway, SLOW_READERS - LARGE, chunks=LONG_CHUNKS, per_second=CHUNKS_PER_SECOND)
    large = stream_requests(gateway, LARGE, chunks=LARGE_CHUNKS, per_second=0)
    requests = [*long, *large]
    return [await _ask_and_not_read(gateway.port, request) for request in requests]


async def _ask_and_not_read(port: int, request: bytes) -> socket.socket:
    loop = asyncio.get_running_loop()
    connection = socket.socket()
    connection.setblocking(False)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    await loop.sock_connect(connection, ("127.0.0.1", port))
    await loop.sock_sendall(connection, request)
    return connection


def _lost(readers: Sequence[socket.socket]) -> int:
    """Those that were not begun with 200, or were closed from the other side."""
    begun = [_peek(reader) for reader in readers]
    return sum(not data.startswith(b"HTTP/1.1 200") for data in begun)


def _peek(reader: socket.socket) -> bytes:
    try:
        return reader.recv(64, socket.MSG_PEEK)
    except OSError:
        return b""
