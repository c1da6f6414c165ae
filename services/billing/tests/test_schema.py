"""Billing's tables: what its role may do, and what the database itself refuses."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from services.billing.adapters.receipts_postgres import issue_receipt
from services.billing.app import MIGRATIONS
from shared.clock import utc_now
from shared.migrations import check_schema
from shared.postgres import open_pool
from tests.support.servers import DatabaseFactory, ServiceDatabase

ORDER = """
    INSERT INTO orders (order_id, account_id, pack, tokens, amount_cents, currency, method, seller, created_at, changed_at)
    VALUES ('019a3f6e-0000-7000-8000-0000000000aa', 'Ab3dE5gH', 'pro', 100, 600, 'usd', 'stripe', 'test', now(), now())
"""
PAID = "UPDATE orders SET state = 'paid', tokens_credited = 100, paid_at = now()"
RECEIPT = (
    "INSERT INTO receipts (year, number, order_id, issued_at) SELECT 2026, 1, order_id, now() FROM orders"
)


@pytest.fixture(scope="module")
async def schema(database: DatabaseFactory) -> ServiceDatabase:
    await database("metering")
    return await database("billing")


@pytest.fixture
async def connection(schema: ServiceDatabase) -> AsyncIterator[asyncpg.Connection]:
    """As the runtime role, inside a transaction that never commits."""
    opened = await asyncpg.connect(schema.url)
    transaction = opened.transaction()
    await transaction.start()
    await opened.execute(ORDER)
    yield opened
    await transaction.rollback()
    await opened.close()


async def test_the_schema_is_what_the_migrations_make(schema: ServiceDatabase) -> None:
    async with await open_pool(schema.url, service="billing") as pool:
        await check_schema(pool, MIGRATIONS)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM metering.outbox",
        "CREATE TABLE mine (id int)",
        "DROP TABLE outbox",
        "CREATE TABLE public.mine (id int)",
        "DELETE FROM orders",
        "UPDATE orders SET amount_cents = 1",
        "UPDATE orders SET tokens = 1",
        "UPDATE orders SET account_id = 'Zb3dE5gH'",
        "DELETE FROM receipts",
        "UPDATE receipts SET number = 7",
        "DELETE FROM reviews",
        "UPDATE reviews SET evidence = ''",
        "DELETE FROM attempts",
        "DELETE FROM deleted_accounts",
    ],
)
async def test_the_role_may_not(connection: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        (ORDER, "orders_pkey"),
        ("UPDATE orders SET state = 'free'", "orders_state_is_known"),
        (
            "UPDATE orders SET tokens_credited = 101, paid_at = now()",
            "orders_credit_is_within_the_order",
        ),
        ("UPDATE orders SET tokens_credited = 100", "orders_credited_were_paid"),
        ("UPDATE orders SET paid_at = now()", "orders_credited_were_paid"),
        (
            "UPDATE orders SET tokens_reversed = 1, reversed_for = 'refunded'",
            "orders_reversal_is_within_the_credit",
        ),
        (f"{PAID}, tokens_reversed = 1", "orders_reversal_has_a_reason"),
        (
            f"{PAID}, tokens_reversed = 100, reversed_for = 'refunded', is_frozen = true",
            "orders_frozen_are_credited",
        ),
        ("UPDATE orders SET provider_id = 'cs_1'", "orders_checkout_has_its_address"),
    ],
)
async def test_the_database_refuses(connection: asyncpg.Connection, statement: str, constraint: str) -> None:
    with pytest.raises(asyncpg.IntegrityConstraintViolationError) as refused:
        await connection.execute(statement)
    assert refused.value.constraint_name == constraint


async def test_an_order_gets_one_receipt_and_a_number_is_given_once(connection: asyncpg.Connection) -> None:
    await connection.execute(RECEIPT)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(RECEIPT)


async def test_a_receipt_number_that_is_not_used_leaves_no_gap(connection: asyncpg.Connection) -> None:
    order_id = await connection.fetchval("SELECT order_id FROM orders")
    first = await issue_receipt(connection, order_id, now=utc_now())
    savepoint = connection.transaction()
    await savepoint.start()
    with pytest.raises(asyncpg.UniqueViolationError):
        await issue_receipt(connection, order_id, now=utc_now())
    await savepoint.rollback()
    last = await connection.fetchval("SELECT last_number FROM receipt_years")
    assert first.endswith(f"-{last:06d}")
