"""Several messages in one call: a `Handle` that gives the service's handler what waits, up to a bound.

Of the calls that come at the same time the first handles a batch with all of theirs. Each message keeps its own
fate: when a batch fails and no dependency is down, each is handled again by itself, so that one that is at
fault takes no other with it.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field

from shared.bus.failures import Leftover, is_dependency_down
from shared.contracts.envelope import Envelope

LINGER_SECONDS = 0.002
"""What a batch waits for company: messages that the broker sent together arrive one after another."""

HandleBatch = Callable[[Sequence[Envelope]], Awaitable[Sequence[Sequence[Leftover]]]]
"""Returns, per message, what of it was left. What it raises concerns all of them."""

Outcome = Sequence[Leftover] | Exception


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    envelope: Envelope
    outcome: asyncio.Future[Sequence[Leftover]] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def end(self, outcome: Outcome) -> None:
        if isinstance(outcome, Exception):
            self.outcome.set_exception(outcome)
        else:
            self.outcome.set_result(outcome)


class Batching:
    """One batch at a time; meanwhile the next one gathers. A batch is complete when
    what `size_of` says of its messages reaches `size_max`."""

    def __init__(self, handle: HandleBatch, *, size_of: Callable[[Envelope], int], size_max: int) -> None:
        self._handle = handle
        self._size_of = size_of
        self._size_max = size_max
        self._waiting: deque[_Waiting] = deque()
        self._turn = asyncio.Lock()

    async def __call__(self, envelope: Envelope) -> Sequence[Leftover]:
        mine = _Waiting(envelope)
        self._waiting.append(mine)
        try:
            async with self._turn:
                if not mine.outcome.done():
                    await asyncio.sleep(LINGER_SECONDS)
                    await self._run(list(self._take()))
        finally:
            if mine in self._waiting:  # cancelled before its turn
                self._waiting.remove(mine)
        return await mine.outcome

    def _take(self) -> Iterator[_Waiting]:
        """Turns come in order, so whoever has it is the first of those that wait."""
        size = 0
        while self._waiting and size < self._size_max:
            size += self._size_of(self._waiting[0].envelope)
            yield self._waiting.popleft()

    async def _run(self, batch: Sequence[_Waiting]) -> None:
        try:
            outcomes = await self._outcomes([each.envelope for each in batch])
        except BaseException:
            for each in batch:
                each.outcome.cancel()
            raise
        for each, outcome in zip(batch, outcomes, strict=True):
            each.end(outcome)

    async def _outcomes(self, envelopes: Sequence[Envelope]) -> Sequence[Outcome]:
        try:
            return await self._handle(envelopes)
        except Exception as error:  # noqa: BLE001  the consumer loop judges it, message by message
            if len(envelopes) == 1 or is_dependency_down(error):
                return [error] * len(envelopes)
        return [outcome for each in envelopes for outcome in await self._outcomes([each])]
