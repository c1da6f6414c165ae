"""I1, I2, I5, I6, I13 and I18, account by account, a few at a time, while the system runs.

Redis is read first and the ledger after it, in one snapshot, so that what moved in between is seen to have moved.
What differs all the same is looked at again a moment later, and told only if it still does.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

from redis.asyncio import Redis

from services.metering.adapters import audit_ledger_postgres as ledger
from services.metering.adapters.lowerings_postgres import list_ended_lowerings
from services.metering.adapters.usage_postgres import list_posted_revisions
from services.metering.domain.audit.admission import (
    bad_holds,
    bad_journal,
    is_comparable,
    uncovered,
    unlike_a_rebuild,
    unreadable,
)
from services.metering.domain.audit.balances import (
    differing_balances,
    differing_days,
    differing_purchases,
    differing_usage,
)
from services.metering.domain.audit.burn_order import Replay
from services.metering.domain.audit.facts import AccountFacts, EntryFacts, GrantFacts, PurchaseFacts
from services.metering.domain.audit.findings import Check, Finding, Report
from services.metering.domain.audit.orders import odd_grants
from shared.admission.inspected import Inspected
from shared.admission.inspection import inspect
from shared.ids import AccountId
from shared.postgres import Connection, Pool

ACCOUNTS_AT_ONCE = 200
SUSPECTS_MAX = 5000
"""A ledger in which more differs is not to be mended row by row."""
LOOKS_MAX = 3
BETWEEN_LOOKS_SECONDS = 1.5
"""Longer than the mirror's own interval: what it was about to put right is right by then."""
EVERY_ACCOUNT_CHECKS = (Check.BALANCES, Check.COVER, Check.HOLDS, Check.JOURNAL)

Progress = Callable[[int], None]
"""Told how many accounts have been looked at."""

RowT = TypeVar("RowT", GrantFacts, PurchaseFacts)


@dataclass(frozen=True, slots=True)
class Books:
    """Accounts of one snapshot."""

    accounts: list[AccountFacts]
    grants: Mapping[AccountId, list[GrantFacts]]
    purchases: Mapping[AccountId, list[PurchaseFacts]]
    ended: Mapping[UUID, int]


@dataclass(slots=True)
class Look:
    """`again`: accounts that changed between the two readings, or that differ."""

    findings: list[Finding] = field(default_factory=list)
    moved: set[AccountId] = field(default_factory=set)
    compared: int = 0
    replayed: int = 0

    def add(self, other: "Look") -> None:
        """As much of it as anybody will look at again."""
        self.findings += other.findings[: SUSPECTS_MAX - len(self.findings)]
        if len(self.moved) < SUSPECTS_MAX:
            self.moved |= other.moved

    @property
    def again(self) -> set[AccountId]:
        return self.moved | {AccountId(each.account_id) for each in self.findings if each.account_id}


