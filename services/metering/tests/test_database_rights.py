"""What the runtime role may do is what the ledger needs, and PostgreSQL itself refuses the rest."""

import asyncpg
import pytest

from services.metering.tests.building import Books, record_for
from shared.postgres import Pool

DENIED = asyncpg.InsufficientPrivilegeError


@pytest.mark.parametrize("table", ["entries", "usage", "adjustments"])
@pytest.mark.parametrize("change", ["UPDATE {} SET account_id = account_id", "DELETE FROM {}", "TRUNCATE {}"])
async def test_what_is_posted_can_not_be_changed(pool: Pool, table: str, change: str) -> None:
    with pytest.raises(DENIED):
        await pool.execute(change.format(table))


@pytest.mark.parametrize("table", ["entries", "usage", "adjustments", "entry_notes"])
async def test_no_column_of_what_is_posted_can_be_changed(pool: Pool, table: str) -> None:
    """Nor in any partition: a right to one column would be enough."""
    changeable = await pool.fetch(
        """
        SELECT relname FROM pg_class
        WHERE (oid = $1::regclass OR oid IN (SELECT relid FROM pg_partition_tree($1::regclass)))
            AND (has_any_column_privilege(oid, 'UPDATE') OR has_table_privilege(oid, 'DELETE, TRUNCATE, TRIGGER'))
        """,
        table,
    )
    assert changeable == []


async def test_what_runs_with_the_owners_rights_looks_nowhere_else(pool: Pool) -> None:
    functions = await pool.fetch(
        """
        SELECT proname, proconfig FROM pg_proc
        WHERE prosecdef AND pronamespace = 'metering'::regnamespace ORDER BY proname
        """
    )
    assert [row["proname"] for row in functions] == ["drop_old_usage", "make_usage_partitions"]
    for row in functions:
        assert "search_path=metering, pg_temp" in row["proconfig"]


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE grants SET tokens = tokens + 1",
        "UPDATE grants SET expires_at = NULL",
        "UPDATE grants SET source = 'another'",
        "UPDATE grants SET created_at = now()",
        "UPDATE purchases SET account_id = account_id",
        "DELETE FROM purchases",
        "UPDATE lowerings SET tokens = 1",
        "DELETE FROM lowerings",
        "DELETE FROM grants",
        "UPDATE accounts SET account_id = 'aaaaaaaa'",
        "DELETE FROM accounts",
        "DELETE FROM daily_usage",
    ],
)
async def test_of_grants_and_accounts_only_the_sums_move(pool: Pool, change: str) -> None:
    with pytest.raises(DENIED):
        await pool.execute(change)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE extra (id integer)",
        "CREATE TABLE public.extra (id integer)",
        "CREATE TEMPORARY TABLE extra (id integer)",
        "CREATE SCHEMA extra",
        "ALTER TABLE entries DROP CONSTRAINT entries_sign_follows_kind",
        "ALTER TABLE entries DISABLE TRIGGER ALL",
        "DROP TABLE usage_other",
        "CREATE INDEX extra ON entries (kind)",
        "SET ROLE metering_owner",
    ],
)
async def test_the_runtime_role_defines_nothing(pool: Pool, statement: str) -> None:
    with pytest.raises(DENIED):
        await pool.execute(statement)


@pytest.mark.parametrize("other", ["accounts", "billing", "notifier"])
async def test_the_runtime_role_sees_no_other_schema(pool: Pool, other: str) -> None:
    assert not await pool.fetchval("SELECT has_schema_privilege($1, 'USAGE')", other)


async def test_a_partition_can_not_be_reached_around_its_table(pool: Pool) -> None:
    with pytest.raises(DENIED):
        await pool.execute("UPDATE usage_other SET tokens_prompt = 0")


@pytest.mark.parametrize(
    ("change", "constraint"),
    [
        ("UPDATE grants SET remaining = tokens + 1", "grants_remaining_is_within_tokens"),
        ("UPDATE grants SET remaining = -1", "grants_remaining_is_within_tokens"),
        ("UPDATE grants SET closed_at = now()", "grants_closed_is_empty"),
        ("UPDATE accounts SET balance = -1", "accounts_balance_is_not_negative"),
        ("UPDATE accounts SET mirrored_version = version + 1", "accounts_mirror_follows_the_ledger"),
        ("UPDATE daily_usage SET requests = -1", "daily_usage_is_not_negative"),
        ("UPDATE grants SET is_frozen = true", "grants_frozen_is_a_purchase"),
    ],
)
async def test_a_sum_that_can_not_be_true_is_refused(
    books: Books, pool: Pool, change: str, constraint: str
) -> None:
    account_id = await books.open_account()
    await books.post(record_for(account_id, 30))
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await pool.execute(f"{change} WHERE account_id = $1", account_id)
    assert refusal.value.constraint_name == constraint


@pytest.mark.parametrize(
    ("kind", "tokens", "request_id", "constraint"),
    [
        ("usage", 5, "00000000-0000-7000-8000-000000000001", "entries_sign_follows_kind"),
        ("grant", -5, None, "entries_sign_follows_kind"),
        ("expiry", 5, None, "entries_sign_follows_kind"),
        ("gift", 5, None, "entries_sign_follows_kind"),
        ("adjustment", 5, None, "entries_sign_follows_kind"),
        ("reversal", -5, None, "entries_of_reversals_name_the_purchase"),
        ("usage", -5, None, "entries_of_requests_name_them"),
        ("expiry", -5, "00000000-0000-7000-8000-000000000001", "entries_of_requests_name_them"),
    ],
)
async def test_an_entry_that_can_not_be_meant_is_refused(
    books: Books, pool: Pool, kind: str, tokens: int, request_id: str | None, constraint: str
) -> None:
    account_id = await books.open_account()
    with pytest.raises(asyncpg.CheckViolationError) as refusal:
        await pool.execute(
            """
            INSERT INTO entries (account_id, grant_id, kind, tokens, request_id, revision, created_at)
            SELECT account_id, grant_id, $2, $3, $4, CASE WHEN $4::uuid IS NULL THEN NULL ELSE 1 END, now()
            FROM grants WHERE account_id = $1
            """,
            account_id,
            kind,
            tokens,
            request_id,
        )
    assert refusal.value.constraint_name == constraint


async def test_an_entry_stays_within_its_grants_account(books: Books, pool: Pool) -> None:
    owner, other = await books.open_account(), await books.open_account()
    with pytest.raises(asyncpg.ForeignKeyViolationError):
        await pool.execute(
            """
            INSERT INTO entries (account_id, grant_id, kind, tokens, created_at)
            SELECT $2, grant_id, 'expiry', -1, now() FROM grants WHERE account_id = $1
            """,
            owner,
            other,
        )
