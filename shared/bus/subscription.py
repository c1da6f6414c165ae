"""One subscription: a consumer on a channel, and the messages in hand.

It is over when the channel closes, the broker cancels the consumer, or processing a message raises. Then
nothing more is taken and what is in hand gets FINISH_TIMEOUT_SECONDS to end. Whoever closes the channel
afterwards gives what is still unacknowledged back to the queue, in its place.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.bus.connection import BROKER_ERRORS, settled

FINISH_TIMEOUT_SECONDS = 10.0
RPC_TIMEOUT_SECONDS = 10.0

Process = Callable[[AbstractIncomingMessage], Coroutine[Any, Any, None]]


class Subscription:
    """Each delivery becomes a task of ours. The library would cancel its own when the channel closes, but a
    transaction half way may as well end: only its acknowledgement is lost then."""

    def __init__(self, channel: AbstractChannel, queue_name: str, process: Process) -> None:
        self._channel = channel
        self._queue_name = queue_name
        self._process = process
        self._over = asyncio.Event()
        self._in_hand: set[asyncio.Task[None]] = set()

    async def run(self, *, prefetch: int) -> None:
        """Consume until it is over, with at most `prefetch` messages in hand. Raises BROKER_ERRORS."""
        try:
            async with asyncio.timeout(RPC_TIMEOUT_SECONDS):
                await settled(self._start(prefetch))
            await self._over.wait()
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

    async def _take(self, message: AbstractIncomingMessage) -> None:
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
