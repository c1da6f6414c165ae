"""Every credited order against the ledger. What is missing there is told once more; what then still differs is
a question to a human."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.billing.adapters import ledger_checks_postgres as checks
from services.billing.adapters import orders_postgres as orders
from services.billing.adapters import reviews_postgres as reviews
from services.billing.adapters.ledger_checks_postgres import LedgerCheck
from services.billing.adapters.ledger_http import Ledger
from services.billing.domain.consequences import Consequence
from services.billing.domain.ledger import LedgerGrant, find_difference, repairs
from services.billing.domain.orders import Order
from services.billing.domain.reviews import Question, Reason
from services.billing.use_cases.measure import DIFFERENCES
from services.billing.use_cases.tell import tell
from shared.clock import utc_now
from shared.ids import AccountId
from shared.postgres import Pool

BATCH = 100
ON_THE_WAY = timedelta(minutes=1)
"""An event younger than this is not missing yet."""
TOLD_IN_VAIN = timedelta(minutes=10)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class LedgerFindings:
    checked: int = 0
    differences: int = 0

    def __add__(self, other: "LedgerFindings") -> "LedgerFindings":
        return LedgerFindings(self.checked + other.checked, self.differences + other.differences)


@dataclass(frozen=True, slots=True)
class CheckLedger:
    """Raises Unavailable when the ledger does not answer."""

    pool: Pool
    ledger: Ledger
    on_commit: Callable[[], None]

    async def due(self) -> LedgerFindings:
        return await self._check_all(await checks.list_due_checks(self.pool, now=utc_now(), limit=BATCH))

    async def everything(self) -> LedgerFindings:
        findings, after = LedgerFindings(), UUID(int=0)
        while page := await checks.list_checks(self.pool, after=after, limit=BATCH):
            findings += await self._check_all(page)
            after = page[-1].order_id
        return findings

    async def _check_all(self, page: Sequence[LedgerCheck]) -> LedgerFindings:
        known: dict[AccountId, dict[str, LedgerGrant]] = {}
        findings = LedgerFindings()
        for check in page:
            if check.account_id not in known:
                known[check.account_id] = await self.ledger.list_purchases(check.account_id)
            differs = await self._check(check, known[check.account_id].get(str(check.order_id)))
            findings += LedgerFindings(1, int(differs))
        return findings

    async def _check(self, check: LedgerCheck, grant: LedgerGrant | None) -> bool:
        order, now = await orders.find_order(self.pool, check.order_id), utc_now()
        if order is None or order.account_is_deleted:
            return False
        difference = find_difference(order.standing, grant)
        if difference is None:
            await self._agrees(order, now)
            return False
        if now - check.changed_at < ON_THE_WAY:
            return False
        DIFFERENCES.labels("ledger").inc()
        log.error("ledger_differs", order_id=str(order.order_id), difference=difference)
        if check.told_again_at is None:
            await self._tell_again(order, repairs(order.standing, grant), now)
        else:
            await self._ask(order, check.told_again_at, difference, now)
        return True

    async def _agrees(self, order: Order, now: datetime) -> None:
        await checks.record_agreement(self.pool, order.order_id, version=order.version, now=now)
        await reviews.close_ledger_question(self.pool, order.order_id, now=now)

    async def _ask(self, order: Order, told_again_at: datetime, difference: str, now: datetime) -> None:
        """A human, once it was told in vain."""
        await checks.record_difference(self.pool, order.order_id, now=now)
        if now - told_again_at > TOLD_IN_VAIN:
            question = Question(Reason.LEDGER_DIFFERS, difference)
            async with self.pool.acquire() as connection:
                await reviews.ask(connection, order.order_id, question, now=now)

    async def _tell_again(self, order: Order, told: Sequence[Consequence], now: datetime) -> None:
        """The ledger takes each of them once, whatever it has already."""
        async with self.pool.acquire() as connection, connection.transaction():
            if await checks.record_telling_again(
                connection, order.order_id, version=order.version, events=len(told), now=now
            ):
                await tell(connection, order, told, now=now)
        self.on_commit()
