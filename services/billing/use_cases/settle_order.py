"""Looks an order up at its provider and books what follows. Everything that hears of an order ends here.

The order is read before the provider is asked and stored only if nobody has changed it since: so what is stored
was decided on a truth that is newer than the one before, whatever runs at the same time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog

from services.billing.adapters import orders_postgres as orders
from services.billing.adapters import receipts_postgres as receipts
from services.billing.adapters import reviews_postgres as reviews
from services.billing.domain.consequences import Consequence, Credited, consequences
from services.billing.domain.orders import Order, OrderId
from services.billing.domain.payment_methods import NotConfigured
from services.billing.domain.settlement import Outcome, decide
from services.billing.domain.truth import Truth
from services.billing.domain.watching import next_check_at, truth_without_checkout
from services.billing.use_cases.provider import Providers
from services.billing.use_cases.tell import tell
from shared.clock import utc_now
from shared.errors import Unavailable
from shared.postgres import Connection, Pool

TRIES_MAX = 5
"""Each failure means that somebody else has just booked something of the same order."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SettleOrder:
    """`on_commit` wakes the outbox relay."""

    pool: Pool
    providers: Providers
    on_commit: Callable[[], None]

    async def __call__(self, order_id: OrderId) -> bool:
        """True when something was booked. Raises ProviderFailing or NotConfigured when the truth is not to be had."""
        for _ in range(TRIES_MAX):
            order = await orders.find_order(self.pool, order_id)
            if order is None:
                return False
            verdicts = await reviews.list_verdicts(self.pool, order_id)
            outcome = decide(order, await self._truth(order), verdicts)
            if await self._store(order, outcome, utc_now()):
                return outcome.standing != order.standing
        raise Unavailable("The order is changing too fast. Please try again.")

    async def _truth(self, order: Order) -> Truth:
        if order.provider_id is None:
            return truth_without_checkout(created_at=order.created_at, now=utc_now())
        if order.method not in self.providers:
            raise NotConfigured(order.method)
        return await self.providers[order.method].get_truth(order.provider_id)

    async def _store(self, order: Order, outcome: Outcome, now: datetime) -> bool:
        told = consequences(order.standing, outcome.standing)
        async with self.pool.acquire() as connection, connection.transaction():
            if not await _book(connection, order, outcome, told, now):
                return False
            await reviews.close_overtaken(connection, order.order_id, outcome.questions, now=now)
            for question in outcome.questions:
                await reviews.ask(connection, order.order_id, question, now=now)
            await tell(connection, order, told, now=now)
        if outcome.standing != order.standing:
            self.on_commit()
            log.info("order_settled", order_id=str(order.order_id), state=outcome.standing.state)
        return True


async def _book(
    connection: Connection, order: Order, outcome: Outcome, told: tuple[Consequence, ...], now: datetime
) -> bool:
    """False when somebody else was faster. Every event has a version of its own."""
    check_at = next_check_at(outcome.standing.state, order.method, created_at=order.created_at, now=now)
    if outcome.standing == order.standing:
        return await orders.leave_as_it_is(connection, order, next_check_at=check_at)
    version = order.version + max(1, len(told))
    stored = await orders.store_standing(
        connection, order, outcome.standing, version=version, next_check_at=check_at, now=now
    )
    if stored and any(isinstance(each, Credited) for each in told):
        await receipts.issue_receipt(connection, order.order_id, now=now)
    return stored
