"""The worker behind the webhooks: every acknowledged event is followed to its order, until it worked. Each
provider's events by themselves: one that hangs holds up nobody who paid by the other."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.billing.adapters import orders_postgres as orders
from services.billing.adapters import webhook_events_postgres as events
from services.billing.adapters.webhook_events_postgres import ClaimedEvent
from services.billing.domain.hints import REFUND_ANNOUNCED, Hint
from services.billing.domain.orders import OrderId
from services.billing.domain.payment_methods import Method, NotConfigured
from services.billing.use_cases.measure import EVENTS_FOLLOWED, WEBHOOK_LAG
from services.billing.use_cases.provider import Providers
from services.billing.use_cases.settle_order import SettleOrder
from shared.clock import utc_now
from shared.errors import PromptlyError
from shared.postgres import Pool

BATCH = 10
PAUSE_FIRST, PAUSE_MAX = timedelta(seconds=2), timedelta(minutes=10)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class FollowEvents:
    pool: Pool
    providers: Providers
    settle_order: SettleOrder

    async def __call__(self, method: Method) -> None:
        """Until none is due."""
        while claimed := await events.claim_events(self.pool, method, now=utc_now(), limit=BATCH):
            for event in claimed:
                await self._follow(event)

    async def _follow(self, event: ClaimedEvent) -> None:
        hint = event.hint
        try:
            order_id = await self._find_order(hint)
            if order_id is not None:
                await self._settle(order_id, hint)
        except PromptlyError as error:  # the provider, or a part of us, does not answer: the event waits
            until = utc_now() + pause_after(event.attempts)
            log.warning("event_waits", event_id=hint.event_id, reason=error.code)
            await events.put_back(self.pool, hint, until=until)
            return
        await self._finish(event, utc_now())
        log.info("event_followed", event_id=hint.event_id, type=hint.event_type, ours=order_id is not None)

    async def _find_order(self, hint: Hint) -> OrderId | None:
        """None when it is about nothing that we sold."""
        if hint.method not in self.providers:
            raise NotConfigured(hint.method)
        provider_id = await self.providers[hint.method].find_checkout(hint)
        if provider_id is None:
            return None
        return await orders.find_order_id(self.pool, hint.method, provider_id)

    async def _settle(self, order_id: OrderId, hint: Hint) -> None:
        if hint.event_type == REFUND_ANNOUNCED:
            await orders.announce_refund(self.pool, order_id, now=utc_now())
        await self.settle_order(order_id)

    async def _finish(self, event: ClaimedEvent, now: datetime) -> None:
        await events.finish_event(self.pool, event.hint, now=now)
        WEBHOOK_LAG.observe((now - event.received_at).total_seconds())
        EVENTS_FOLLOWED.labels(event.hint.method).inc()


def pause_after(attempts: int) -> timedelta:
    """Doubling: a provider that is down is not asked ever faster."""
    return min(PAUSE_MAX, PAUSE_FIRST * 2.0 ** min(attempts - 1, 16))
