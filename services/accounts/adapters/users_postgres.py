"""Users in PostgreSQL as the operator looks for them: by number, address, part of an address, or key."""

from collections.abc import Sequence

import asyncpg

from services.accounts.domain.users import User
from shared.ids import AccountId
from shared.postgres import Pool

ORDERS = {
    ("joined", True): "user_id DESC",
    ("joined", False): "user_id",
    ("email", True): "email DESC",
    ("email", False): "email",
}
"""All the orders there are: nothing that somebody typed reaches the statement."""


async def list_users(
    pool: Pool, search: str, *, sort_by: str, descending: bool, offset: int, limit: int
) -> list[User]:
    """Erased accounts are nobody any more. `search`: a part of the address, or how a key begins."""
    statement = """
        SELECT user_id, account_id, email, created_at, blocked_at, (
            SELECT display FROM api_keys
            WHERE api_keys.account_id = page.account_id AND state = 'active'
            ORDER BY kind DESC, created_at DESC LIMIT 1
        ) AS display
        FROM (
            SELECT user_id, account_id, email, created_at, blocked_at FROM accounts
            WHERE deleted_at IS NULL AND ($1 = '' OR position($1 IN lower(email)) > 0 OR account_id = $2)
            ORDER BY {order} LIMIT $3 OFFSET $4
        ) AS page
        ORDER BY {order}
        """.replace("{order}", ORDERS[sort_by, descending])
    rows = await pool.fetch(statement, search.lower(), _account_id_in(search), limit, offset)
    return [_user(row) for row in rows]


async def list_by_id(pool: Pool, account_ids: Sequence[AccountId]) -> list[User]:
    """In the order of the ids; erased ones are left out."""
    rows = await pool.fetch(
        """
        SELECT user_id, account_id, email, created_at, blocked_at, (
            SELECT display FROM api_keys
            WHERE api_keys.account_id = accounts.account_id AND state = 'active'
            ORDER BY kind DESC, created_at DESC LIMIT 1
        ) AS display
        FROM unnest($1::text[]) WITH ORDINALITY AS wanted (account_id, place) JOIN accounts USING (account_id)
        WHERE deleted_at IS NULL ORDER BY place
        """,
        account_ids,
    )
    return [_user(row) for row in rows]


async def count_users(pool: Pool, search: str) -> int:
    found: int = await pool.fetchval(
        """
        SELECT count(*) FROM accounts
        WHERE deleted_at IS NULL AND ($1 = '' OR position($1 IN lower(email)) > 0 OR account_id = $2)
        """,
        search.lower(),
        _account_id_in(search),
    )
    return found


async def find_by_number(pool: Pool, user_id: int) -> User | None:
    row = await pool.fetchrow(
        """
        SELECT user_id, account_id, email, created_at, blocked_at, NULL AS display FROM accounts
        WHERE user_id = $1 AND deleted_at IS NULL
        """,
        user_id,
    )
    return None if row is None else _user(row)


async def find_by_address(pool: Pool, email: str) -> User | None:
    row = await pool.fetchrow(
        """
        SELECT user_id, account_id, email, created_at, blocked_at, NULL AS display FROM accounts
        WHERE email = $1 AND deleted_at IS NULL
        """,
        email,
    )
    return None if row is None else _user(row)


def _account_id_in(search: str) -> str:
    """The account of a key that was pasted whole or in part, or the account id itself."""
    return search.removeprefix("sk-")[:8]


def _user(row: asyncpg.Record) -> User:
    return User(
        user_id=row["user_id"],
        account_id=AccountId(row["account_id"]),
        email=row["email"],
        key_display=row["display"],
        joined_at=row["created_at"],
        blocked_at=row["blocked_at"],
    )
