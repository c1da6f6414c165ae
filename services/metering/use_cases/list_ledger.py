"""An account's grants and entries, for an operator's page."""

from services.metering.adapters import ledger_pages_postgres
from shared.contracts.internal.metering import ROWS_PER_PAGE_MAX, EntryPage, GrantsReply
from shared.ids import AccountId
from shared.postgres import Pool


async def list_grants(pool: Pool, account_id: AccountId) -> GrantsReply:
    rows = await ledger_pages_postgres.list_grants(pool, account_id, limit=ROWS_PER_PAGE_MAX)
    return GrantsReply(grants=tuple(rows))


async def list_entries(pool: Pool, account_id: AccountId, *, before: int | None, limit: int) -> EntryPage:
    rows = await ledger_pages_postgres.list_entries(pool, account_id, before=before, limit=limit + 1)
    shown = rows[:limit]
    return EntryPage(entries=tuple(shown), next_before=shown[-1].entry_id if len(rows) > limit else None)
