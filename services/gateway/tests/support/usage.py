"""Listens on the bus for what the gateway says was used."""

from collections.abc import Mapping
from types import TracebackType
from typing import Self

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage

from shared.bus.topology import TOPOLOGY
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope
from shared.contracts.gateway import UsageRecord, UsageRecorded
from tests.support.eventually import eventually


class UsageListener:
    """A queue of its own beside metering's."""

    def __init__(self, channel: AbstractChannel) -> None:
        self._channel = channel
        self.events: list[UsageRecorded] = []

    async def __aenter__(self) -> Self:
        exchange = await self._channel.declare_exchange(TOPOLOGY.exchange, ExchangeType.TOPIC, durable=True)
        self._queue = await self._channel.declare_queue(exclusive=True)
        await self._queue.bind(exchange, UsageRecorded.TYPE)
        self._tag = await self._queue.consume(self._take, no_ack=True)
        return self

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        await self._queue.cancel(self._tag)

    async def _take(self, message: AbstractIncomingMessage) -> None:
        event = unwrap(Envelope.from_json(message.body))
        assert isinstance(event, UsageRecorded)
        self.events.append(event)

    def records(self) -> list[UsageRecord]:
        return [record for event in self.events for record in event.records]

    def has_all(self, sequences: Mapping[str, int]) -> bool:
        """Every batch of each gateway up to that number."""
        heard = {(event.gateway, event.sequence) for event in self.events}
        return all(
            (gateway, number) in heard for gateway, last in sequences.items() for number in range(1, last + 1)
        )

    async def record_of(self, request_id: str) -> UsageRecord:
        """The record of one request, as soon as it is published."""

        async def published() -> list[UsageRecord]:
            return [record for record in self.records() if str(record.request_id) == request_id]

        return (await eventually(published))[-1]
