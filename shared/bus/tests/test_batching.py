"""Messages that wait are handled together, and none of them suffers for another."""

import asyncio
from collections.abc import Sequence
from uuid import UUID

import pytest

from shared.bus.batching import Batching
from shared.bus.failures import Leftover
from shared.bus.publisher import Publisher
from shared.contracts.envelope import Envelope
from shared.errors import NotYet, Poison
from tests.support.bus import Corner, consuming, event
from tests.support.eventually import eventually


class Batches:
    """Remembers what it was given together; `faulty` ones fail their batch, `partly` ones leave something."""

    def __init__(self, *, faulty: Sequence[Envelope] = (), error: Exception | None = None) -> None:
        self.given: list[list[Envelope]] = []
        self.faulty = faulty
        self.error = error or KeyError()
        self.leftovers: dict[UUID, Sequence[Leftover]] = {}
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self, envelopes: Sequence[Envelope]) -> Sequence[Sequence[Leftover]]:
        self.given.append(list(envelopes))
        await self.may_end.wait()
        if any(envelope in self.faulty for envelope in envelopes):
            raise self.error
        return [self.leftovers.get(envelope.id, ()) for envelope in envelopes]


def batching(handle: Batches, *, size_max: int = 100) -> Batching:
    return Batching(handle, size_of=lambda _: 10, size_max=size_max)


async def all_of(
    batching: Batching, envelopes: Sequence[Envelope]
) -> list[Sequence[Leftover] | BaseException]:
    return await asyncio.gather(*map(batching, envelopes), return_exceptions=True)


async def test_what_comes_together_is_handled_together() -> None:
    handle, envelopes = Batches(), [event() for _ in range(3)]
    assert await all_of(batching(handle), envelopes) == [(), (), ()]
    assert handle.given == [envelopes]


async def test_a_batch_is_complete_at_its_bound() -> None:
    handle, envelopes = Batches(), [event() for _ in range(5)]
    await all_of(batching(handle, size_max=15), envelopes)
    assert handle.given == [envelopes[:2], envelopes[2:4], envelopes[4:]]


async def test_what_comes_during_a_batch_is_the_next_one() -> None:
    handle, envelopes = Batches(), [event() for _ in range(4)]
    handle.may_end.clear()
    batch = batching(handle)
    calls = [asyncio.create_task(all_of(batch, envelopes[:1]))]
    await eventually(lambda: has_begun(handle, 1))
    calls.append(asyncio.create_task(all_of(batch, envelopes[1:])))
    handle.may_end.set()
    await asyncio.gather(*calls)
    assert handle.given == [envelopes[:1], envelopes[1:]]


async def test_one_message_at_fault_fails_alone() -> None:
    good, bad, other = event(), event(), event()
    handle = Batches(faulty=[bad])
    outcomes = await all_of(batching(handle), [good, bad, other])
    assert outcomes == [(), handle.error, ()]


async def test_a_dependency_that_is_down_is_told_to_all_and_not_asked_again() -> None:
    envelopes = [event() for _ in range(3)]
    handle = Batches(faulty=envelopes, error=ConnectionResetError())
    assert await all_of(batching(handle), envelopes) == [handle.error] * 3
    assert len(handle.given) == 1


async def test_a_batch_that_is_cancelled_leaves_nobody_waiting() -> None:
    handle, envelopes = Batches(), [event() for _ in range(3)]
    handle.may_end.clear()
    batch = batching(handle)
    calls = [asyncio.ensure_future(batch(envelope)) for envelope in envelopes]
    await eventually(lambda: has_begun(handle, 1))
    calls[0].cancel()
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes)
    handle.may_end.set()
    assert await all_of(batch, envelopes) == [(), (), ()]


@pytest.mark.parametrize(
    ("error", "is_parked"), [(Poison("absurd"), True), (NotYet("no such account"), False)], ids=type
)
async def test_what_is_left_of_a_message_goes_its_own_way_and_the_rest_is_done(
    amqp_url: str, publisher: Publisher, corner: Corner, error: Exception, is_parked: bool
) -> None:
    whole, part = event(), event()
    handle = Batches()
    handle.leftovers[whole.id] = [Leftover(part, error)]
    async with consuming(amqp_url, publisher, corner, batching(handle)):
        await publisher.publish([whole])
        await eventually(lambda: has_begun(handle, 1 if is_parked else 2))
        await eventually(lambda: corner.has(corner.parked, int(is_parked)))
    assert handle.given == ([[whole]] if is_parked else [[whole], [part]])
    assert await corner.count(corner.work) == 0
    if is_parked:
        parked = await corner.take(corner.parked)
        assert parked is not None
        assert parked.headers["x-reason"] == "poison: absurd"
        assert Envelope.from_json(parked.body) == part


async def has_begun(handle: Batches, times: int) -> bool:
    return len(handle.given) >= times
