"""Metering's consumer on queues of its own, beside its mirror, as a test meets them."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from uuid import UUID, uuid4

from redis.asyncio import Redis

from services.metering.entrypoints.events import event_handler
from services.metering.entrypoints.schedules import Schedule
from services.metering.tests.building import NOON, RETENTION, Books
from services.metering.tests.gateway import Gateway
from services.metering.tests.running import running
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from shared.bus.connection import Connection, connect
from shared.bus.consumer import Handle
from shared.bus.failures import Leftover
from shared.bus.publisher import Publisher
from shared.bus.topology import TOPOLOGY, Topology
from shared.contracts.envelope import Envelope, Event, wrap
from shared.ids import AccountId
from tests.support.bus import Corner, consuming, open_publisher
from tests.support.eventually import eventually

POLL_SECONDS = 3600.0
"""Longer than any test: what arrives in Redis was mirrored because it was committed."""


class Metering:
    """A running metering with queues of its own."""

    def __init__(
        self, connection: Connection, corner: Corner, publisher: Publisher, gateway: Gateway
    ) -> None:
        self.connection = connection
        self.corner = corner
        self.publisher = publisher
        self.gateway = gateway

    async def hear(self, *events: Event) -> None:
        await self.hear_again(*(wrap(event, source="test", subject=None, now=NOON) for event in events))

    async def hear_again(self, *envelopes: Envelope) -> None:
        assert len(await self.publisher.publish(envelopes)) == len(envelopes)

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
        yield Metering(connection, corner, publisher, Gateway(redis))
