"""Waiting for a place at the upstream: at most so many requests at once, the rest in the fair queue."""

import asyncio
from dataclasses import dataclass

from services.gateway.domain.errors import Overloaded
from services.gateway.domain.fair_queue import FairQueue, Place
from services.gateway.use_cases.measure import QUEUE_WAIT

FULL = "Too many requests are waiting for the model. Please try again."
TOO_LONG = "The model was busy for too long. Please try again."
RETRY_AFTER_SECONDS = 5

Turn = asyncio.Future[None]


class UpstreamSlots:
    def __init__(self, *, slots: int, length_max: int, timeout_seconds: float) -> None:
        self._queue: FairQueue[Turn] = FairQueue(slots=slots, length_max=length_max)
        self._timeout_seconds = timeout_seconds

    def slot(self, account: str) -> "Slot":
        """`async with` it. Raises Overloaded when the queue is full or the wait too long."""
        return Slot(self, account)

    async def enter(self, account: str) -> None:
        """Who has entered leaves, once."""
        loop = asyncio.get_running_loop()
        turn: Turn = loop.create_future()
        match self._queue.enter(account, turn):
            case Place.NONE_LEFT:
                raise Overloaded(FULL, retry_after_seconds=RETRY_AFTER_SECONDS)
            case Place.IN_QUEUE:
                entered = loop.time()
                await self._wait(account, turn)
                QUEUE_WAIT.observe(loop.time() - entered)
            case Place.AT_ONCE:
                QUEUE_WAIT.observe(0)

    def leave(self) -> None:
        """Lets the next one in."""
        turn = self._queue.leave()
        while turn is not None and turn.cancelled():  # its waiter has just gone: thousands may go at once
            turn = self._queue.leave()
        if turn is not None:
            turn.set_result(None)

    @property
    def waiting(self) -> int:
        return self._queue.length

    @property
    def running(self) -> int:
        return self._queue.running

    def resize(self, slots: int) -> None:
        """More may run, or fewer; those that run already do so to their end."""
        for turn in self._queue.resize(slots):
            if turn.cancelled():
                self.leave()
            else:
                turn.set_result(None)

    async def _wait(self, account: str, turn: Turn) -> None:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await turn
        except BaseException as ended:  # cancelled as well
            self._give_up(account, turn)
            if isinstance(ended, TimeoutError):
                raise Overloaded(TOO_LONG, retry_after_seconds=RETRY_AFTER_SECONDS) from ended
            raise

    def _give_up(self, account: str, turn: Turn) -> None:
        """A turn that was given in the same moment goes on to the next."""
        if turn.done() and not turn.cancelled():
            self.leave()
        else:
            self._queue.withdraw(account, turn)


@dataclass(frozen=True, slots=True)
class Slot:
    slots: UpstreamSlots
    account: str

    async def __aenter__(self) -> None:
        await self.slots.enter(self.account)

    async def __aexit__(self, *_: object) -> None:
        self.slots.leave()
