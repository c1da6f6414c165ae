"""`make bench`: the gateway beside bare nginx and its peers, on fixed cores, in one run.

Ctrl-C, SIGTERM and every failure end all that was started."""

import argparse
import asyncio
import gc
import os
import resource
import sys
from collections.abc import Container
from datetime import UTC, datetime

import uvloop

from bench.gateway.cores import available_cores, choose_cores
from bench.gateway.crowd import measure_open_connections, measure_thousand_streams
from bench.gateway.customers import open_accounts
from bench.gateway.figures import Figures
from bench.gateway.peers import PEERS, Peer, install_missing
from bench.gateway.plan import FULL, QUICK
from bench.gateway.profile import profile
from bench.gateway.replicas import measure_two_gateways, why_not_two
from bench.gateway.requests import customers_headers
from bench.gateway.results import read_latest, report_of, result_of, update_document, write_latest
from bench.gateway.run import Run
from bench.gateway.streaming import measure_streaming
from bench.gateway.system import Surroundings, running_surroundings
from bench.gateway.whole import measure_whole
from deploy.local.failures import LocalFailure
from deploy.local.packages import install
from deploy.local.programs import find_program
from deploy.local.progress import Progress

MEASURES = {
    "whole": measure_whole,
    "streaming": measure_streaming,
    "thousand": measure_thousand_streams,
    "connections": measure_open_connections,
    "profile": profile,
}
FILES_NEEDED = 12_000
"""Of the gateway: five thousand connections, and as many to the upstream as it may have."""


def main() -> None:
    arguments = _parse()
    if arguments.only_update_docs:
        return update_document(read_latest())
    progress = Progress()
    peers = tuple(PEERS[name] for name in arguments.peers)
    _prepare(peers, progress)
    started_load = os.getloadavg()[0]
    figures = _measure(arguments, peers, progress)
    how = "quick" if arguments.quick else "full"
    loads = {"start": started_load, "end": os.getloadavg()[0]}
    result = result_of(figures, how=how, loads=loads, at=datetime.now(UTC))
    write_latest(result)
    progress.say(f"\n{report_of(result)}\n\nAll figures: bench/results/latest.json")
    if reason := why_not_two():
        progress.say(reason)
    if arguments.update_docs:
        update_document(result)
    return None


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench.gateway", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="four minutes, for a look while one works")
    parser.add_argument("--peers", type=_peers, default=[], help=f"of {', '.join(PEERS)}, comma-separated")
    parser.add_argument("--only", type=_measures, default=list(MEASURES), help=f"of {', '.join(MEASURES)}")
    parser.add_argument("--update-docs", action="store_true", help="write the tables into docs/benchmarks.md")
    parser.add_argument(
        "--only-update-docs", action="store_true", help="from the last run, measuring nothing"
    )
    return parser.parse_args()


def _peers(text: str) -> list[str]:
    return _known(text, PEERS)


def _measures(text: str) -> list[str]:
    return _known(text, MEASURES)


def _known(text: str, names: Container[str]) -> list[str]:
    given = [name for name in text.split(",") if name]
    if unknown := [name for name in given if name not in names]:
        raise argparse.ArgumentTypeError(f"{unknown[0]} is not known here")
    return given


def _prepare(peers: tuple[Peer, ...], progress: Progress) -> None:
    if not find_program("wrk"):
        install(["wrk"], progress)
    install_missing(list(peers), progress)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < FILES_NEEDED:
        raise LocalFailure(
            f"{FILES_NEEDED} open files are needed and {hard} allowed: `ulimit -n {FILES_NEEDED}`."
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _measure(arguments: argparse.Namespace, peers: tuple[Peer, ...], progress: Progress) -> Figures:
    cores = choose_cores(available_cores())
    progress.say(f"Under test: core {cores.tested[0]}; all else: {', '.join(map(str, cores.around))}")
    with running_surroundings(cores) as around, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        progress.say(f"  Redis, RabbitMQ and the stand-ins run after {progress.elapsed_seconds:.0f} s")
        os.sched_setaffinity(0, cores.around)
        run = _begin(arguments, around, runner, peers, progress)
        gc.disable()  # a pause of this process would be a latency of somebody else's
        for name in arguments.only:
            progress.say(f"  {name}, after {progress.elapsed_seconds:.0f} s")
            MEASURES[name](run)
        if cores.second:
            measure_two_gateways(run)
        os.sched_setaffinity(0, (*cores.tested, *cores.second, *cores.around))
        return run.figures


def _begin(
    arguments: argparse.Namespace,
    around: Surroundings,
    runner: asyncio.Runner,
    peers: tuple[Peer, ...],
    progress: Progress,
) -> Run:
    keys = runner.run(open_accounts(around.redis_url, around.pepper))
    plan = QUICK if arguments.quick else FULL
    return Run(around, runner, plan, peers, tuple(customers_headers(keys)), progress)


if __name__ == "__main__":
    try:
        main()
    except LocalFailure as failure:
        sys.exit(str(failure))
    except KeyboardInterrupt:
        sys.exit("Interrupted; what had been started is ended.")
