"""Containers or local processes? Containers wherever an engine answers, unless TEST_SERVERS says otherwise."""

import gc
import warnings
from collections.abc import Mapping
from enum import Enum

import pytest
from testcontainers.core.docker_client import DockerClient


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
