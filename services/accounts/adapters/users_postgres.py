"""Users in PostgreSQL as the operator looks for them: by number, address, part of an address, or key."""

import re
from collections.abc import Sequence
from typing import NamedTuple

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
COLUMNS = {"joined": "user_id", "email": "email"}


class Match(NamedTuple):
    account_id: AccountId
    email: str


async def list_users(pool: Pool, *, sort_by: str, descending: bool, offset: int, limit: int) -> list[User]:
    """What is passed over is read in an index alone. Erased accounts are nobody any more."""
    statement = """
        SELECT user_id, account_id, email, created_at, blocked_at, (
            SELECT display FROM api_keys
            WHERE api_keys.account_id = accounts.account_id AND state = 'active'
            ORDER BY kind DESC, created_at DESC LIMIT 1
        ) AS display
        FROM accounts JOIN (
            SELECT {column} FROM accounts WHERE email IS NOT NULL ORDER BY {order} LIMIT $1 OFFSET $2
        ) AS page USING ({column})
        ORDER BY {order}
        """.replace("{order}", ORDERS[sort_by, descending]).replace("{column}", COLUMNS[sort_by])
    return [_user(row) for row in await pool.fetch(statement, limit, offset)]


async def search(pool: Pool, text: str, *, limit: int) -> list[Match]:
    """The newest of those whose address has the text in it, or whose key begins with it."""
    rows = await pool.fetch(
        """
        SELECT account_id, email FROM accounts
        WHERE email IS NOT NULL AND (email ILIKE $1 OR account_id = $2)
        ORDER BY user_id DESC LIMIT $3
        """,
        f"%{_literal(text)}%",
        _account_id_in(text),
        limit,
    )
    return [Match(AccountId(row["account_id"]), row["email"]) for row in rows]


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


async def count_users(pool: Pool) -> int:
    found: int = await pool.fetchval("SELECT count(*) FROM accounts WHERE email IS NOT NULL")
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


def _literal(text: str) -> str:
    """As LIKE finds it: nothing in it stands for anything else."""
    return re.sub(r"([\\\\%_])", r"\\\1", text)


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
