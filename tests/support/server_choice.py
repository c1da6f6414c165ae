"""Containers or local processes? Containers wherever an engine answers, unless TEST_SERVERS says otherwise."""

import gc
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from enum import Enum

import pytest
from testcontainers.core.docker_client import DockerClient

from tests.support import server_containers, server_processes

Run = Callable[[], Iterator[str]]


class Servers(Enum):
    CONTAINERS = "containers"
    LOCAL = "local"


def choose_servers(environment: Mapping[str, str]) -> Servers:
    wanted = environment.get("TEST_SERVERS", "")
    if wanted not in ("", *(servers.value for servers in Servers)):
        pytest.exit(
            f"TEST_SERVERS is {wanted!r}: set it to containers or local, or leave it unset.", returncode=2
        )
    if wanted == Servers.CONTAINERS.value and not engine_answers():
        pytest.exit("TEST_SERVERS=containers, but no container engine answers: start Docker.", returncode=2)
    return Servers(wanted) if wanted else _what_answers()


def run_postgres(servers: Servers) -> AbstractContextManager[str]:
    return _run(servers, "TEST_POSTGRES_URL", server_containers.postgres, server_processes.postgres)


def run_redis(servers: Servers) -> AbstractContextManager[str]:
    return _run(servers, "TEST_REDIS_URL", server_containers.redis, server_processes.redis)


def run_rabbitmq(servers: Servers) -> AbstractContextManager[str]:
    return _run(servers, "TEST_AMQP_URL", server_containers.rabbitmq, server_processes.rabbitmq)


def engine_answers() -> bool:
    with warnings.catch_warnings():
        # A client that finds no engine leaves its socket to the garbage collector.
        warnings.simplefilter("ignore", ResourceWarning)
        answers = _pings()
        gc.collect()
    return answers


def _pings() -> bool:
    try:
        return bool(DockerClient().client.ping())
    except Exception:  # noqa: BLE001  # whatever the client library raises, no engine answers
        return False


def _what_answers() -> Servers:
    return Servers.CONTAINERS if engine_answers() else Servers.LOCAL


@contextmanager
def _run(servers: Servers, variable: str, in_container: Run, as_process: Run) -> Iterator[str]:
    if given := os.environ.get(variable):
        yield given
        return
    yield from in_container() if servers is Servers.CONTAINERS else as_process()
