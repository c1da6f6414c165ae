"""Every story has its own person at the public door of one running system."""

from collections.abc import Iterator

import pytest

from deploy.local.environments import BackingUrls
from tests.support.echo_server import echo_server
from tests.support.otlp_receiver import Collector, running_collector
from tests.support.person import Person
from tests.support.stack import Stack, run_stack

TRIAL_TOKENS = 600
"""Enough for a few short answers; spent within seconds where a story is about the end of it."""


@pytest.fixture(scope="session")
def allowed_origin() -> Iterator[str]:
    """Of pages that may call /v1."""
    with echo_server("page") as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the stories' system sends its traces."""
    with running_collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def stack(
    backing: BackingUrls,
    allowed_origin: str,
    collector: Collector,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stack]:
    settings = {
        "TRIAL_TOKENS": str(TRIAL_TOKENS),
        "CORS_ALLOWED_ORIGINS": allowed_origin,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
    with run_stack(tmp_path_factory.mktemp("stack"), backing, settings) as running:
        yield running


@pytest.fixture
def person(stack: Stack) -> Person:
    return Person(stack.base_url, stack.mails)
