"""Takes what is owed, as reversals, from the paid tokens of those who owe it.

What is owed was taken out of what Redis may spend by a mirror pass, so nobody is admitted to it any more. Of
what Redis shows of that very version of the account, the tokens that nobody held or journalled uses are posted
as reversed; who was admitted before finds the rest. Until then it comes off the balance, and off every payment.
"""

from collections.abc import Iterable
from datetime import datetime

from redis.asyncio import Redis

from services.metering.adapters.accounts_postgres import lock_account
from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import list_open_grants
from services.metering.adapters.purchases_postgres import (
    list_debtors_with_tokens,
    list_owing,
    store_purchase,
)
from services.metering.domain.balances import spendable_paid
from services.metering.domain.entries import Entry
from services.metering.domain.grants import Grant
from services.metering.domain.purchases import Purchase, after, collect, spent_from
from services.metering.use_cases.mirror_accounts import mirror_account
from shared.admission.lower import Room, read_room
from shared.ids import AccountId
from shared.postgres import Pool

ACCOUNTS_PER_ROUND = 100


async def collect_debts(pool: Pool, redis: Redis, now: datetime) -> None:
    """Replica-safe. Whoever is still using what is owed is asked again in the next round."""
    listed = AccountId("")
    while accounts := await list_debtors_with_tokens(pool, after=listed, limit=ACCOUNTS_PER_ROUND):
        for account_id in accounts:
            room = await read_room(redis, account_id)
            if room is None:
                await mirror_account(pool, redis, account_id)
            else:
                await _collect(pool, account_id, room, now)
        listed = accounts[-1]


async def _collect(pool: Pool, account_id: AccountId, room: Room, now: datetime) -> None:
    """`room` is of what Redis was told: nothing for a deleted account, else without what is frozen or owed."""
    async with pool.acquire() as connection, connection.transaction():
        account = await lock_account(connection, account_id)
        if account is None or account.version != room.version:
            return
        grants = (await list_open_grants(connection, [account_id]))[account_id]
        owing = await list_owing(connection, account_id)
        told = 0 if account.closed_at is not None else spendable_paid(grants) - _owed(owing)
        unused = room.unused + _paid(grants) - told
        entries: list[Entry] = []
        for purchase in owing:
            at_most = unused + sum(entry.tokens for entry in entries)
            taken = collect(purchase, spent_from(grants, entries), at_most=at_most)
            await store_purchase(connection, after(purchase, taken))
            entries += taken
        if entries:
            await post_entries(connection, {account_id: entries}, now)


def _paid(grants: Iterable[Grant]) -> int:
    return sum(grant.remaining for grant in grants if grant.is_paid)


def _owed(purchases: Iterable[Purchase]) -> int:
    return sum(purchase.owed for purchase in purchases)
