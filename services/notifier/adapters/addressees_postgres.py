"""Where an account's mails go, and which accounts were deleted. All in the caller's transaction."""

from shared.ids import AccountId
from shared.postgres import Connection


async def take_turn(connection: Connection, account_id: AccountId) -> None:
    """Until the transaction ends, one event of an account at a time: asking for a mail and forgetting the
    account must see each other."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('mails'), hashtext($1))", account_id)


async def put_address(connection: Connection, account_id: AccountId, address: str) -> None:
    await connection.execute(
        """
        INSERT INTO addressees (account_id, address) VALUES ($1, $2)
        ON CONFLICT (account_id) DO UPDATE SET address = excluded.address
        """,
        account_id,
        address,
    )


async def find_address(connection: Connection, account_id: AccountId) -> str | None:
    address: str | None = await connection.fetchval(
        "SELECT address FROM addressees WHERE account_id = $1", account_id
    )
    return address


async def is_forgotten(connection: Connection, account_id: AccountId) -> bool:
    """Deleted: a mail asked for late, by a delayed event, must not bring the address back."""
    forgotten: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM forgotten_accounts WHERE account_id = $1)", account_id
    )
    return forgotten


async def forget_account(connection: Connection, account_id: AccountId) -> None:
    """Drops what is owed, erases address and secret from what is done."""
    await connection.execute(
        "INSERT INTO forgotten_accounts (account_id) VALUES ($1) ON CONFLICT DO NOTHING", account_id
    )
    await connection.execute("DELETE FROM addressees WHERE account_id = $1", account_id)
    await connection.execute(
        "DELETE FROM mails WHERE account_id = $1 AND state IN ('pending', 'sending')", account_id
    )
    await connection.execute(
        "UPDATE mails SET recipient = NULL, sealed_secret = NULL WHERE account_id = $1", account_id
    )
