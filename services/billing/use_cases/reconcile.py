"""What is booked against what is true: orders against their providers, events that never arrived, credits against
the ledger. A lost webhook costs a minute, not a purchase."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import structlog

from services.billing.adapters import orders_postgres as orders
from services.billing.adapters import webhook_events_postgres as events
from services.billing.domain.orders import OrderId
from services.billing.domain.payment_methods import Method
from services.billing.domain.watching import EVERY_MINUTE
from services.billing.use_cases.check_ledger import CheckLedger, LedgerFindings
from services.billing.use_cases.measure import DIFFERENCES
from services.billing.use_cases.provider import Provider, Providers
from services.billing.use_cases.settle_order import SettleOrder
from shared.clock import utc_now
from shared.errors import PromptlyError
from shared.postgres import Pool

BATCH = 50
UNDELIVERED_WITHIN = timedelta(days=7)
"""Stripe gives up after three days and lists events for thirty."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Findings:
    """`unanswered` counts questions to a provider or the ledger that got no answer."""

    orders_checked: int = 0
    orders_changed: int = 0
    events_found: int = 0
    unanswered: int = 0
    ledger: LedgerFindings = field(default_factory=LedgerFindings)

    def __add__(self, other: "Findings") -> "Findings":
        return Findings(
            self.orders_checked + other.orders_checked,
            self.orders_changed + other.orders_changed,
            self.events_found + other.events_found,
            self.unanswered + other.unanswered,
            self.ledger + other.ledger,
        )


UNANSWERED = Findings(unanswered=1)


@dataclass(frozen=True, slots=True)
class Reconcile:
    """`on_events` wakes the worker."""

    pool: Pool
    providers: Providers
    settle_order: SettleOrder
    check_ledger: CheckLedger
    on_events: Callable[[], None]

    async def due_orders(self, method: Method) -> None:
        while due := await orders.list_due(self.pool, method, now=utc_now(), limit=BATCH):
            await self._look_up(due)

    async def undelivered_events(self) -> None:
        await self._find_events()
        await events.prune_events(self.pool, now=utc_now())

    async def due_ledger_checks(self) -> None:
        await self._compare(self.check_ledger.due)

    async def everything(self) -> Findings:
        """On demand: also what would be looked up much later. First the events, which the worker then follows."""
        findings, after = await self._find_events(), UUID(int=0)
        while page := await orders.list_unfinished(self.pool, after=after, limit=BATCH):
            findings += await self._look_up(page)
            after = page[-1]
        return findings + await self._compare(self.check_ledger.everything)

    async def _look_up(self, order_ids: Sequence[OrderId]) -> Findings:
        return sum([await self._look_up_one(order_id) for order_id in order_ids], Findings())

    async def _look_up_one(self, order_id: OrderId) -> Findings:
        try:
            changed = await self.settle_order(order_id)
        except PromptlyError as error:
            log.warning("order_not_looked_up", order_id=str(order_id), reason=error.code)
            await orders.postpone(self.pool, order_id, until=utc_now() + EVERY_MINUTE)
            return UNANSWERED
        if changed:
            DIFFERENCES.labels("order").inc()
        return Findings(orders_checked=1, orders_changed=int(changed))

    async def _find_events(self) -> Findings:
        return sum([await self._find_events_of(each) for each in self.providers.values()], Findings())

    async def _find_events_of(self, provider: Provider) -> Findings:
        try:
            hints = await provider.list_undelivered(since=utc_now() - UNDELIVERED_WITHIN)
        except PromptlyError as error:
            log.warning("undelivered_not_listed", reason=error.code)
            return UNANSWERED
        found = sum([await events.take_event(self.pool, hint, now=utc_now()) for hint in hints])
        if found:
            DIFFERENCES.labels("event").inc(found)
            self.on_events()
        return Findings(events_found=found)

    async def _compare(self, compare: Callable[[], Awaitable[LedgerFindings]]) -> Findings:
        try:
            findings = await compare()
        except PromptlyError as error:
            log.warning("ledger_not_compared", reason=error.code)
            return UNANSWERED
        return Findings(ledger=findings)
