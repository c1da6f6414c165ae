"""Streams: CPU per relayed chunk, how many can begin per second, and what the first byte waits for."""

from bench.gateway.measures import CONNECTIONS, measure_chunks, measure_load, measure_paced, start_requests
from bench.gateway.requests import write_requests
from bench.gateway.run import DIRECT, GATEWAY, NGINX, Run, awake
from bench.gateway.system import Contender

STREAMS, CHUNKS_PER_SECOND = 50, 100
STREAMS_OF_A_PEER = 5
"""A peer that takes a millisecond for each chunk could not follow fifty."""
SHARE_OF_STARTS = 0.1
OURS = (DIRECT, NGINX, GATEWAY)


def measure_streaming(run: Run) -> None:
    contenders = run.contenders(run.around.stream_port)
    for _ in range(run.plan.rounds):
        for one in contenders:
            if one.pid is not None:
                with awake(one):
                    _measure_chunks(run, one)
    for one in contenders[: len(OURS)]:
        _measure_starts(run, one, seconds=run.plan.warm_up_seconds)
    for _ in range(run.plan.rounds):
        for one in contenders[: len(OURS)]:
            starts = _measure_starts(run, one, seconds=run.plan.load_seconds)
            run.figures.add("starts_per_second", one.name, starts)
    maximum = run.figures.median("starts_per_second", GATEWAY)
    assert maximum is not None
    for _ in range(run.plan.rounds):
        for one in contenders[: len(OURS)]:
            _measure_first_byte(run, one, maximum * SHARE_OF_STARTS)


def _measure_chunks(run: Run, one: Contender) -> None:
    streams = STREAMS if one.name in OURS else STREAMS_OF_A_PEER
    seconds, warm_up_seconds = run.plan.chunks_seconds, run.plan.warm_up_seconds
    chunks = run.do(
        measure_chunks(
            one,
            streams=streams,
            per_second=CHUNKS_PER_SECOND,
            warm_up_seconds=warm_up_seconds,
            seconds=seconds,
        )
    )
    run.figures.add("stream_failures", one.name, len(chunks.failures))
    if chunks.failures:
        run.say(one, f"{len(chunks.failures)} of {streams} streams failed: {chunks.failures[0]}")
        return
    run.figures.add("cpu_us_per_chunk", one.name, chunks.cpu_us_per_chunk)
    run.figures.add("chunks_per_second", one.name, chunks.per_second)
    run.say(one, f"{chunks.cpu_us_per_chunk:>9.1f} µs of CPU per chunk, at {chunks.per_second:,.0f}/s")


def _measure_starts(run: Run, one: Contender, *, seconds: float) -> float:
    """Streams of one chunk, as many as are served."""
    requests = write_requests(run.around.folder, start_requests(one))
    load = measure_load(one, requests, run.around.cores, connections=CONNECTIONS, seconds=seconds).load
    run.figures.add("errors", one.name, load.errors)
    run.say(one, f"{load.per_second:>9,.0f} streams/s begun")
    return load.per_second


def _measure_first_byte(run: Run, one: Contender, per_second: float) -> None:
    paced = measure_paced(one, start_requests(one), per_second=per_second, seconds=run.plan.paced_seconds)
    answers = run.do(paced)
    run.figures.add("first_byte_p50_ms", one.name, answers.first_percentile_ms(0.5))
    run.figures.add("errors", one.name, answers.failures)
    run.say(
        one, f"{answers.first_percentile_ms(0.5):>9.3f} ms to the first byte at {per_second:,.0f}/s (p50)"
    )
