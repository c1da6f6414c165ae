"""Enters usage records into the ledger, every statement over all of them, inside the caller's transaction.

A record that cannot be entered keeps no other from it. PostgreSQL names no row when it refuses a statement, so
one that only PostgreSQL finds fault with is found by halving.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.metering.adapters.accounts_postgres import lock_accounts
from services.metering.adapters.daily_usage_postgres import change_days
from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import list_open_grants
from services.metering.adapters.usage_postgres import ROWS_REFUSED, add_usage, list_posted
from services.metering.domain.acceptance import Refused, without
from services.metering.domain.postings import Book, Posted, Posting, post
from shared.contracts.gateway import UsageRecord
from shared.errors import NotYet, Poison
from shared.ids import AccountId
from shared.postgres import Connection

Records = Sequence[UsageRecord]
Postings = Mapping[AccountId, Posting]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What was not entered, and per account the tokens that were and that no grant could pay."""

    refused: Refused = field(default_factory=dict)
    uncollected: Mapping[AccountId, int] = field(default_factory=dict)

    def __or__(self, other: "Outcome") -> "Outcome":
        both = {*self.uncollected, *other.uncollected}
        return Outcome(
            self.refused | other.refused,
            {each: self.uncollected.get(each, 0) + other.uncollected.get(each, 0) for each in both},
        )


async def post_records(connection: Connection, records: Records, now: datetime) -> Outcome:
    """Locks first: what is read afterwards is not changed by anybody else until the transaction ends."""
    known = await lock_accounts(connection, {AccountId(record.account_id) for record in records})
    unknown = Outcome(
        {
            record: NotYet(f"Account {record.account_id} is not in the ledger yet.")
            for record in records
            if record.account_id not in known
        }
    )
    return unknown | await _post_what_is_taken(connection, without(unknown.refused, records), now)


async def _post_what_is_taken(connection: Connection, records: Records, now: datetime) -> Outcome:
    if not records:
        return Outcome()
    try:
        async with connection.transaction():  # a savepoint
            return await _post_together(connection, records, now)
    except ROWS_REFUSED as error:
        if len(records) == 1:
            return Outcome({records[0]: Poison(f"The ledger does not take it ({type(error).__name__}).")})
    middle = len(records) // 2
    outcome = await _post_what_is_taken(connection, records[:middle], now)
    return outcome | await _post_what_is_taken(connection, records[middle:], now)


async def _post_together(connection: Connection, records: Records, now: datetime) -> Outcome:
    posted = await list_posted(connection, {record.request_id for record in records})
    refused = _foreign(records, posted)
    by_account = _by_account(without(refused, records))
    taken_from = {grant_id for earlier in posted.values() for grant_id in earlier.taken}
    grants = await list_open_grants(connection, by_account.keys(), also=taken_from)
    postings = {
        account_id: post(of_account, Book(tuple(grants[account_id]), posted))
        for account_id, of_account in by_account.items()
    }
    await _store(connection, postings, now)
    uncollected = {account_id: posting.tokens_uncollected for account_id, posting in postings.items()}
    return Outcome(refused, {account_id: tokens for account_id, tokens in uncollected.items() if tokens})


def _foreign(records: Records, posted: Mapping[UUID, Posted]) -> Refused:
    """A request is its first account's."""
    owners = {request_id: str(earlier.account_id) for request_id, earlier in posted.items()}
    return {
        record: Poison(f"Request {record.request_id} is of another account than {record.account_id}.")
        for record in records
        if owners.setdefault(record.request_id, record.account_id) != record.account_id
    }


def _by_account(records: Iterable[UsageRecord]) -> dict[AccountId, list[UsageRecord]]:
    grouped: dict[AccountId, list[UsageRecord]] = {}
    for record in records:
        grouped.setdefault(AccountId(record.account_id), []).append(record)
    return grouped


async def _store(connection: Connection, postings: Postings, now: datetime) -> None:
    await add_usage(connection, [row for posting in postings.values() for row in posting.usage], now)
    await change_days(connection, {account_id: posting.daily for account_id, posting in postings.items()})
    await post_entries(
        connection, {account_id: posting.entries for account_id, posting in postings.items()}, now
    )
