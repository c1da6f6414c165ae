"""A crashed loop ends the process; a stopping process ends its loops, the last started first."""

import asyncio
import signal

from shared.background import Background

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
