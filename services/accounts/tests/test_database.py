"""What the tables allow, and what the runtime role may touch."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from tests.support.servers import DatabaseFactory

ACCOUNT = "INSERT INTO accounts (account_id, email, created_at, registered_at) VALUES ($1, $2, now(), now())"
KEY = """
    INSERT INTO api_keys (key_id, account_id, digest, display, kind, state, version, created_at, revoked_at)
    VALUES (gen_random_uuid(), 'AAAAAAAA', $1, 'sk-…', $2, $3, 1, now(), $4)
"""


@pytest.fixture(scope="module")
async def role(database: DatabaseFactory) -> AsyncIterator[asyncpg.Connection]:
    await database("metering")
    connection = await asyncpg.connect((await database("accounts")).url)
    await connection.execute(ACCOUNT, "AAAAAAAA", "a@example.com")
    yield connection
    await connection.close()


async def test_an_account_has_at_most_one_active_mailed_key(role: asyncpg.Connection) -> None:
    await role.execute(KEY, "1" * 64, "mailed", "active", None)
    with pytest.raises(asyncpg.UniqueViolationError, match="one_active_mailed_key_per_account"):
        await role.execute(KEY, "2" * 64, "mailed", "active", None)
    await role.execute(KEY, "3" * 64, "dashboard", "active", None)


async def test_an_address_has_one_account(role: asyncpg.Connection) -> None:
    with pytest.raises(asyncpg.UniqueViolationError, match="one_account_per_address"):
        await role.execute(ACCOUNT, "BBBBBBBB", "a@example.com")
    await role.execute(ACCOUNT, "CCCCCCCC", "A@example.com")


async def test_users_are_numbered(role: asyncpg.Connection) -> None:
    numbers = await role.fetch("SELECT user_id FROM accounts ORDER BY user_id")
    assert len(numbers) == len({each["user_id"] for each in numbers}) > 0


@pytest.mark.parametrize(
    ("digest", "kind", "state", "constraint"),
    [
        ("sk-raw-key", "mailed", "revoked", "digest_is_hmac_sha256"),
        ("4" * 64, "found", "revoked", "kind_is_known"),
        ("4" * 64, "mailed", "lost", "state_is_known"),
        ("4" * 64, "mailed", "revoked", "revoked_keys_have_a_date"),
    ],
)
async def test_wrong_keys_cannot_be_written(
    role: asyncpg.Connection, digest: str, kind: str, state: str, constraint: str
) -> None:
    with pytest.raises(asyncpg.CheckViolationError, match=constraint):
        await role.execute(KEY, digest, kind, state, None)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM metering.outbox",
        "CREATE TABLE mine (id int)",
        "DROP TABLE accounts",
        "TRUNCATE accounts",
        "DELETE FROM accounts",
        "DELETE FROM api_keys",
        "DELETE FROM trials_taken",
        "UPDATE api_keys SET digest = 'x'",
        "UPDATE accounts SET account_id = 'x'",
        "UPDATE sessions SET expires_at = now()",
        "UPDATE trials_taken SET taken_at = now()",
        "INSERT INTO schema_migrations (name, sha256) VALUES ('x', 'x')",
    ],
)
async def test_the_role_may_do_no_more_than_it_does(role: asyncpg.Connection, statement: str) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await role.execute(statement)


async def test_an_address_can_be_erased_but_not_changed(role: asyncpg.Connection) -> None:
    await role.execute(ACCOUNT, "DDDDDDDD", "d@example.com")
    with pytest.raises(asyncpg.CheckViolationError, match="erased, never changed"):
        await role.execute("UPDATE accounts SET email = 'x@example.com' WHERE account_id = 'DDDDDDDD'")
    with pytest.raises(asyncpg.CheckViolationError, match="deleted_accounts_have_no_address"):
        await role.execute("UPDATE accounts SET email = NULL WHERE account_id = 'DDDDDDDD'")
    await role.execute("UPDATE accounts SET email = NULL, deleted_at = now() WHERE account_id = 'DDDDDDDD'")
