"""What `.ci/run` compares: CPU per request and per chunk, in units of a loop that is measured beside it, with
bench/reference.json. It informs: a slower machine or a busy one must fail nobody.

`python -m bench.gateway.regression`; with `--write` the figures become the reference.
"""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import uvloop

from bench.gateway.accounting import Meter
from bench.gateway.calibration import calibrate_us
from bench.gateway.cores import available_cores, choose_cores
from bench.gateway.customers import open_accounts
from bench.gateway.measures import measure_chunks, measure_closed
from bench.gateway.requests import customers_headers
from bench.gateway.system import ROOT, Contender, Surroundings, running_surroundings
from bench.gateway.tables import number, table
from deploy.local.failures import LocalFailure

REFERENCE = ROOT / "bench" / "reference.json"
CUSTOMERS, CONNECTIONS = 20, 8
REQUESTS, TIMES = 1_000, 3
STREAMS, CHUNKS_PER_SECOND, STREAM_SECONDS = 20, 100, 4
NOTABLE = 0.10
"""A difference that is worth a look; less is noise."""
WAITING_MAX = 0.10
"""Beside a busy neighbour the same work takes more CPU: caches are cold, and batches small."""

Costs = Mapping[str, float]
"""By measure, in loops (calibration.py)."""


def main() -> None:
    cores = choose_cores(available_cores())
    with running_surroundings(cores) as around, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        os.sched_setaffinity(0, cores.around)
        costs = measure(around, runner)
        os.sched_setaffinity(0, available_cores_of(around))
    if "--write" in sys.argv[1:]:
        REFERENCE.write_text(json.dumps(costs, indent=1) + "\n")
    print(compare(costs, read_reference()))


def available_cores_of(around: Surroundings) -> list[int]:
    return sorted({*around.cores.tested, *around.cores.around, *around.cores.second})


def measure(around: Surroundings, runner: asyncio.Runner) -> dict[str, float]:
    """The least of several: whoever else is there only adds."""
    keys = runner.run(open_accounts(around.redis_url, around.pepper, CUSTOMERS))
    headers = tuple(customers_headers(keys))
    whole = around.start_gateway(around.whole_port, headers)
    streaming = around.start_gateway(around.stream_port, headers)
    runner.run(measure_closed(whole, REQUESTS // 4, connections=CONNECTIONS))
    loop_us = calibrate_us(around.cores.tested)
    request_us, request_waiting = min(runner.run(_request(whole)) for _ in range(TIMES))
    chunk_us, chunk_waiting = min(runner.run(_chunk(streaming)) for _ in range(TIMES))
    loop_us = min(loop_us, calibrate_us(around.cores.tested))
    return {
        "loop_us": round(loop_us, 1),
        "request": round(request_us / loop_us, 4),
        "chunk": round(chunk_us / loop_us, 4),
        "waiting": round(max(request_waiting, chunk_waiting), 3),
    }


def read_reference(path: Path = REFERENCE) -> dict[str, float]:
    """Empty when there is none yet."""
    if not path.exists():
        return {}
    read: dict[str, float] = json.loads(path.read_text())
    return read


def compare(costs: Costs, reference: Costs) -> str:
    rows = [_row(name, costs, reference) for name in ("request", "chunk")]
    head = ["CPU", "µs here", "in loops", "reference", "difference", ""]
    return table(head, rows)


def _row(name: str, costs: Costs, reference: Costs) -> list[str]:
    loops, known = costs[name], reference.get(name)
    difference = None if known is None else loops / known - 1
    return [
        f"per {name}",
        number(loops * costs["loop_us"], 0),
        number(loops, 3),
        number(known, 3),
        number(None if difference is None else 100 * difference, 0, " %"),
        verdict(difference, waiting=costs["waiting"]),
    ]


def verdict(difference: float | None, *, waiting: float = 0.0) -> str:
    if waiting > WAITING_MAX:
        return f"no verdict: others had its core for {waiting:.0%} of the time"
    if difference is None:
        return "no reference"
    if abs(difference) < NOTABLE:
        return "as before"
    return "**dearer: look why**" if difference > 0 else "cheaper: `--write` keeps it"


async def _request(gateway: Contender) -> tuple[float, float]:
    """CPU in microseconds, and the share of the time in which others had its core."""
    assert gateway.pid is not None
    with Meter([gateway.pid]) as meter:
        answers = await measure_closed(gateway, REQUESTS, connections=CONNECTIONS)
    if answers.failures:
        raise LocalFailure(f"{answers.failures} of {REQUESTS} requests failed: {dict(answers.failed)}")
    return meter.core * meter.seconds / REQUESTS * 1e6, meter.waiting


async def _chunk(gateway: Contender) -> tuple[float, float]:
    """As above."""
    chunks = await measure_chunks(
        gateway,
        streams=STREAMS,
        per_second=CHUNKS_PER_SECOND,
        warm_up_seconds=0.5,
        seconds=STREAM_SECONDS,
    )
    if chunks.failures:
        raise LocalFailure(f"{len(chunks.failures)} of {STREAMS} streams failed: {chunks.failures[0]}")
    return chunks.cpu_us_per_chunk, chunks.use.waiting


if __name__ == "__main__":
    try:
        main()
    except LocalFailure as failure:
        print(f"Not compared: {failure}")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
