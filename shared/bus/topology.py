"""What exists on the broker, as data: one exchange, and per consuming service a work queue, its retry
ladder and its parking place.

Everybody declares all of it on connecting (`declare_all`): an event published before its consumer was ever
started then waits in that consumer's queue instead of being unroutable. Declaring again changes nothing;
declaring something different is refused by the broker, so a change of arguments needs a new queue name.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from aio_pika import ExchangeType
from aio_pika.abc import AbstractChannel

DELIVERIES_MAX = 1_000_000
"""Only a message that crashes its consumer for ever comes near it. Positive, because 3.10 knows no -1;
given, because 4.x drops after 20 by default, and an outage returns a message more often than that."""

QueueArguments = Mapping[str, str | int]

ARGUMENTS: QueueArguments = {"x-queue-type": "quorum", "x-delivery-limit": DELIVERIES_MAX}


@dataclass(frozen=True, slots=True)
class QueueSpec:
    name: str
    arguments: QueueArguments
    routing_keys: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Topology:
    """`bindings` lists per service the event types it consumes; tests use one with other names and delays."""

    exchange: str
    bindings: Mapping[str, tuple[str, ...]]
    retry_delays_seconds: tuple[float, ...] = field(default=(5, 30, 300))

    def work_queue(self, service: str) -> str:
        return f"{service}.work"

    def retry_queue(self, service: str, rung: int) -> str:
        return f"{service}.retry.{_label(self.retry_delays_seconds[rung])}"

    def parked_queue(self, service: str) -> str:
        return f"{service}.parked"

    def queues(self, service: str) -> list[QueueSpec]:
        """In the order of declaration: where messages may end before where they begin."""
        work, parked = self.work_queue(service), self.parked_queue(service)
        return [
            QueueSpec(parked, ARGUMENTS),
            *(
                QueueSpec(
                    self.retry_queue(service, rung),
                    {**_dead_lettering_to(work), "x-message-ttl": round(delay_seconds * 1000)},
                )
                for rung, delay_seconds in enumerate(self.retry_delays_seconds)
            ),
            QueueSpec(work, _dead_lettering_to(parked), self.bindings[service]),
        ]


TOPOLOGY = Topology(
    exchange="promptly.events",
    bindings={
        "metering": (
            "accounts.account_registered.v1",
            "accounts.account_deleted.v1",
            "gateway.usage_recorded.v1",
            "billing.purchase_completed.v1",
            "billing.purchase_reversed.v1",
            "billing.purchase_frozen.v1",
            "billing.purchase_released.v1",
        ),
        "billing": ("accounts.account_deleted.v1",),
        "notifier": (
            "accounts.account_registered.v1",
            "accounts.key_issued.v1",
            "accounts.recovery_requested.v1",
            "accounts.account_deleted.v1",
            "metering.balance_low.v1",
            "metering.balance_exhausted.v1",
            "metering.trial_ending.v1",
            "billing.purchase_completed.v1",
            "billing.purchase_reversed.v1",
            "billing.purchase_frozen.v1",
            "billing.purchase_released.v1",
        ),
    },
)


async def declare(channel: AbstractChannel, service: str, topology: Topology = TOPOLOGY) -> None:
    """The exchange and one service's queues. Raises ChannelPreconditionFailed when the broker has others."""
    await channel.declare_exchange(topology.exchange, ExchangeType.TOPIC, durable=True)
    for spec in topology.queues(service):
        queue = await channel.declare_queue(spec.name, durable=True, arguments=dict(spec.arguments))
        for routing_key in spec.routing_keys:
            await queue.bind(topology.exchange, routing_key)


async def declare_all(channel: AbstractChannel, topology: Topology = TOPOLOGY) -> None:
    for service in topology.bindings:
        await declare(channel, service, topology)


def _dead_lettering_to(queue: str) -> QueueArguments:
    """At-least-once, through the default exchange. Without reject-publish the broker falls back to at-most-once."""
    return {
        **ARGUMENTS,
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": queue,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def _label(delay_seconds: float) -> str:
    if delay_seconds < 1:
        return f"{round(delay_seconds * 1000)}ms"
    return f"{delay_seconds / 60:g}m" if delay_seconds % 60 == 0 else f"{delay_seconds:g}s"
