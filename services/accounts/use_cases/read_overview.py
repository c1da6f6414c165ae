"""The operator's view of the whole: totals, 30 days of usage, what waits for a decision, what was done."""

import asyncio
from dataclasses import dataclass
from datetime import datetime

from services.accounts.adapters import admin_actions_postgres as actions
from services.accounts.adapters.ledger_http import Ledger
from services.accounts.adapters.mails_http import Mails
from services.accounts.adapters.sales_http import Sales
from services.accounts.domain.operators import Action, ActionSeen, Facts
from services.accounts.use_cases.audit import Audit
from services.accounts.use_cases.partly import or_none
from shared.contracts.internal.billing import Review
from shared.contracts.internal.metering import SystemTotals
from shared.contracts.internal.notifier import MailDoor, MailSeen
from shared.postgres import Pool

ACTIONS_PER_PAGE = 50
DAYS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Overview:
    """`totals` is None while the ledger is away, and so are the counts of what waits, each with its owner."""

    totals: SystemTotals | None
    reviews_open: int | None
    mails_refused: int | None
    mail_door: MailDoor | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class ReadOverview:
    pool: Pool
    ledger: Ledger
    sales: Sales
    mails: Mails
    audit: Audit

    async def overview(self, now: datetime) -> Overview:
        totals, reviews, mails, door = await asyncio.gather(
            or_none(self.ledger.system_totals(days=DAYS_SHOWN)),
            self.reviews(),
            self.refused_mails(),
            self.mail_door(),
        )
        return Overview(totals, _length(reviews), _length(mails), door, now)

    async def reviews(self) -> tuple[Review, ...] | None:
        return await or_none(self.sales.list_reviews())

    async def refused_mails(self) -> tuple[MailSeen, ...] | None:
        return await or_none(self.mails.list_refused())

    async def mail_door(self) -> MailDoor | None:
        return await or_none(self.mails.door())

    async def actions(self, *, page: int) -> list[ActionSeen]:
        """One more than a page shows, where there is another."""
        offset = (page - 1) * ACTIONS_PER_PAGE
        return await actions.list_actions(self.pool, offset=offset, limit=ACTIONS_PER_PAGE + 1)

    async def decide(self, action: Action, *, review_id: str, decision: str) -> bool:
        async def work() -> Facts:
            decided_by = f"operator at {action.operator.client_address}"
            purchase = await self.sales.decide(review_id, decision, decided_by=decided_by)
            return {"state": purchase.state}

        return await self.audit(action, work)

    async def resend(self, action: Action, *, mail_id: str) -> bool:
        async def work() -> Facts:
            await self.mails.resend(mail_id)
            return {}

        return await self.audit(action, work)


def _length(found: tuple[object, ...] | None) -> int | None:
    return None if found is None else len(found)
