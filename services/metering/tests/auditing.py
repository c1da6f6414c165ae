"""An audit of a ledger, a Redis and neighbours that are the test's, and faults planted behind their backs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
from redis.asyncio import Redis

from services.metering.domain.audit.findings import Report
from services.metering.domain.audit.table import exit_code
from services.metering.tests.building import Books
from services.metering.tests.gateway import Gateway
from services.metering.tests.neighbours import Neighbours, clients
from services.metering.use_cases.audit.run_audit import Patience, Sources, run_audit
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from shared.ids import AccountId
from shared.postgres import Pool

AT_ONCE = Patience(between_looks_seconds=0.05, in_flight_seconds=0)
"""Nothing is on its way in these tests unless they say so."""


@dataclass
class System:
    """A small system at rest."""

    books: Books
    gateway: Gateway
    redis: Redis
    neighbours: Neighbours
    neighbours_url: str
    sources: Sources

    @property
    def pool(self) -> Pool:
        return self.books.pool

    async def open_account(self, *, trial: int = 1000, paid: int = 0) -> AccountId:
        account_id = await self.gateway.open_account(self.books, trial=trial, paid=paid)
        self.neighbours.register(account_id)
        await self.know_orders()
        return account_id

    async def know_orders(self) -> None:
        """Every purchase that is in the ledger was made at billing."""
        rows = await self.pool.fetch("SELECT account_id, source, tokens FROM grants WHERE kind = 'purchase'")
        for row in rows:
            self.neighbours.sell(row["account_id"], row["source"].removeprefix("purchase:"), row["tokens"])

    async def use(self, account_id: AccountId, tokens: int) -> None:
        """One request from its admission to the mirror."""
        request_id = await self.gateway.admit(account_id, tokens)
        await self.gateway.settle(account_id, request_id, tokens)
        await self.catch_up()

    async def catch_up(self) -> None:
        """What was settled is posted, what was posted is mirrored."""
        if records := await self.gateway.publish():
            await self.books.post(*records)
        await mirror_changed_accounts(self.pool, self.redis)

    async def audit(self, patience: Patience = AT_ONCE, **changes: Any) -> Report:
        return await run_audit(replace(self.sources, **changes), lambda _: None, patience)

    async def findings(self, patience: Patience = AT_ONCE) -> list[str]:
        """As `check subject: text`; the exit code says whether there are any."""
        report = await self.audit(patience)
        assert exit_code(report) == (1 if told(report) else 0)
        return told(report)


def told(report: Report) -> list[str]:
    return [
        f"{check} {each.subject}: {each.text}"
        for check, result in report.results.items()
        for each in result.findings
    ]


@asynccontextmanager
async def system(
    books: Books, redis: Redis, amqp_url: str, neighbours: Neighbours, url: str
) -> AsyncIterator[System]:
    async with clients(url, url) as (accounts, billing):
        sources = Sources(books.pool, redis, amqp_url, accounts, billing)
        yield System(books, Gateway(redis), redis, neighbours, url, sources)


class Vandal:
    """Does as the superuser what nobody may do."""

    def __init__(self, superuser_url: str) -> None:
        self._url = superuser_url

    async def sql(self, *statements: str) -> None:
        connection = await asyncpg.connect(self._url, server_settings={"search_path": "metering"})
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def empty(self) -> None:
        """A ledger that nobody has written to."""
        await self.sql(
            """
            TRUNCATE accounts, grants, entries, usage, daily_usage, account_ranks, system_days, purchases,
                adjustments, lowerings, posted_batches, gateways, outbox, inbox, entry_notes, counter_readings,
                audits RESTART IDENTITY
            """
        )
