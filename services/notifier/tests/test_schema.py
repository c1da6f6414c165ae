"""The notifier's database role: its own schema, and nothing of the others."""

import asyncpg
import pytest

from tests.support.servers import DatabaseFactory


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT FROM accounts.outbox",
        "CREATE TABLE mine (id int)",
        "DROP TABLE mails",
        "UPDATE mails SET account_id = 'other'",
        "DELETE FROM forgotten_accounts",
    ],
)
async def test_the_role_may_not(statement: str, database: DatabaseFactory) -> None:
    await database("accounts")
    connection = await asyncpg.connect((await database("notifier")).url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()
