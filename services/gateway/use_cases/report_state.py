"""The state of one gateway for Prometheus, read in the moment in which it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass

from prometheus_client.core import GaugeMetricFamily

from services.gateway.use_cases.open_request import OpenRequests
from services.gateway.use_cases.slots import UpstreamSlots
from services.gateway.use_cases.unconfirmed import Unconfirmed
from services.gateway.use_cases.upstream_pool import PooledUpstream
from services.gateway.use_cases.watch_backlog import Backlog

PREFIX = "promptly_gateway_"


@dataclass(frozen=True, slots=True)
class State:
    slots: UpstreamSlots
    upstream: PooledUpstream
    open_requests: OpenRequests
    unconfirmed: Unconfirmed
    backlog: Backlog

    async def read(self) -> list[GaugeMetricFamily]:
        return [*self._single(), *self._by_upstream()]

    def _single(self) -> Iterator[GaugeMetricFamily]:
        for name, value, text in self._figures():
            yield GaugeMetricFamily(PREFIX + name, text, value)

    def _by_upstream(self) -> Iterator[GaugeMetricFamily]:
        up = GaugeMetricFamily(PREFIX + "upstream_up", "1 when healthy as last seen.", labels=["upstream"])
        free = GaugeMetricFamily(
            PREFIX + "upstream_slots_free", "Further requests it may run.", labels=["upstream"]
        )
        for member in self.upstream.members:
            up.add_metric([str(member.index)], member.is_up)
            free.add_metric([str(member.index)], member.free)
        yield up
        yield free

    def _figures(self) -> Iterator[tuple[str, float, str]]:
        yield "queue_length", self.slots.waiting, "Requests that wait for a turn at the upstreams."
        yield "running", self.slots.running, "Requests that have one."
        yield "holds_open", len(self.open_requests), "Requests for which tokens are held."
        yield "journal_records", len(self.unconfirmed), "Settled here, not yet known to be in the ledger."
        yield (
            "settlements_unconfirmed",
            self.backlog.unconfirmed,
            "In Redis, of all gateways, not yet confirmed by RabbitMQ.",
        )
        yield "settlements_oldest_age_seconds", self.backlog.oldest_age_seconds, "Age of the oldest of them."
