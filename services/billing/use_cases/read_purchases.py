"""Purchases for the dashboard, the operator and the audit."""

import csv
from collections.abc import AsyncIterator
from dataclasses import dataclass, fields
from io import StringIO
from uuid import UUID

from services.billing.adapters import purchases_postgres as purchases
from services.billing.adapters.backlog_postgres import count_waiting
from services.billing.domain.orders import OrderId
from services.billing.domain.purchases import Purchase
from shared.clock import utc_now
from shared.ids import AccountId
from shared.postgres import Pool

OF_ACCOUNT_MAX = 100
COLUMNS = tuple(field.name for field in fields(Purchase))


@dataclass(frozen=True, slots=True)
class State:
    """What the metrics show: orders by state, events and questions that wait, the age of the oldest event."""

    orders: dict[str, int]
    reviews_open: int
    events_waiting: int
    oldest_event_seconds: float


@dataclass(frozen=True, slots=True)
class ReadPurchases:
    pool: Pool

    async def find(self, order_id: OrderId) -> Purchase | None:
        return (await purchases.get_purchases(self.pool, [order_id])).get(order_id)

    async def of_account(self, account_id: AccountId) -> list[Purchase]:
        return await purchases.list_of_account(self.pool, account_id, limit=OF_ACCOUNT_MAX)

    async def page(self, *, after: UUID, limit: int, state: str | None) -> tuple[list[Purchase], str | None]:
        """With where the next page begins, None at the end."""
        found = await purchases.list_page(self.pool, after=after, limit=limit + 1, state=state)
        return found[:limit], found[limit - 1].purchase_id if len(found) > limit else None

    async def as_csv(self) -> AsyncIterator[str]:
        """RFC 4180, a header first. No field of ours can begin a formula."""
        yield _line(COLUMNS)
        async for purchase in purchases.list_all(self.pool):
            yield _line([getattr(purchase, name) for name in COLUMNS])

    async def state(self) -> State:
        waiting = await count_waiting(self.pool, now=utc_now())
        return State(
            await purchases.count_by_state(self.pool),
            waiting.reviews,
            waiting.events,
            waiting.oldest_event_seconds,
        )


def _line(values: object) -> str:
    text = StringIO()
    csv.writer(text).writerow(values)  # type: ignore[arg-type]
    return text.getvalue()
