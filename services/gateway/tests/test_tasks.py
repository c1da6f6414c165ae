"""Work that nobody waits for: how it ends is not lost."""

import asyncio

from structlog.testing import capture_logs

from services.gateway.domain.errors import UpstreamFailed
from services.gateway.use_cases.tasks import Tasks, until_either


async def fail(error: Exception) -> None:
    raise error


async def test_a_fault_of_the_program_is_logged_though_nobody_waits_and_an_expected_error_is_not() -> None:
    tasks = Tasks()
    with capture_logs() as logs:
        for error in (ValueError("30 tokens charged, 20 held"), UpstreamFailed("it broke off")):
            tasks.start(fail(error))
        await tasks.drain(1)
        await asyncio.sleep(0)
    assert [(line["event"], type(line["exc_info"])) for line in logs] == [("task_failed", ValueError)]


async def test_the_first_of_two_is_enough_and_the_other_forgets_who_waited() -> None:
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    waiting = asyncio.create_task(until_either(first, second))
    await asyncio.sleep(0)
    assert not waiting.done()
    second.set_result(None)
    await waiting
    assert not first._callbacks
    await until_either(first, second)


async def test_who_is_cancelled_while_waiting_leaves_both_as_they_are() -> None:
    first, second = (asyncio.get_running_loop().create_future() for _ in range(2))
    waiting = asyncio.create_task(until_either(first, second))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait({waiting})
    assert waiting.cancelled()
    assert not first.done()
    assert not second.done()
    assert not first._callbacks
