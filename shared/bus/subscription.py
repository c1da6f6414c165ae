"""One subscription: a consumer on a channel, and the messages in hand.

It is over when the channel closes, the broker cancels the consumer, processing a message raises, or nothing
came for a while. Then nothing more is taken and what is in hand gets FINISH_TIMEOUT_SECONDS to end. Whoever closes the channel
afterwards gives what is still unacknowledged back to the queue, in its place.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from enum import Enum
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.bus.connection import BROKER_ERRORS, settled

FINISH_TIMEOUT_SECONDS = 10.0
RPC_TIMEOUT_SECONDS = 10.0
IDLE_MAX_SECONDS = 60.0
"""A consumer that hears nothing for this long is replaced. A queue that is deleted and at once declared
again leaves one on RabbitMQ 3.10 that the broker counts and never serves."""


class Ending(Enum):
    IDLE = "idle"
    """All is well; subscribe again at once."""
    INTERRUPTED = "interrupted"
    """Something broke; wait a little first."""


Process = Callable[[AbstractIncomingMessage], Coroutine[Any, Any, None]]


class Subscription:
    """Each delivery becomes a task of ours. The library would cancel its own when the channel closes, but a
    transaction half way may as well end: only its acknowledgement is lost then."""

    def __init__(self, channel: AbstractChannel, queue_name: str, process: Process) -> None:
        self._channel = channel
        self._queue_name = queue_name
        self._process = process
        self._over = asyncio.Event()
        self._heard = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()

    async def run(self, *, prefetch: int) -> Ending:
        """Consume until it is over, with at most `prefetch` messages in hand. Raises BROKER_ERRORS."""
        try:
            async with asyncio.timeout(RPC_TIMEOUT_SECONDS):
                await settled(self._start(prefetch))
            return await self._wait_for_the_end()
        finally:
            self._over.set()
            await self._finish()

    async def _start(self, prefetch: int) -> None:
        self._channel.close_callbacks.add(lambda *_: self._over.set())
        underlay = await self._channel.get_underlay_channel()
        underlay.on_consumer_cancel_callbacks.add(lambda _: self._over.set())
        await self._channel.set_qos(prefetch_count=prefetch)
        queue = await self._channel.get_queue(self._queue_name, ensure=False)
        await queue.consume(self._take, consumer_tag=self._queue_name)

    async def _wait_for_the_end(self) -> Ending:
        while not self._over.is_set():
            self._heard.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(IDLE_MAX_SECONDS):
                    await self._over.wait()
            if not (self._over.is_set() or self._heard.is_set() or self._in_hand):
                return Ending.IDLE
        return Ending.INTERRUPTED

    async def _take(self, message: AbstractIncomingMessage) -> None:
        self._heard.set()
        if self._over.is_set():
            return
        task = asyncio.create_task(self._process(message))
        self._in_hand.add(task)
        task.add_done_callback(self._put_down)

    def _put_down(self, task: asyncio.Task[None]) -> None:
        self._in_hand.discard(task)
        if task.cancelled() or task.exception() is not None:
            self._over.set()

    async def _finish(self) -> None:
        try:
            with suppress(*BROKER_ERRORS):
                await settled(self._cancel_consumer())
            if self._in_hand:
                await asyncio.wait(self._in_hand, timeout=FINISH_TIMEOUT_SECONDS)
        finally:
            for task in self._in_hand:
                task.cancel()

    async def _cancel_consumer(self) -> None:
        underlay = await self._channel.get_underlay_channel()
        await underlay.basic_cancel(self._queue_name, timeout=RPC_TIMEOUT_SECONDS)
