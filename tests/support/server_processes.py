"""The servers as local processes, by the launchers that `make run` uses. Each generator yields a URL."""

from collections.abc import Iterator
from contextlib import contextmanager

from deploy.local import processes
from deploy.local.ports import free_port
from deploy.local.processes import ProcessSpec
from deploy.local.servers import postgres as postgres_server
from deploy.local.servers import rabbitmq as rabbitmq_server
from deploy.local.servers import redis as redis_server
from tests.support.leftovers import own_folder

PASSWORD = "test"
# Nothing in a test outlives the machine's power.
THROW_AWAY = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def postgres() -> Iterator[str]:
    with own_folder() as folder:
        home, port = folder / "postgres", free_port()
        try:
            spec = postgres_server.prepare(home, port=port, password=PASSWORD, options=THROW_AWAY)
            with _running(spec):
                yield postgres_server.url(port, PASSWORD)
        finally:
            postgres_server.remove_data(home)


def redis() -> Iterator[str]:
    with own_folder() as folder:
        port = free_port()
        with _running(redis_server.prepare(folder / "redis", port=port, password=PASSWORD)):
            yield redis_server.url(port, PASSWORD)


def rabbitmq() -> Iterator[str]:
    with own_folder() as folder:
        ports = rabbitmq_server.RabbitPorts(
            amqp=free_port(), distribution=free_port(), port_mapper=free_port()
        )
        specs = rabbitmq_server.prepare(folder / "rabbitmq", ports=ports, password=PASSWORD)
        with _running(*specs):
            yield rabbitmq_server.url(ports.amqp, PASSWORD)


@contextmanager
def _running(*specs: ProcessSpec) -> Iterator[None]:
    children: list[processes.Child] = []
    try:
        for spec in specs:
            children.append(processes.start(spec, marker=spec.folder))
            processes.wait_ready(children[-1])
        yield
    finally:
        for child in reversed(children):
            child.stop()
