"""What runs again and again runs at once when kicked, and outlives an outage."""

import asyncio
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


async def test_kicks_that_come_while_it_rests_are_one_round() -> None:
    action = Action()
    schedule = Schedule("test", action, every_seconds=NEVER_SECONDS, rest_seconds=0.05)
    async with running(schedule):
        await eventually(action.has_run(1))
        for _ in range(5):
            schedule.kick()
            await asyncio.sleep(0)
        assert action.rounds == 1
        await eventually(action.has_run(2))
    assert action.rounds == 2


async def test_the_lag_is_told_from_the_first_kick_to_the_end_of_a_round_that_succeeded() -> None:
    lags: list[float] = []
    schedule = Schedule("test", Action(ConnectionRefusedError()), every_seconds=0.02, observe_lag=lags.append)
    schedule.kick()
    async with running(schedule):
        await eventually(lambda: has_length(lags, 1))
    assert 0.02 <= lags[0] < 5


async def has_length(items: list[float], length: int) -> bool:
    return len(items) >= length


async def test_an_outage_is_outlived() -> None:
    action = Action(ConnectionRefusedError(), TimeoutError())
    async with running(Schedule("test", action, every_seconds=0.01)):
        await eventually(action.has_run(3))


async def test_a_fault_of_the_program_ends_it() -> None:
    with pytest.raises(ZeroDivisionError):
        await Schedule("test", Action(ZeroDivisionError()), every_seconds=NEVER_SECONDS).run()
