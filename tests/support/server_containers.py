"""The servers as containers, in the versions of production. Each generator yields a URL.

Ready means that the server itself answers (deploy/local/probes.py): the engine's proxy accepts
connections long before, and PostgreSQL's image runs a first server only to initialise its data."""

import shlex
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer

from deploy.local import probes
from deploy.local.servers.redis import DURABLE
from tests.support.leftovers import LABEL, own_name

PASSWORD = "test"
START_SECONDS = 120.0
POLL_SECONDS = 0.1

# Its reaper is one more image to pull, for what the fixtures do themselves: they stop what they started.
testcontainers_config.ryuk_disabled = True


def postgres() -> Iterator[str]:
    container = DockerContainer("postgres:17")
    for name, value in {"USER": "gateway", "PASSWORD": PASSWORD, "DB": "gateway"}.items():
        container.with_env(f"POSTGRES_{name}", value)
    with _running(container, 5432) as address:
        yield _when(probes.postgres_answers, f"postgresql://gateway:{PASSWORD}@{address}/gateway", container)


def redis() -> Iterator[str]:
    container = DockerContainer("redis:8", command=shlex.join(["redis-server", *DURABLE]))
    with _running(container, 6379) as address:
        yield _when(probes.redis_answers, f"redis://{address}/0", container)


def rabbitmq() -> Iterator[str]:
    container = DockerContainer("rabbitmq:4-management", hostname="promptly-test")
    container.with_env("RABBITMQ_DEFAULT_USER", "promptly").with_env("RABBITMQ_DEFAULT_PASS", PASSWORD)
    with _running(container, 5672) as address:
        yield _when(probes.rabbitmq_answers, f"amqp://promptly:{PASSWORD}@{address}/", container)


@contextmanager
def _running(container: DockerContainer, port: int) -> Iterator[str]:
    """Its address as seen from here. Stopped here, also on failure."""
    container.with_exposed_ports(port).with_kwargs(labels={LABEL: own_name()})
    try:
        container.start()
        yield f"{container.get_container_host_ip()}:{container.get_exposed_port(port)}"
    finally:
        container.stop()


def _when(answers: Callable[[str], bool], url: str, container: DockerContainer) -> str:
    deadline = time.monotonic() + START_SECONDS
    while not answers(url):
        if time.monotonic() > deadline:
            said = b"".join(container.get_logs())[-800:].decode(errors="replace")
            raise TimeoutError(
                f"{container.image} was not ready after {START_SECONDS:.0f} s; it said: {said}"
            )
        time.sleep(POLL_SECONDS)
    return url
