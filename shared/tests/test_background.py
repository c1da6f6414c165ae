"""A crashed loop ends the process; a stopping process ends its loops, the last started first."""

import asyncio
import signal

from shared.background import Background
from shared.bus.backoff import Backoff

STOP_WITHIN_SECONDS = 5


async def test_loops_end_with_their_service_in_reverse_order() -> None:
    ended: list[str] = []

    async def run(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with Background() as background:
        background.start("first", lambda: run("first"))
        background.start("second", lambda: run("second"))
        await asyncio.sleep(0)
    assert ended == ["second", "first"]


async def test_a_loop_whose_cancellation_a_library_replaced_by_an_error_ends_all_the_same() -> None:
    asked = asyncio.Event()
    backoff = Backoff(first_seconds=STOP_WITHIN_SECONDS, max_seconds=STOP_WITHIN_SECONDS)

    async def query_on_a_broken_connection() -> None:
        try:
            asked.set()
            await asyncio.Event().wait()
        except asyncio.CancelledError as error:
            raise OSError("as asyncpg's InterfaceError") from error

    async def run() -> None:
        while True:
            try:
                await query_on_a_broken_connection()
            except OSError:
                await backoff.wait()

    async with asyncio.timeout(STOP_WITHIN_SECONDS), Background() as background:
        background.start("stubborn", run)
        await asked.wait()


async def test_a_crashed_loop_ends_the_process() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)

    async def crash() -> None:
        raise RuntimeError("a defect")

    try:
        async with Background() as background:
            background.start("crash", crash)
            await asyncio.wait_for(stopped.wait(), STOP_WITHIN_SECONDS)
    finally:
        loop.remove_signal_handler(signal.SIGTERM)
