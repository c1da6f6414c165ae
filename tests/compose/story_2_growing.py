"""More replicas by one option: the edge finds them, one that is killed costs no more than a retry, jobs stay single."""

import re
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.compose.story_urls import PRODUCTION
from tests.support.compose_customer import Customer, register
from tests.support.compose_project import ComposeProject
from tests.support.wait_until import wait_until

GATEWAYS = 3
FOUND_WITHIN_SECONDS = 120
CALLS = 60
WORKERS = 4
ANSWERED = re.compile(r"/v1/chat/completions")


@pytest.fixture(scope="module")
def customer(production: ComposeProject) -> Customer:
    return register(production, PRODUCTION)


@pytest.fixture(scope="module")
def three_gateways(production: ComposeProject, customer: Customer) -> Iterator[list[str]]:
    """Their container ids."""
    scale(production, gateway=GATEWAYS, metering=2)
    yield [each["Id"] for each in production.containers("gateway")]
    scale(production, gateway=1, metering=1)


def test_requests_reach_every_replica_within_seconds(
    production: ComposeProject, customer: Customer, three_gateways: list[str]
) -> None:
    def all_were_reached() -> bool:
        with ThreadPoolExecutor(WORKERS) as workers:
            assert all(workers.map(lambda _: customer.ask_until_answered().is_success, range(2 * GATEWAYS)))
        return all(has_answered(production, each) for each in range(1, GATEWAYS + 1))

    wait_until(all_were_reached, FOUND_WITHIN_SECONDS)


def test_a_killed_replica_costs_no_more_than_a_retry(
    production: ComposeProject, customer: Customer, three_gateways: list[str]
) -> None:
    under_way = threading.Event()

    def ask(number: int) -> bool:
        if number == CALLS // 3:
            under_way.set()
        return customer.ask_until_answered().is_success

    with ThreadPoolExecutor(WORKERS) as workers:
        answers = workers.map(ask, range(CALLS))
        assert under_way.wait(timeout=120)
        subprocess.run(["docker", "kill", three_gateways[0]], check=True, capture_output=True)
        assert all(answers)


def test_two_meterings_post_everything_once(
    production: ComposeProject, customer: Customer, three_gateways: list[str]
) -> None:
    assert len([each for each in production.containers("metering") if each["State"]["Running"]]) == 2
    wait_until(lambda: "No difference" in audit(production), FOUND_WITHIN_SECONDS)


def scale(project: ComposeProject, **replicas: int) -> None:
    wanted = [word for name, count in replicas.items() for word in ("--scale", f"{name}={count}")]
    project.compose("up", "--detach", "--no-recreate", *wanted)


def has_answered(project: ComposeProject, number: int) -> bool:
    return (
        ANSWERED.search(project.compose("logs", "--no-color", "--index", str(number), "gateway")) is not None
    )


def audit(project: ComposeProject) -> str:
    return project.run_in("metering", "python3", "-m", "services.metering", "audit")
