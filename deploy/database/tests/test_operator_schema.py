"""What an operator sees and gives in SQL, as the role `gateway`, over the real schemas of accounts and metering."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.database.bootstrap import ROLES, url_of
from deploy.database.operator_schema import drop_operator_schema, put_operator_schema
from tests.support.servers import DatabaseFactory

ADA = "Ab3dE5gH"
GRACE = "Gr4cE5gH"
Connection = asyncpg.Connection


@pytest.fixture(scope="module")
async def prepared(database: DatabaseFactory) -> str:
    await database("accounts")
    superuser_url = (await database("metering")).superuser_url
    await put_operator_schema(superuser_url)
    return superuser_url


@pytest.fixture
async def gateway(prepared: str) -> AsyncIterator[Connection]:
    """The role `gateway`, with two people, one of whom the ledger knows."""
    connection = await asyncpg.connect(prepared)
    await connection.execute("DELETE FROM metering.entries; DELETE FROM metering.daily_usage")
    await connection.execute("DELETE FROM metering.purchases; DELETE FROM metering.grants")
    await connection.execute("DELETE FROM metering.accounts; DELETE FROM accounts.accounts")
    await connection.executemany(
        "INSERT INTO accounts.accounts (account_id, email, created_at, registered_at) VALUES ($1, $2, now(), now())",
        [(ADA, "Ada@example.com"), (GRACE, "grace@example.com")],
    )
    await connection.execute(
        "INSERT INTO metering.accounts (account_id, created_at, mirrored_version) VALUES ($1, now(), 1)", ADA
    )
    yield connection
    await connection.close()


async def test_it_can_be_made_again_and_again(prepared: str) -> None:
    await put_operator_schema(prepared)
    await drop_operator_schema(prepared)
    await drop_operator_schema(prepared)
    await put_operator_schema(prepared)


async def test_a_credit_is_a_grant_with_its_entry_and_news_for_redis(gateway: Connection) -> None:
    available = await gateway.fetchval("SELECT operator.credit('Ada@Example.COM', 1000, 'goodwill')")
    assert available == 1000
    [account] = await gateway.fetch("SELECT balance, version, mirrored_version FROM metering.accounts")
    assert tuple(account) == (1000, 2, 1)
    [entry] = await gateway.fetch("SELECT email, kind, tokens, reason FROM operator.entries")
    assert tuple(entry) == ("Ada@example.com", "grant", 1000, "goodwill")
    [grant] = await gateway.fetch("SELECT kind, tokens, remaining, expires_at FROM metering.grants")
    assert tuple(grant) == ("adjustment", 1000, 1000, None)


async def test_each_credit_counts(gateway: Connection) -> None:
    for _ in range(3):
        await gateway.execute("SELECT operator.credit('Ada@example.com', 5, 'sorry')")
    assert await gateway.fetchval("SELECT available FROM operator.balances") == 15


@pytest.mark.parametrize(
    ("email", "tokens", "reason", "said"),
    [
        ("nobody@example.com", 5, "gift", "nobody is registered with the address nobody@example.com"),
        ("ada@example.com", 5, "gift", "nobody is registered with the address ada@example.com"),
        ("no address", 5, "gift", "nobody is registered with the address no address"),
        (None, 5, "gift", r"nobody is registered with the address \(none\)"),
        ("grace@example.com", 5, "gift", "the ledger does not know grace@example.com yet"),
        ("Ada@example.com", 0, "gift", "give between 1 and"),
        ("Ada@example.com", -5, "gift", "give between 1 and"),
        ("Ada@example.com", 10**15, "gift", "give between 1 and"),
        ("Ada@example.com", 5, " ", "say why"),
    ],
)
async def test_what_can_not_be_meant_is_refused_in_a_sentence(
    gateway: Connection, email: str | None, tokens: int, reason: str, said: str
) -> None:
    with pytest.raises(asyncpg.PostgresError, match=said):
        await gateway.execute("SELECT operator.credit($1, $2, $3)", email, tokens, reason)
    assert await gateway.fetchval("SELECT count(*) FROM metering.entries") == 0


async def test_a_deleted_person_gets_nothing(gateway: Connection) -> None:
    await gateway.execute("UPDATE metering.accounts SET closed_at = now()")
    with pytest.raises(asyncpg.NoDataFoundError):
        await gateway.execute("SELECT operator.credit('Ada@example.com', 5, 'gift')")


async def test_a_balance_is_what_can_be_spent(gateway: Connection) -> None:
    """500 paid, of which 200 are owed; a trial that has ended, one that has not; a purchase in dispute."""
    grants = [
        ("adjustment", "a", 500, None, False),
        ("trial", "b", 70, "past", False),
        ("trial", "c", 30, "future", False),
        ("purchase", "d", 900, None, True),
    ]
    for kind, source, tokens, end, is_frozen in grants:
        await gateway.execute(
            """
            INSERT INTO metering.grants
                (grant_id, account_id, kind, source, tokens, remaining, expires_at, is_frozen, created_at)
            VALUES (gen_random_uuid(), $1, $2, $3, $4, $4,
                CASE $5 WHEN 'past' THEN now() - interval '1 day' WHEN 'future' THEN now() + interval '1 day' END,
                $6, now())
            """,
            ADA,
            kind,
            source,
            tokens,
            end,
            is_frozen,
        )
    await gateway.execute(
        """
        INSERT INTO metering.purchases (purchase_id, account_id, grant_id, tokens_to_reverse)
        SELECT 'p', account_id, grant_id, 200 FROM metering.grants WHERE source = 'd'
        """
    )
    [row] = await gateway.fetch("SELECT email, available, paid, trial, frozen, debt FROM operator.balances")
    assert tuple(row) == ("Ada@example.com", 330, 300, 30, 900, 0)


async def test_usage_is_shown_by_person_day_and_model(gateway: Connection) -> None:
    for key in ("k1", "k2"):
        await gateway.execute(
            """
            INSERT INTO metering.daily_usage
                (account_id, day, model, key_id, requests, tokens_prompt, tokens_completion, tokens_cached)
            VALUES ($1, '2026-11-23', 'm.gguf', $2, 1, 10, 20, 5)
            """,
            ADA,
            key,
        )
    [row] = await gateway.fetch(
        "SELECT email, model, requests, tokens_prompt, tokens_completion, tokens_cached FROM operator.usage"
    )
    assert tuple(row) == ("Ada@example.com", "m.gguf", 2, 20, 40, 10)


async def test_people_are_shown_with_their_number_of_keys(gateway: Connection) -> None:
    rows = await gateway.fetch("SELECT email, keys_active FROM operator.users ORDER BY user_id")
    assert [tuple(row) for row in rows] == [("Ada@example.com", 0), ("grace@example.com", 0)]


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM operator.users",
        "SELECT * FROM operator.balances",
        "SELECT operator.credit('Ada@example.com', 5, 'mine')",
    ],
)
async def test_no_role_of_a_service_may_use_it(prepared: str, role: str, statement: str) -> None:
    connection = await asyncpg.connect(url_of(prepared, role, "test"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()
