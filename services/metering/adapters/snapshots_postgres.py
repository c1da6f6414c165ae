"""The ledger at one instant: what accounts may spend, and what is posted of given requests and batches.

A deduction's hold is among the requests: once it is posted or given up it has ended, at revision 1.
"""

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from services.metering.adapters.batches_postgres import list_posted_through
from services.metering.adapters.grants_postgres import list_open_grants
from services.metering.adapters.lowerings_postgres import list_ended_lowerings
from services.metering.adapters.purchases_postgres import list_owed
from services.metering.adapters.usage_postgres import list_posted_revisions
from services.metering.domain.batches import Batch
from services.metering.domain.grants import Grant
from shared.ids import AccountId
from shared.postgres import Connection, Pool


@dataclass(frozen=True, slots=True)
class AccountSnapshot:
    """An account as of one version. A closed account has nothing to spend, whatever its grants hold. `owed`:
    reversed, and not yet taken from what remains."""

    version: int
    grants: tuple[Grant, ...]
    owed: int = 0


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    accounts: dict[AccountId, AccountSnapshot]
    posted_revisions: dict[UUID, int]
    posted_through: set[Batch]


async def read_snapshot(
    pool: Pool,
    account_ids: Collection[AccountId],
    request_ids: Collection[UUID] = (),
    batches: Collection[Batch] = (),
) -> LedgerSnapshot:
    """Accounts that the ledger does not know are absent; so are requests and batches that are not posted."""
    async with (
        pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        accounts = await _read_accounts(connection, account_ids)
        revisions = await _read_revisions(connection, request_ids) if request_ids else {}
        posted_through = await list_posted_through(connection, batches) if batches else set()
    return LedgerSnapshot(accounts, revisions, posted_through)


async def _read_revisions(connection: Connection, request_ids: Collection[UUID]) -> dict[UUID, int]:
    lowerings = await list_ended_lowerings(connection, request_ids)
    return dict.fromkeys(lowerings, 1) | await list_posted_revisions(connection, request_ids)


async def _read_accounts(
    connection: Connection, account_ids: Collection[AccountId]
) -> dict[AccountId, AccountSnapshot]:
    rows = await connection.fetch(
        "SELECT account_id, version, closed_at FROM accounts WHERE account_id = ANY($1)", list(account_ids)
    )
    still_open = [row["account_id"] for row in rows if row["closed_at"] is None]
    grants = await list_open_grants(connection, still_open)
    owed = await list_owed(connection, still_open)
    return {
        row["account_id"]: AccountSnapshot(
            row["version"], tuple(grants.get(row["account_id"], ())), owed.get(row["account_id"], 0)
        )
        for row in rows
    }
