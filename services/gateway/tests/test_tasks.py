"""Work that nobody waits for: how it ends is not lost."""

import asyncio

from structlog.testing import capture_logs

from services.gateway.domain.errors import UpstreamFailed
from services.gateway.use_cases.tasks import Tasks


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
