"""Whole answers: requests per second at 32 connections, what one connection waits, and what the slowest wait at
half of the gateway's maximum. One contender after the other, and again."""

from collections.abc import Mapping
from pathlib import Path

from bench.gateway.measures import CONNECTIONS, measure_closed, measure_load, measure_paced, whole_requests
from bench.gateway.requests import write_requests
from bench.gateway.run import DIRECT, GATEWAY, NGINX, Run, awake
from bench.gateway.system import Contender
from deploy.local.failures import LocalFailure

WARM_UP_REQUESTS = 20


def measure_whole(run: Run) -> None:
    contenders = run.contenders(run.around.whole_port)
    files = {one.name: write_requests(run.around.folder, whole_requests(one)) for one in contenders}
    _warm_up(run, contenders, files)
    for _ in range(run.plan.rounds):
        for one in contenders:
            with awake(one):
                _measure_maximum(run, one, files[one.name])
                _measure_one_connection(run, one, files[one.name])
    maximum = run.figures.median("requests_per_second", GATEWAY)
    assert maximum is not None
    for _ in range(run.plan.rounds):
        for one in contenders:
            if one.name in (DIRECT, NGINX, GATEWAY):
                _measure_half(run, one, maximum / 2)


def _warm_up(run: Run, contenders: list[Contender], files: Mapping[str, Path]) -> None:
    """Some take seconds for their first answers, and would begin the load with them."""
    for one in contenders:
        with awake(one):
            failures = run.do(measure_closed(one, WARM_UP_REQUESTS)).failures
            if failures:
                raise LocalFailure(f"{one.name} does not serve: {failures} of {WARM_UP_REQUESTS} failed.")
            seconds, cores = run.plan.warm_up_seconds, run.around.cores
            measure_load(one, files[one.name], cores, connections=CONNECTIONS, seconds=seconds)


def _measure_maximum(run: Run, one: Contender, requests: Path) -> None:
    seconds, cores, figures = run.plan.load_seconds, run.around.cores, run.figures
    busy = measure_load(one, requests, cores, connections=CONNECTIONS, seconds=seconds)
    figures.add("requests_per_second", one.name, busy.load.per_second)
    figures.add("errors", one.name, busy.load.errors)
    if one.pid is not None:
        figures.add("cpu_us_per_request", one.name, busy.cpu_us_per_request)
        figures.add("core_share", one.name, busy.use.core)
        figures.add("kept_waiting_share", one.name, busy.use.waiting)
    run.say(one, f"{busy.load.per_second:>9,.0f} requests/s, {busy.cpu_us_per_request:.0f} µs of CPU each")


def _measure_one_connection(run: Run, one: Contender, requests: Path) -> None:
    seconds, cores = run.plan.load_seconds, run.around.cores
    load = measure_load(one, requests, cores, connections=1, seconds=seconds).load
    run.figures.add("p50_ms_one_connection", one.name, load.p50_ms)
    run.figures.add("errors", one.name, load.errors)
    run.say(one, f"{load.p50_ms:>9.3f} ms at one connection (p50)")


def _measure_half(run: Run, one: Contender, per_second: float) -> None:
    paced = measure_paced(one, whole_requests(one), per_second=per_second, seconds=run.plan.paced_seconds)
    answers = run.do(paced)
    run.figures.add("p50_ms_half_load", one.name, answers.percentile_ms(0.5))
    run.figures.add("p99_ms_half_load", one.name, answers.percentile_ms(0.99))
    run.figures.add("errors", one.name, answers.failures)
    run.say(one, f"{answers.percentile_ms(0.99):>9.3f} ms at {per_second:,.0f}/s (p99)")
