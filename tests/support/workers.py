"""How `pytest -n` shares the tests out: a file stays on one worker, and so do all files that share a running system.

Most of a run is waiting, for servers, leases and timeouts, so that there may be more workers than cores. Each
has servers of its own, as a run without `-n` has; here is only what runs where, the longest first."""

import os
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from xdist.remote import Producer
    from xdist.scheduler import Scheduling

GIVEN = ("TEST_POSTGRES_URL", "TEST_REDIS_URL", "TEST_AMQP_URL")
"""Servers from outside. Tests empty them, so that only one process may use them."""
TOGETHER = {
    "fleet": (
        "tests/integration/test_money_",
        "tests/integration/test_revocation.py",
        "tests/integration/test_upgrades.py",
    ),
    "stack": ("tests/integration/", "tests/clients/", "tests/browser/"),
}
"""A system that is dear to start, by its fixture, and where the tests that use it lie; the first that fits. A test
elsewhere that uses it too would start it once more."""
LONG = (
    "tests/docs/test_blocks.py",
    "deploy/local/tests/test_run.py",
    "services/gateway/tests/test_openapi.py",
    "deploy/local/tests/test_install.py",
)
"""Files that all others would be finished before, if they did not begin early."""
FIRST = (*TOGETHER, *LONG)


def place_of(path: str) -> str:
    """What one worker runs whole: a file, or all that share a system."""
    return next((system for system, starts in TOGETHER.items() if path.startswith(starts)), path)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    # A new worker in the place of one that crashed would be given the test that ended it, again and again.
    config.option.maxworkerrestart = "0"
    if any(os.environ.get(name) for name in GIVEN) and config.getoption("numprocesses", None):
        config.option.numprocesses = 0


def pytest_report_header() -> str | None:
    given = [name for name in GIVEN if os.environ.get(name)]
    return f"{', '.join(given)}: one process uses them, whatever -n says" if given else None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=_rank)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: "Producer") -> "Scheduling":
    from xdist.scheduler import LoadFileScheduling

    class ByPlace(LoadFileScheduling):  # type: ignore[misc]  # xdist is untyped
        def _split_scope(self, nodeid: str) -> str:
            return place_of(_path(nodeid))

    config.option.loadscopereorder = False
    return ByPlace(config, log)


def _rank(item: pytest.Item) -> int:
    place = place_of(_path(item.nodeid))
    return FIRST.index(place) if place in FIRST else len(FIRST)


def _path(nodeid: str) -> str:
    return nodeid.partition("::")[0]
