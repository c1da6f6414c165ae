"""From RabbitMQ to Redis: what the bus delivers, however often and in whatever order, counts once."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from uuid import UUID, uuid4

import pytest
from redis.asyncio import Redis

from services.metering.entrypoints.events import event_handler
from services.metering.entrypoints.schedules import Schedule
from services.metering.tests.building import NOON, RETENTION, Books, batch, record_for, registered
from services.metering.tests.gateway import Gateway
from services.metering.tests.running import running
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from shared.api_keys import new_account_id
from shared.bus.connection import connect
from shared.bus.consumer import Handle
from shared.bus.failures import Leftover
from shared.bus.publisher import Publisher
from shared.bus.topology import TOPOLOGY, Topology
from shared.contracts.accounts import AccountDeleted
from shared.contracts.billing import PurchaseReleased
from shared.contracts.envelope import Envelope, Event, wrap
from shared.ids import AccountId
from tests.support.bus import Corner, consuming, open_publisher
from tests.support.eventually import eventually

POLL_SECONDS = 3600.0
"""Longer than any test: what arrives in Redis was mirrored because it was committed."""


class Metering:
    """A running metering with queues of its own."""

    def __init__(self, corner: Corner, publisher: Publisher, gateway: Gateway) -> None:
        self.corner = corner
        self.gateway = gateway
        self._publisher = publisher

    async def hear(self, *events: Event) -> None:
        await self.hear_again(*(wrap(event, source="test", subject=None, now=NOON) for event in events))

    async def hear_again(self, *envelopes: Envelope) -> None:
        assert len(await self._publisher.publish(envelopes)) == len(envelopes)

    async def will_show(self, account_id: AccountId, available: int) -> None:
        await eventually(partial(self.gateway.shows, account_id, available))

    async def will_have_answered_all(self) -> None:
        """Nothing waits any more, neither in the queue nor on the ladder."""

        async def is_empty() -> bool:
            specs = self.corner.topology.queues(self.corner.service)
            return not any([await self.corner.count(spec.name) for spec in specs])

        await eventually(is_empty)

    async def will_park(self, count: int) -> None:
        await eventually(partial(self.corner.has, self.corner.parked, count))


def private_topology() -> Topology:
    unique = uuid4().hex[:8]
    return Topology(
        exchange=f"test.{unique}.events",
        bindings={f"metering-{unique}": TOPOLOGY.bindings["metering"]},
        retry_delays_seconds=(0.02, 0.05, 0.1),
    )


def dying_once_after_commit(handle: Handle) -> Handle:
    """Each first delivery loses its acknowledgement, as when the process is killed between the two."""
    killed: set[UUID] = set()

    async def handle_and_die(envelope: Envelope) -> Sequence[Leftover] | None:
        leftovers = await handle(envelope)
        if envelope.id not in killed:
            killed.add(envelope.id)
            raise ConnectionResetError
        return leftovers

    return handle_and_die


def unharmed(handle: Handle) -> Handle:
    return handle


@asynccontextmanager
async def running_metering(
    books: Books, redis: Redis, amqp_url: str, *, fate: Callable[[Handle], Handle] = unharmed
) -> AsyncIterator[Metering]:
    mirror = Schedule(
        "mirror", partial(mirror_changed_accounts, books.pool, redis), every_seconds=POLL_SECONDS
    )
    handle = fate(event_handler(books.pool, usage_retention=RETENTION, on_commit=mirror.kick))
    connection = await connect(amqp_url, "test-corner")
    corner = Corner(connection, private_topology())
    async with AsyncExitStack() as stack:
        stack.push_async_callback(connection.close)
        await corner.declare()
        stack.push_async_callback(corner.remove)
        await stack.enter_async_context(running(mirror))
        publisher = await stack.enter_async_context(open_publisher(amqp_url, corner.topology))
        await stack.enter_async_context(consuming(amqp_url, publisher, corner, handle))
        yield Metering(corner, publisher, Gateway(redis))


@pytest.fixture
async def metering(books: Books, redis: Redis, amqp_url: str) -> AsyncIterator[Metering]:
    async with running_metering(books, redis, amqp_url) as metering:
        yield metering


async def test_a_registration_opens_the_account_and_usage_lowers_it(metering: Metering) -> None:
    account_id = new_account_id()
    await metering.hear(registered(account_id))
    await metering.will_show(account_id, 1000)
    await metering.hear(batch(record_for(account_id, 30), record_for(account_id, 20)))
    await metering.will_show(account_id, 950)


async def test_usage_that_overtook_its_registration_is_posted_after_it(
    metering: Metering, books: Books
) -> None:
    account_id = new_account_id()
    await metering.hear(batch(record_for(account_id, 30)))
    await metering.hear(registered(account_id))
    await metering.will_show(account_id, 970)
    assert await metering.corner.count(metering.corner.parked) == 0


async def test_a_kill_between_commit_and_acknowledgement_posts_once(
    books: Books, redis: Redis, amqp_url: str
) -> None:
    account_id = new_account_id()
    async with running_metering(books, redis, amqp_url, fate=dying_once_after_commit) as metering:
        await metering.hear(registered(account_id), batch(record_for(account_id, 30)))
        await metering.will_show(account_id, 970)
        await metering.will_have_answered_all()
    assert (await books.stored(account_id)).entries == [("grant", 1000), ("usage", -30)]


async def test_every_event_delivered_twice_in_any_order_counts_once(metering: Metering, books: Books) -> None:
    account_id = new_account_id()
    swept = record_for(account_id, 12, revision=1)
    served = record_for(account_id, 30, revision=2, request_id=swept.request_id)
    events = [registered(account_id), batch(swept), batch(served), batch(record_for(account_id, 20))]
    envelopes = [wrap(event, source="test", subject=None, now=NOON) for event in events]
    await metering.hear_again(*reversed(envelopes))
    await metering.hear_again(*envelopes)
    await metering.will_show(account_id, 950)
    stored = await books.stored(account_id)
    assert (stored.balance, stored.days) == (950, {NOON.date(): (2, 50)})


async def test_a_deleted_account_can_spend_nothing_more(metering: Metering) -> None:
    account_id = new_account_id()
    await metering.hear(registered(account_id))
    await metering.will_show(account_id, 1000)
    await metering.hear(AccountDeleted(account_id=account_id))
    await metering.will_show(account_id, 0)


async def test_an_event_that_nothing_here_handles_is_parked_and_not_lost(metering: Metering) -> None:
    await metering.hear(PurchaseReleased(purchase_id="p1", account_id="aB3dE5gH", tokens=5))
    await metering.will_park(1)


async def test_a_batch_with_an_impossible_record_is_parked_and_the_next_is_posted(metering: Metering) -> None:
    account_id = new_account_id()
    good = wrap(batch(record_for(account_id, 30)), source="test", subject=None, now=NOON)
    [record] = good.data["records"]
    bad_data = {**good.data, "records": [{**record, "tokens_prompt": -1}]}
    await metering.hear(registered(account_id))
    await metering.hear_again(good.model_copy(update={"id": uuid4(), "data": bad_data}), good)
    await metering.will_park(1)
    await metering.will_show(account_id, 970)
