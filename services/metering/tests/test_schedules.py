"""What runs again and again runs at once when kicked, and outlives an outage."""

from collections.abc import Awaitable, Callable

import pytest

from services.metering.entrypoints.schedules import Schedule
from services.metering.tests.running import running
from tests.support.eventually import eventually

NEVER_SECONDS = 3600.0


class Action:
    """Counts its rounds, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.rounds = 0
        self._failures = list(failures)

    async def __call__(self) -> None:
        self.rounds += 1
        if self._failures:
            raise self._failures.pop(0)

    def has_run(self, rounds: int) -> Callable[[], Awaitable[bool]]:
        async def check() -> bool:
            return self.rounds >= rounds

        return check


async def test_it_runs_at_start_and_then_after_each_interval() -> None:
    action = Action()
    async with running(Schedule("test", action, every_seconds=0.01)):
        await eventually(action.has_run(3))


async def test_a_kick_does_not_wait_for_the_interval() -> None:
    action = Action()
    schedule = Schedule("test", action, every_seconds=NEVER_SECONDS)
    async with running(schedule):
        await eventually(action.has_run(1))
        schedule.kick()
        await eventually(action.has_run(2))


async def test_an_outage_is_outlived() -> None:
    action = Action(ConnectionRefusedError(), TimeoutError())
    async with running(Schedule("test", action, every_seconds=0.01)):
        await eventually(action.has_run(3))


async def test_a_fault_of_the_program_ends_it() -> None:
    with pytest.raises(ZeroDivisionError):
        await Schedule("test", Action(ZeroDivisionError()), every_seconds=NEVER_SECONDS).run()
