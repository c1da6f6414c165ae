"""What billing says of a purchase: paid, reversed so far, frozen, released. In any order, and again.

Nothing waits for Redis here. What is to be reversed, or is frozen, comes off what Redis may spend with the
mirror pass of this commit; entries take it when nobody is using it (use_cases/collect_debts.py).
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import structlog

from services.metering.adapters.accounts_postgres import lock_account
from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import add_grant
from services.metering.adapters.purchases_postgres import (
    get_purchase,
    list_reversed_from,
    put_purchase,
    store_purchase,
)
from services.metering.domain.entries import Entry, filling
from services.metering.domain.grants import purchase_grant
from services.metering.domain.purchases import Purchase, after, give_back
from shared import inbox
from shared.contracts.billing import (
    PurchaseCompleted,
    PurchaseFrozen,
    PurchaseReleased,
    PurchaseReversed,
)
from shared.errors import NotYet, Poison
from shared.ids import AccountId, new_uuid7
from shared.postgres import Connection, Pool

AnyPurchaseEvent = PurchaseCompleted | PurchaseReversed | PurchaseFrozen | PurchaseReleased

log = structlog.get_logger()


async def credit_purchase(pool: Pool, event_id: UUID, event: PurchaseCompleted, now: datetime) -> None:
    """Once per purchase, whatever was said of it before. A deleted account is credited too: the books are right,
    and nothing of it can be spent. Raises NotYet, Poison."""
    account_id = AccountId(event.account_id)
    async with pool.acquire() as connection, connection.transaction():
        if not await inbox.first_time(connection, event_id):
            return
        purchase = await _lock(connection, event)
        if purchase.grant_id is not None:
            return
        grant = purchase_grant(account_id, event.purchase_id, event.tokens, grant_id=new_uuid7(), now=now)
        await add_grant(connection, grant)
        await store_purchase(connection, purchase.paid(grant.grant_id, event.tokens))
        await post_entries(connection, {account_id: [filling(grant)]}, now)


async def reverse_purchase(pool: Pool, event_id: UUID, event: PurchaseReversed, now: datetime) -> None:
    """Raises NotYet, Poison."""
    await _change(
        pool, event_id, event, lambda purchase: purchase.reversed_to(event.tokens, event.revision), now
    )


async def freeze_purchase(pool: Pool, event_id: UUID, event: PurchaseFrozen, now: datetime) -> None:
    """Raises NotYet, Poison."""
    await _change(pool, event_id, event, lambda purchase: purchase.frozen(event.revision), now)


async def release_purchase(pool: Pool, event_id: UUID, event: PurchaseReleased, now: datetime) -> None:
    """Raises NotYet, Poison."""
    await _change(pool, event_id, event, lambda purchase: purchase.released(event.revision), now)


async def _change(
    pool: Pool,
    event_id: UUID,
    event: AnyPurchaseEvent,
    change: Callable[[Purchase], Purchase],
    now: datetime,
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        if not await inbox.first_time(connection, event_id):
            return
        before = await _lock(connection, event)
        changed = change(before)
        if changed == before:
            return
        entries = await _give_back(connection, changed)
        await store_purchase(connection, after(changed, entries))
        await post_entries(connection, {AccountId(event.account_id): entries}, now)


async def _give_back(connection: Connection, purchase: Purchase) -> list[Entry]:
    if purchase.owed >= 0:
        return []
    return give_back(purchase, await list_reversed_from(connection, purchase.purchase_id))


async def _lock(connection: Connection, event: AnyPurchaseEvent) -> Purchase:
    """The purchase, made known, and its account locked."""
    account_id = AccountId(event.account_id)
    account = await lock_account(connection, account_id)
    if account is None:
        raise NotYet(f"Account {account_id} is not in the ledger yet.")
    if account.closed_at is not None:
        log.warning("purchase_of_deleted_account", account_id=account_id, purchase_id=event.purchase_id)
    owner = await put_purchase(connection, event.purchase_id, account_id)
    if owner != account_id:
        raise Poison(f"Purchase {event.purchase_id} is another account's than {account_id}.")
    return await get_purchase(connection, event.purchase_id)
