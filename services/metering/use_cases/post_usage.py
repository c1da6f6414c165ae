"""Posts a batch of usage to the ledger: one transaction, every statement over the whole batch."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

import structlog

from services.metering.adapters.accounts_postgres import lock_accounts
from services.metering.adapters.batches_postgres import add_batch
from services.metering.adapters.daily_usage_postgres import change_days
from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import list_open_grants
from services.metering.adapters.usage_postgres import add_usage, list_posted
from services.metering.domain.batches import Batch
from services.metering.domain.postings import Book, Posted, Posting, post
from shared import inbox
from shared.contracts.gateway import UsageRecord, UsageRecorded
from shared.errors import NotYet, Poison
from shared.ids import AccountId
from shared.postgres import Connection, Pool

RecordsByAccount = Mapping[AccountId, Sequence[UsageRecord]]

log = structlog.get_logger()


async def post_usage(pool: Pool, event_id: UUID, event: UsageRecorded, now: datetime) -> None:
    """Raises NotYet when an account's registration has not arrived, Poison when a request is not the
    account's that it is said to be; then nothing of the batch is posted."""
    records = _by_account(event.records)
    async with pool.acquire() as connection, connection.transaction():
        if not await inbox.first_time(connection, event_id):
            return
        books = await _load(connection, records)
        postings = {account_id: post(records[account_id], books[account_id]) for account_id in records}
        await _store(connection, postings, now)
        await add_batch(connection, Batch(event.gateway, event.sequence))
    _report_uncollected(postings)


def _by_account(records: Iterable[UsageRecord]) -> dict[AccountId, list[UsageRecord]]:
    grouped: dict[AccountId, list[UsageRecord]] = {}
    for record in records:
        grouped.setdefault(AccountId(record.account_id), []).append(record)
    return grouped


async def _load(connection: Connection, records: RecordsByAccount) -> dict[AccountId, Book]:
    """Locks first: what is read afterwards is not changed by anybody else until the transaction ends."""
    missing = records.keys() - await lock_accounts(connection, records.keys())
    if missing:
        raise NotYet(
            f"{len(missing)} accounts of this batch are not in the ledger yet, {min(missing)} first."
        )
    request_ids = [record.request_id for of_account in records.values() for record in of_account]
    posted = await list_posted(connection, request_ids)
    _refuse_foreign_requests(records, posted)
    taken_from = {grant_id for earlier in posted.values() for grant_id in earlier.taken}
    grants = await list_open_grants(connection, records.keys(), also=taken_from)
    return {account_id: Book(tuple(grants[account_id]), posted) for account_id in records}


def _refuse_foreign_requests(records: RecordsByAccount, posted: Mapping[UUID, Posted]) -> None:
    for account_id, of_account in records.items():
        for record in of_account:
            earlier = posted.get(record.request_id)
            if earlier is not None and earlier.account_id != account_id:
                raise Poison(f"Request {record.request_id} is posted for another account than {account_id}.")


async def _store(connection: Connection, postings: Mapping[AccountId, Posting], now: datetime) -> None:
    await add_usage(connection, [row for posting in postings.values() for row in posting.usage], now)
    await change_days(connection, {account_id: posting.daily for account_id, posting in postings.items()})
    await post_entries(
        connection, {account_id: posting.entries for account_id, posting in postings.items()}, now
    )


def _report_uncollected(postings: Mapping[AccountId, Posting]) -> None:
    for account_id, posting in postings.items():
        if posting.tokens_uncollected > 0:
            log.warning("usage_uncollected", account_id=account_id, tokens=posting.tokens_uncollected)
