"""`make bench-prices`: what each guarantee costs. Gateways that are made without it run beside the whole one, in turn;
CPU is told in loops of calibration.py, so that a machine whose speed changes does not change the share."""

import asyncio
import os
import statistics
import sys
from collections import defaultdict
from pathlib import Path

import uvloop

from bench.gateway.calibration import calibrate_us
from bench.gateway.cores import available_cores, choose_cores
from bench.gateway.customers import open_accounts
from bench.gateway.measures import CONNECTIONS, measure_load, whole_requests
from bench.gateway.requests import customers_headers, write_requests
from bench.gateway.system import Contender, Surroundings, running_surroundings
from bench.gateway.tables import number, table
from deploy.local.failures import LocalFailure

SWITCHES = Path(__file__).with_name("without")
WHOLE = ""
GUARANTEES = {
    "reserve": "limits and money reserved before, and settled after (two round trips to Redis)",
    "settle": "of these, settled before the first byte leaves (one round trip)",
    "check": "bodies checked and built anew, answers read",
    "log": "the request log",
    "count": "metrics",
    "publish": "usage published",
}
CUSTOMERS, ROUNDS = 200, 3
BUSY_SECONDS, ALONE_SECONDS = 2.0, 1.0


class Prices:
    """Medians of the rounds, by what is missing."""

    def __init__(self) -> None:
        self._loops: defaultdict[str, list[float]] = defaultdict(list)
        self._alone_ms: defaultdict[str, list[float]] = defaultdict(list)

    def add(self, without: str, *, loops: float, alone_ms: float) -> None:
        self._loops[without].append(loops)
        self._alone_ms[without].append(alone_ms)

    def share(self, without: str) -> float:
        """Of the whole gateway's CPU time."""
        return 1 - statistics.median(self._loops[without]) / statistics.median(self._loops[WHOLE])

    def alone_ms(self, without: str) -> float:
        """Of one connection, in the median of the rounds."""
        return statistics.median(self._alone_ms[without])

    def table(self) -> str:
        whole_ms = self.alone_ms(WHOLE)
        rows = [
            [
                GUARANTEES[each],
                number(100 * self.share(each), 0, " %"),
                number(whole_ms - self.alone_ms(each), 2),
            ]
            for each in GUARANTEES
        ]
        head = [f"of a whole answer's CPU time, and of its {whole_ms:.2f} ms at one connection", "CPU", "ms"]
        return table(head, rows)


def measure(around: Surroundings, runner: asyncio.Runner) -> Prices:
    headers = tuple(customers_headers(runner.run(open_accounts(around.redis_url, around.pepper, CUSTOMERS))))
    contenders = {each: _start(around, headers, without=each) for each in (WHOLE, *GUARANTEES)}
    prices = Prices()
    for at in range(1 + ROUNDS):
        for each, contender in contenders.items():
            loops, alone_ms = _look(around, contender)
            if at:  # the first round warms up
                prices.add(each, loops=loops, alone_ms=alone_ms)
    return prices


def _start(around: Surroundings, headers: tuple[dict[str, str], ...], *, without: str) -> Contender:
    different = {"PYTHONPATH": str(SWITCHES), "PROMPTLY_BENCH_WITHOUT": without}
    return around.start_gateway(around.whole_port, headers, different=different)


def _look(around: Surroundings, contender: Contender) -> tuple[float, float]:
    requests, cores = write_requests(around.folder, whole_requests(contender)), around.cores
    before_us = calibrate_us(cores.tested)
    busy = measure_load(contender, requests, cores, connections=CONNECTIONS, seconds=BUSY_SECONDS)
    loop_us = (before_us + calibrate_us(cores.tested)) / 2
    alone = measure_load(contender, requests, cores, connections=1, seconds=ALONE_SECONDS)
    if busy.load.errors or alone.load.errors:
        raise LocalFailure(f"{busy.load.errors + alone.load.errors} requests failed.")
    return busy.cpu_us_per_request / loop_us, alone.load.p50_ms


def main() -> None:
    cores = choose_cores(available_cores())
    with running_surroundings(cores) as around, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        os.sched_setaffinity(0, cores.around)
        print(measure(around, runner).table())


if __name__ == "__main__":
    try:
        main()
    except LocalFailure as failure:
        sys.exit(f"Not measured: {failure}")
    except KeyboardInterrupt:
        sys.exit("Interrupted.")
