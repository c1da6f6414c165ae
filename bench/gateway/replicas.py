"""Two gateways beside each other, each with a core of its own: how many times the requests of one."""

from concurrent.futures import ThreadPoolExecutor

from bench.gateway.cores import CORES_FOR_TWO_GATEWAYS, available_cores
from bench.gateway.measures import CONNECTIONS, measure_load, whole_requests
from bench.gateway.requests import write_requests
from bench.gateway.run import GATEWAY, Run
from bench.gateway.system import Contender


def why_not_two() -> str | None:
    cores = len(available_cores())
    if cores >= CORES_FOR_TWO_GATEWAYS:
        return None
    return (
        f"Two gateways are not measured: {cores} cores are too few for them, the load, the upstream, Redis and "
        f"RabbitMQ; {CORES_FOR_TWO_GATEWAYS} are enough."
    )


def measure_two_gateways(run: Run) -> None:
    around = run.around
    first = around.start_gateway(around.whole_port, run.customers)
    second = around.start_gateway(around.whole_port, run.customers, on=around.cores.second)
    for _ in range(run.plan.rounds):
        one, two = _served_by(run, [first]), _served_by(run, [first, second])
        run.figures.add("one_gateway_per_second", GATEWAY, one)
        run.figures.add("two_gateways_per_second", GATEWAY, two)
        run.say(second, f"{two:>9,.0f} requests/s by two, {one:,.0f} by one")


def _served_by(run: Run, gateways: list[Contender]) -> float:
    with ThreadPoolExecutor(len(gateways)) as pool:
        return sum(pool.map(lambda one: _requests_per_second(run, one), gateways))


def _requests_per_second(run: Run, one: Contender) -> float:
    requests, seconds = write_requests(run.around.folder, whole_requests(one)), run.plan.load_seconds
    cores = run.around.cores
    return measure_load(one, requests, cores, connections=CONNECTIONS, seconds=seconds).load.per_second
