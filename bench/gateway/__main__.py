"""`make bench`: the gateway beside bare nginx and its peers, on fixed cores, in one run."""

import argparse
import asyncio
import os
import resource
from statistics import median

import uvloop

from bench.gateway.cores import available_cores, choose_cores
from bench.gateway.customers import open_accounts
from bench.gateway.measures import CONNECTIONS, measure_chunks, measure_load, whole_requests
from bench.gateway.requests import customers_headers
from bench.gateway.system import Contender, Surroundings, running_surroundings


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    _raise_file_limit()
    cores = choose_cores(available_cores())
    with running_surroundings(cores) as around:
        os.sched_setaffinity(0, cores.around)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            keys = runner.run(open_accounts(around.redis_url, around.pepper))
            headers = tuple(customers_headers(keys))
            _whole(around, headers, seconds=2 if arguments.quick else 5, rounds=3)
            _streams(runner, around, headers, seconds=3 if arguments.quick else 8, rounds=2)
    print(f"load {os.getloadavg()[0]:.1f}")


def _whole(around: Surroundings, headers, seconds: float, rounds: int) -> None:
    contenders = [
        Contender("direct", around.whole_port, None),
        around.start_proxy(around.whole_port),
        around.start_gateway(around.whole_port, headers),
    ]
    files = {one.name: whole_requests(one, around.folder) for one in contenders}
    found: dict[tuple[str, int], list] = {}
    for turn in range(rounds + 1):
        for one in contenders:
            for connections in (CONNECTIONS, 1):
                busy = measure_load(
                    one, files[one.name], around.cores, connections=connections, seconds=seconds
                )
                if turn:
                    found.setdefault((one.name, connections), []).append(busy)
    for (name, connections), runs in found.items():
        print(
            f"{name:10} {connections:3} connections: {median(r.load.per_second for r in runs):9,.0f}/s  "
            f"p50 {median(r.load.p50_ms for r in runs):.3f} ms p99 {median(r.load.p99_ms for r in runs):.2f} ms "
            f"core {median(r.core for r in runs):.2f} cpu {median(r.cpu_us_per_request for r in runs):.0f} us "
            f"errors {sum(r.load.errors for r in runs)}",
            flush=True,
        )


def _streams(runner: asyncio.Runner, around: Surroundings, headers, seconds: float, rounds: int) -> None:
    contenders = [
        around.start_proxy(around.stream_port),
        around.start_gateway(around.stream_port, headers),
    ]
    for turn in range(rounds):
        for one in contenders:
            chunks = runner.run(
                measure_chunks(one, streams=50, per_second=100, warm_up_seconds=1, seconds=seconds)
            )
            print(
                f"{turn} {one.name:10} {chunks.per_second:,.0f} chunks/s core {chunks.core:.2f} "
                f"{chunks.cpu_us_per_chunk:.1f} us/chunk failures {chunks.failures}",
                flush=True,
            )


def _raise_file_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


if __name__ == "__main__":
    main()
