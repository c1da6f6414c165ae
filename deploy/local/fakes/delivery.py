"""Delivers events as the providers do, again and again until they are taken; and can be told to lie.

A `Manner` says how: several copies, late, never, the wrong way round, badly signed. Providers promise none of it
not to happen, and a receiver must not care.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx

RETRY_SECONDS = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0)
"""Days, in reality."""
TIMEOUT_SECONDS = 10.0
REORDER_SECONDS = 0.3
"""Events of this long are sent the latest first."""


@dataclass(frozen=True, slots=True)
class Manner:
    copies: int = 1
    delay_seconds: float = 0.0
    drops: bool = False
    reorders: bool = False
    signs_wrongly: bool = False


HONEST = Manner()
MANNERS: Mapping[str, Manner] = {
    "honest": HONEST,
    "three copies of each": Manner(copies=3),
    "five seconds late": Manner(delay_seconds=5.0),
    "never": Manner(drops=True),
    "the wrong way round": Manner(reorders=True),
    "wrongly signed": Manner(signs_wrongly=True),
}


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP request with an event. Redeliveries may differ from the first."""

    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Delivery:
    """An event on its way. `write` makes the post of the n-th try, from 0; `is_final` says of a status that no
    further try follows."""

    url: str
    write: Callable[[int, Manner], Post]
    is_final: Callable[[int], bool]
    statuses: list[int] = field(default_factory=list)

    @property
    def is_taken(self) -> bool:
        return any(200 <= status < 300 for status in self.statuses)


class DeliveryEngine:
    """`deliveries` is everything that was ever to be delivered, in the order in which it happened."""

    def __init__(self) -> None:
        self.manner = HONEST
        self.deliveries: list[Delivery] = []
        self._running: set[asyncio.Task[Any]] = set()
        self._held: list[Delivery] = []
        self._http = httpx.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False)

    def send(self, delivery: Delivery) -> None:
        manner = self.manner
        self.deliveries.append(delivery)
        if manner.drops:
            return
        if manner.reorders:
            self._hold(delivery, manner)
            return
        for _ in range(manner.copies):
            self._start(self._deliver(delivery, manner))

    async def send_again(self, delivery: Delivery) -> None:
        """A replay, long after: once, honestly."""
        await self._try(delivery, len(delivery.statuses), HONEST)

    async def close(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._http.aclose()

    def _hold(self, delivery: Delivery, manner: Manner) -> None:
        self._held.append(delivery)
        if len(self._held) == 1:
            self._start(self._release(manner))

    async def _release(self, manner: Manner) -> None:
        await asyncio.sleep(REORDER_SECONDS)
        held, self._held = self._held, []
        for delivery in reversed(held):
            await self._deliver(delivery, manner)

    async def _deliver(self, delivery: Delivery, manner: Manner) -> None:
        await asyncio.sleep(manner.delay_seconds)
        for number, pause_seconds in enumerate((*RETRY_SECONDS, 0.0)):
            if delivery.is_final(await self._try(delivery, number, manner)):
                return
            await asyncio.sleep(pause_seconds)

    async def _try(self, delivery: Delivery, number: int, manner: Manner) -> int:
        """The status; 0 where nobody answered."""
        post = delivery.write(number, manner)
        try:
            reply = await self._http.post(delivery.url, content=post.body, headers=dict(post.headers))
            status = reply.status_code
        except httpx.HTTPError:
            status = 0
        delivery.statuses.append(status)
        return status

    def _start(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
