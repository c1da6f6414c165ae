"""What the ledger says, read as the superuser: every account's last word on each request, entries and grants."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg

from shared.ids import AccountId


@dataclass(frozen=True, slots=True)
class Usage:
    """The latest revision of one request, and how many were posted. `tokens_posted`: its entries' sum."""

    account_id: str
    tokens_prompt: int
    tokens_completion: int
    tokens_uncollected: int
    outcome: str
    estimated: bool
    revision: int
    revisions: int
    tokens_posted: int

    @property
    def tokens(self) -> int:
        return self.tokens_prompt + self.tokens_completion


@dataclass(frozen=True, slots=True)
class Account:
    """`tokens_entered` is the sum of its entries, `tokens_remaining` what its grants still have."""

    account_id: str
    balance: int
    tokens_granted: int
    tokens_entered: int
    tokens_remaining: int


class Ledger:
    def __init__(self, postgres_url: str) -> None:
        self._postgres_url = postgres_url

    async def usage(self, of: Iterable[AccountId]) -> list[Usage]:
        rows = await self._fetch(
            """
            SELECT DISTINCT ON (request_id)
                   account_id, tokens_prompt, tokens_completion, tokens_uncollected, outcome, estimated,
                   revision, count(*) OVER (PARTITION BY request_id) AS revisions,
                   (SELECT -coalesce(sum(tokens), 0) FROM metering.entries
                     WHERE entries.request_id = usage.request_id)::bigint AS tokens_posted
              FROM metering.usage
             WHERE account_id = ANY($1)
             ORDER BY request_id, revision DESC
            """,
            list(of),
        )
        return [Usage(**row) for row in rows]

    async def accounts(self, of: Iterable[AccountId]) -> list[Account]:
        rows = await self._fetch(
            """
            SELECT account_id, balance,
                   (SELECT coalesce(sum(tokens), 0) FROM metering.grants
                     WHERE grants.account_id = accounts.account_id)::bigint AS tokens_granted,
                   (SELECT coalesce(sum(tokens), 0) FROM metering.entries
                     WHERE entries.account_id = accounts.account_id)::bigint AS tokens_entered,
                   (SELECT coalesce(sum(remaining), 0) FROM metering.grants
                     WHERE grants.account_id = accounts.account_id)::bigint AS tokens_remaining
              FROM metering.accounts
             WHERE account_id = ANY($1)
            """,
            list(of),
        )
        return [Account(**row) for row in rows]

    async def _fetch(self, statement: str, *parameters: Any) -> list[dict[str, Any]]:
        async with _connected(self._postgres_url) as connection:
            return [dict(row) for row in await connection.fetch(statement, *parameters)]


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    connection = await asyncpg.connect(url)
    try:
        yield connection
    finally:
        await connection.close()
