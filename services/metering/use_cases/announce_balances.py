"""Tells the others of balances that fell below a threshold or to nothing, and of trials that end soon.

Each crossing once: what was told is stored in the transaction that puts the event into the outbox, by the
one replica that has the row locked.
"""

from datetime import datetime, timedelta

from services.metering.adapters.announcements_postgres import (
    Changed,
    EndingGrant,
    lock_changed,
    store_told,
    take_ending,
)
from services.metering.adapters.grants_postgres import list_open_grants
from services.metering.adapters.purchases_postgres import list_owed
from services.metering.domain.announcements import Crossing, cross
from services.metering.domain.balances import balance_of
from shared import outbox
from shared.contracts.envelope import Event
from shared.contracts.metering import BalanceExhausted, BalanceLow, TrialEnding
from shared.ids import AccountId
from shared.postgres import Connection, Pool

SOURCE = "metering"
ACCOUNTS_PER_BATCH = 100


async def announce_balances(pool: Pool, now: datetime, *, threshold: int, trial_ending: timedelta) -> None:
    """One round: who changes again meanwhile is looked at in the next. The outbox's relay looks by itself."""
    after: AccountId | None = AccountId("")
    while after is not None:
        after = await _announce_changed(pool, now, threshold, after)
    await _announce_ending(pool, now, trial_ending)


async def _announce_changed(pool: Pool, now: datetime, threshold: int, after: AccountId) -> AccountId | None:
    """Returns the last account that was looked at; None when there are no more."""
    async with pool.acquire() as connection, connection.transaction():
        changed = await lock_changed(connection, after=after, limit=ACCOUNTS_PER_BATCH)
        if changed:
            available = await _available(connection, [each.account_id for each in changed], now)
            looked_at = [
                await _look(connection, each, available[each.account_id], threshold, now) for each in changed
            ]
            await store_told(connection, looked_at)
    return changed[-1].account_id if changed else None


async def _available(
    connection: Connection, account_ids: list[AccountId], now: datetime
) -> dict[AccountId, int]:
    grants = await list_open_grants(connection, account_ids)
    owed = await list_owed(connection, account_ids)
    return {
        account_id: balance_of(grants[account_id], now, owed=owed.get(account_id, 0)).available
        for account_id in account_ids
    }


async def _look(
    connection: Connection, account: Changed, available: int, threshold: int, now: datetime
) -> Changed:
    told, crossing = cross(account.told, available, threshold)
    match crossing:
        case Crossing.LOW:
            low = BalanceLow(
                account_id=account.account_id, tokens_available=available, tokens_threshold=threshold
            )
            await _publish(connection, low, account.account_id, now)
        case Crossing.EXHAUSTED:
            exhausted = BalanceExhausted(account_id=account.account_id)
            await _publish(connection, exhausted, account.account_id, now)
        case None:
            pass
    return Changed(account.account_id, account.version, told)


async def _announce_ending(pool: Pool, now: datetime, within: timedelta) -> None:
    """As many as fit into a round; the rest comes with the next."""
    async with pool.acquire() as connection, connection.transaction():
        ending = await take_ending(connection, now, within=within, limit=ACCOUNTS_PER_BATCH)
        for grant in ending:
            await _publish(connection, _event_of(grant), grant.account_id, now)


def _event_of(grant: EndingGrant) -> TrialEnding:
    return TrialEnding(account_id=grant.account_id, tokens_left=grant.remaining, expires_at=grant.expires_at)


async def _publish(connection: Connection, event: Event, account_id: AccountId, now: datetime) -> None:
    await outbox.add(connection, event, source=SOURCE, subject=account_id, now=now)
