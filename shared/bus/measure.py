"""Messages by type and outcome, how long they took and how old they were, what was published, and what waits.

A type or a queue is one of the topology's own, whatever a message says of itself.
"""

from collections.abc import Iterable

from aio_pika.abc import AbstractChannel
from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric

from shared.bus.connection import Connection, close_channel, settled
from shared.bus.topology import TOPOLOGY, Topology
from shared.contracts.catalogue import EVENT_CLASSES

OTHER = "other"

PROCESSED = Counter(
    "promptly_bus_messages",
    "Messages that were handled, by what became of them: done, partly, retry, park or pause.",
    ("type", "outcome"),
)
SECONDS = Histogram(
    "promptly_bus_message_seconds",
    "Handling one message, its acknowledgement included.",
    ("type",),
    buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
)
LAG = Histogram(
    "promptly_bus_lag_seconds",
    "From the event to the end of its handling, retries included.",
    ("type",),
    buckets=(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 3600.0, 86_400.0),
)
PUBLISHED = Counter("promptly_bus_published", "Events that RabbitMQ has confirmed.", ("type",))
UNPUBLISHED = Counter(
    "promptly_bus_unpublished",
    "Events that it did not confirm; each is sent again. An unroutable one is a defect.",
    ("reason",),
)

for _reason in ("unroutable", "unconfirmed", "unavailable"):
    UNPUBLISHED.labels(_reason)


def type_of(text: str | None) -> str:
    return text if text in EVENT_CLASSES else OTHER


async def read_queues(
    connection: Connection, service: str, topology: Topology = TOPOLOGY
) -> Iterable[Metric]:
    """What waits in a service's queues, by the broker's own count. Raises BROKER_ERRORS."""
    channel = await connection.open_channel()
    try:
        return [await settled(_count(channel, service, topology))]
    finally:
        await close_channel(channel)


async def _count(channel: AbstractChannel, service: str, topology: Topology) -> Metric:
    family = GaugeMetricFamily(
        "promptly_bus_queue_messages", "Messages that wait: work, retry or parked.", labels=("queue", "kind")
    )
    for spec in topology.queues(service):
        queue = await channel.declare_queue(spec.name, passive=True)
        kind = spec.name.removeprefix(f"{service}.").split(".")[0]
        family.add_metric((spec.name, kind), queue.declaration_result.message_count or 0)
    return family
