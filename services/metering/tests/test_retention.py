"""Partitions are there before they are needed, and go when they are old; the books stay as they are."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from services.metering.adapters.partitions_postgres import drop_old_partitions, make_partitions
from services.metering.domain.batches import Batch
from services.metering.tests.building import RETENTION, Books, record_for
from services.metering.use_cases.keep_house import keep_house
from services.metering.use_cases.post_usage import Delivery
from shared import inbox
from shared.clock import utc_now
from shared.ids import first_uuid7_at, new_uuid7
from shared.postgres import Connection, Pool
from tests.support.servers import ServiceDatabase

LONG_AGO = "usage_2020_01"


@pytest.fixture
async def owner(schema: ServiceDatabase) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(schema.owner_url)
    yield connection
    await connection.close()


async def partitions(pool: Pool) -> set[str]:
    rows = await pool.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'usage'::regclass"
    )
    return {row["name"] for row in rows}


async def make_old_partition(owner: Connection) -> None:
    """January 2020, with one request in it that was entered then."""
    await owner.execute(
        f"""
        CREATE TABLE {LONG_AGO} PARTITION OF usage
        FOR VALUES FROM ('016f5e66-e800-0000-0000-000000000000') TO ('016ffe0d-0400-0000-0000-000000000000')
        """
    )


async def test_months_that_are_missing_are_made_once_whoever_asks(owner: Connection, pool: Pool) -> None:
    next_month = (utc_now().replace(day=1) + timedelta(days=32)).strftime("usage_%Y_%m")
    await owner.execute(f"DROP TABLE {next_month}")
    made = await asyncio.gather(*(make_partitions(pool, months_ahead=3) for _ in range(4)))
    assert sorted(made) == [[], [], [], [next_month]]
    assert next_month in await partitions(pool)


async def test_months_past_the_retention_are_dropped_and_the_books_still_add_up(
    owner: Connection, books: Books
) -> None:
    account_id = await books.open_account()
    await books.post(record_for(account_id, 30))
    await make_old_partition(owner)
    old = record_for(account_id, 20, request_id=UUID("016f5e66-e800-7000-8000-000000000001"))
    delivery = Delivery(new_uuid7(), Batch("gateway-1", 1), [old])
    assert await books.post_deliveries(delivery, retention=timedelta(days=18_000)) == {}
    before = await books.stored(account_id)
    await keep_house(books.pool, utc_now(), retention=RETENTION)
    after = await books.stored(account_id)
    assert LONG_AGO not in await partitions(books.pool)
    assert (len(before.usage), len(after.usage)) == (2, 1)
    assert (after.balance, after.entries, after.days) == (950, before.entries, before.days)


async def test_what_is_within_the_retention_is_never_dropped(books: Books) -> None:
    before = await partitions(books.pool)
    assert await drop_old_partitions(books.pool, retention=timedelta(days=90)) == []
    assert await partitions(books.pool) == before


async def test_the_running_service_can_not_make_the_recent_past_disappear(pool: Pool) -> None:
    with pytest.raises(asyncpg.RaiseError, match="at least 90 days"):
        await drop_old_partitions(pool, retention=timedelta(days=89))


async def test_dropping_waits_for_a_posting_and_gives_up_before_others_wait_long(
    owner: Connection, pool: Pool
) -> None:
    await make_old_partition(owner)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM usage LIMIT 1")
        with pytest.raises(asyncpg.LockNotAvailableError):
            await drop_old_partitions(pool, retention=RETENTION)
    assert await drop_old_partitions(pool, retention=RETENTION) == [LONG_AGO]


async def test_events_that_nobody_delivers_any_more_are_forgotten_however_many(pool: Pool) -> None:
    long_ago = utc_now() - inbox.KEPT - timedelta(days=1)
    await pool.execute(
        """
        INSERT INTO inbox (event_id, received_at)
        SELECT overlay($1::uuid::text PLACING lpad(to_hex(number), 12, '0') FROM 25)::uuid, $2
        FROM generate_series(1, $3::integer) AS number
        """,
        first_uuid7_at(long_ago),
        long_ago,
        inbox.PRUNE_ROWS_MAX + 1,
    )
    await keep_house(pool, utc_now(), retention=RETENTION)
    assert await pool.fetchval("SELECT count(*) FROM inbox WHERE received_at = $1", long_ago) == 0