class AccountsAudit:
    """`silence_counts`: Redis has been there for long enough that a hold nobody speaks for is a leak."""

    def __init__(self, pool: Pool, redis: Redis, silence_counts: bool, between_looks_seconds: float) -> None:
        self._pool = pool
        self._redis = redis
        self._silence_counts = silence_counts
        self._between_looks_seconds = between_looks_seconds

    async def run(self, report: Report, progress: Progress) -> None:
        first, done = Look(), 0
        async for mirrored in self._every_account():
            look = await self._look(mirrored)
            first.add(look)
            done += len(mirrored)
            for check in EVERY_ACCOUNT_CHECKS:
                report.examined(check, len(mirrored))
            report.examined(Check.REBUILD, look.compared)
            report.examined(Check.BURN_ORDER, look.replayed)
            progress(done)
        if len(first.findings) >= SUSPECTS_MAX:
            report.note(Check.BALANCES, f"at least {SUSPECTS_MAX:,} rows differ: these are the first")
        report.found(await self._look_again(first))

    async def _every_account(self) -> AsyncIterator[dict[AccountId, int]]:
        after = ""
        while accounts := await ledger.list_accounts(self._pool, after=after, limit=ACCOUNTS_AT_ONCE):
            yield accounts
            after = next(reversed(accounts))

    async def _look_again(self, first: Look) -> list[Finding]:
        """What differs in the last look and in the one before. Accounts that moved are compared when they stand
        still for once."""
        look, differing = first, list[Finding]()
        for _ in range(LOOKS_MAX - 1):
            if not look.again:
                return []
            await asyncio.sleep(self._between_looks_seconds)
            before = {each.row for each in look.findings}
            look = await self._look_at(sorted(look.again))
            differing = [each for each in look.findings if each.row in before]
        return differing

    async def _look_at(self, account_ids: Sequence[AccountId]) -> Look:
        every = Look()
        for start in range(0, len(account_ids), ACCOUNTS_AT_ONCE):
            some = account_ids[start : start + ACCOUNTS_AT_ONCE]
            every.add(await self._look(await ledger.read_mirrored(self._pool, some)))
        return every

    async def _look(self, mirrored: Mapping[AccountId, int]) -> Look:
        seen = await inspect(self._redis, mirrored)
        open_ids = {UUID(name) for each in seen.values() for name in (*each.holds, *each.journal)}
        look = Look()
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            books = await _read_books(connection, mirrored, open_ids)
            look.findings += await _unlike_rows(connection, mirrored)
            replays = _replays(books)
            look.findings += await _replayed(connection, replays)
        look.replayed = len(replays)
        for account in books.accounts:
            self._judge(account, books, seen[account.account_id], mirrored[account.account_id], look)
        return look

    def _judge(
        self, account: AccountFacts, books: Books, seen: Inspected, mirrored_before: int, look: Look
    ) -> None:
        grants, purchases = books.grants[account.account_id], books.purchases[account.account_id]
        look.findings += differing_balances(account, grants)
        look.findings += differing_purchases(purchases)
        look.findings += odd_grants(grants)
        if seen.state == "unreadable":
            look.findings.append(unreadable(account))
        if seen.state in ("absent", "unreadable"):
            return
        look.findings += uncovered(account, grants, seen, books.ended)
        look.findings += bad_holds(account, seen, books.ended, silence_counts=self._silence_counts)
        look.findings += bad_journal(account, seen, books.ended)
        look.findings += unlike_a_rebuild(account, grants, purchases, seen, mirrored_before=mirrored_before)
        if is_comparable(account, seen):
            look.compared += 1
        else:
            look.moved.add(account.account_id)


async def _read_books(
    connection: Connection, account_ids: Collection[AccountId], open_ids: Collection[UUID]
) -> Books:
    revisions = await list_posted_revisions(connection, open_ids)
    lowered = dict.fromkeys(await list_ended_lowerings(connection, open_ids), 1)
    return Books(
        await ledger.read_accounts(connection, account_ids),
        _by_account(await ledger.read_grants(connection, account_ids), account_ids),
        _by_account(await ledger.read_purchases(connection, account_ids), account_ids),
        lowered | revisions,
    )


async def _unlike_rows(connection: Connection, account_ids: Collection[AccountId]) -> list[Finding]:
    kept_from = await ledger.oldest_kept(connection)
    usage = await ledger.list_usage_unlike_entries(connection, account_ids, kept_from)
    days = await ledger.list_days_unlike_usage(connection, account_ids, kept_from)
    return [*differing_usage(usage), *differing_days(days)]


def _replays(books: Books) -> dict[AccountId, Replay]:
    """Where there is an order at all: of accounts with several grants."""
    frozen = {
        purchase.grant_id
        for of_account in books.purchases.values()
        for purchase in of_account
        if purchase.was_frozen and purchase.grant_id is not None
    }
    return {
        account_id: Replay(grants, frozen) for account_id, grants in books.grants.items() if len(grants) > 1
    }


async def _replayed(connection: Connection, replays: Mapping[AccountId, Replay]) -> list[Finding]:
    findings: list[Finding] = []
    together: list[EntryFacts] = []
    async for entry in ledger.stream_entries(connection, replays):
        if together and not entry.is_posted_with(together[0]):
            findings += replays[together[0].account_id].post(together)
            together = []
        together.append(entry)
    if together:
        findings += replays[together[0].account_id].post(together)
    return findings


def _by_account(rows: Iterable[RowT], account_ids: Collection[AccountId]) -> dict[AccountId, list[RowT]]:
    grouped: dict[AccountId, list[RowT]] = {account_id: [] for account_id in account_ids}
    for row in rows:
        grouped[row.account_id].append(row)
    return grouped
