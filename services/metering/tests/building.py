"""Grants and usage records as tests need them, and the ledger as it really stands."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

from services.metering.adapters.accounts_postgres import list_accounts_to_mirror
from services.metering.adapters.entries_postgres import post_entries
from services.metering.adapters.grants_postgres import add_grant
from services.metering.domain.acceptance import Refused
from services.metering.domain.batches import Batch
from services.metering.domain.entries import filling
from services.metering.domain.grants import Grant, GrantKind, NewGrant
from services.metering.domain.postings import Posted
from services.metering.use_cases.grant_trial import grant_trial
from services.metering.use_cases.post_usage import Delivery, post_usage
from shared.api_keys import new_account_id
from shared.clock import utc_now
from shared.contracts.accounts import AccountRegistered, Trial
from shared.contracts.gateway import Outcome, UsageRecord, UsageRecorded
from shared.ids import AccountId, new_uuid7
from shared.postgres import Pool

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
TRIAL_END = datetime(2126, 1, 1, tzinfo=UTC)
"""Far beyond the clocks of the real servers, which some of the tests depend on."""
RETENTION = timedelta(days=400)


def record_for(
    account_id: str = "aB3dE5gH",
    tokens: int = 30,
    *,
    request_id: UUID | None = None,
    revision: int = 2,
    admitted_at: datetime = NOON,
) -> UsageRecord:
    """A record that charges `tokens`, a third of them for the prompt."""
    return UsageRecord(
        request_id=request_id or new_uuid7(),
        account_id=account_id,
        key_id="0197b1c2-0000-7000-8000-000000000001",
        endpoint="/v1/chat/completions",
        model="gemma-3-270m-it-Q4_K_M.gguf",
        tokens_prompt=tokens // 3,
        tokens_completion=tokens - tokens // 3,
        outcome=Outcome.COMPLETED,
        estimated=False,
        revision=revision,
        admitted_at=admitted_at,
        ended_at=admitted_at + timedelta(seconds=1),
    )


def grant_of(remaining: int, *, expires_at: datetime | None = None, created_at: datetime = NOON) -> Grant:
    return Grant(new_uuid7(), remaining, expires_at, created_at)


def as_posted(record: UsageRecord, taken: Mapping[UUID, int]) -> Posted:
    """The record as the ledger has it afterwards."""
    return Posted(
        record.request_id,
        AccountId(record.account_id),
        record.revision,
        record.key_id,
        record.model,
        record.admitted_at,
        record.tokens_prompt,
        record.tokens_completion,
        record.tokens_cached,
        taken,
    )


def registered(account_id: AccountId, *, trial_tokens: int | None = 1000) -> AccountRegistered:
    trial = None if trial_tokens is None else Trial(tokens=trial_tokens, expires_at=TRIAL_END)
    return AccountRegistered(account_id=account_id, email="ada@example.com", trial=trial)


def batch(*records: UsageRecord) -> UsageRecorded:
    return UsageRecorded(gateway="gateway-1", sequence=1, records=records)


@dataclass(frozen=True)
class Stored:
    """One account's rows. `grants`: what remains, by kind; `entries`: (kind, tokens) in the order posted."""

    balance: int
    version: int
    grants: dict[str, int]
    entries: list[tuple[str, int]]
    usage: list[tuple[int, int, int]]
    days: dict[date, tuple[int, int]]

    def assert_it_adds_up(self) -> None:
        assert self.balance == sum(tokens for _, tokens in self.entries)
        assert self.balance == sum(self.grants.values())


class Books:
    """The ledger under test: what happens to it, and what stands in it."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool

    async def open_account(self, *, trial: int | None = 1000, paid: int = 0) -> AccountId:
        account_id = new_account_id()
        await grant_trial(self.pool, new_uuid7(), registered(account_id, trial_tokens=trial), NOON)
        if paid:
            await self.add_paid(account_id, paid)
        return account_id

    async def add_paid(self, account_id: AccountId, tokens: int) -> None:
        grant_id = new_uuid7()
        source = f"purchase:{grant_id}"
        grant = NewGrant(grant_id, account_id, GrantKind.PURCHASE, source, tokens, None, NOON)
        async with self.pool.acquire() as connection, connection.transaction():
            await add_grant(connection, grant)
            await post_entries(connection, {account_id: [filling(grant)]}, NOON)

    async def post(self, *records: UsageRecord, event_id: UUID | None = None) -> None:
        """All of them can be posted."""
        assert await self.post_what_can_be(*records, event_id=event_id) == {}

    async def post_what_can_be(self, *records: UsageRecord, event_id: UUID | None = None) -> Refused:
        return await self.post_deliveries(Delivery(event_id or new_uuid7(), Batch("gateway-1", 1), records))

    async def post_batch(self, gateway: str, sequence: int, *records: UsageRecord) -> None:
        assert await self.post_deliveries(Delivery(new_uuid7(), Batch(gateway, sequence), records)) == {}

    async def post_deliveries(self, *deliveries: Delivery, retention: timedelta = RETENTION) -> Refused:
        """By the clock that made the request ids."""
        return await post_usage(self.pool, deliveries, retention=retention, now=utc_now())

    async def is_to_mirror(self, account_id: AccountId) -> bool:
        return account_id in await list_accounts_to_mirror(self.pool, after=AccountId(""), limit=1000)

    async def stored(self, account_id: AccountId) -> Stored:
        """Also checks that balance, entries and grants agree."""
        stored = await self._read(account_id)
        stored.assert_it_adds_up()
        return stored

    async def _read(self, account_id: AccountId) -> Stored:
        account = await self.pool.fetchrow("SELECT * FROM accounts WHERE account_id = $1", account_id)
        assert account is not None
        grants = await self.pool.fetch("SELECT * FROM grants WHERE account_id = $1", account_id)
        entries = await self.pool.fetch(
            "SELECT * FROM entries WHERE account_id = $1 ORDER BY entry_id", account_id
        )
        usage = await self.pool.fetch(
            "SELECT * FROM usage WHERE account_id = $1 ORDER BY request_id, revision", account_id
        )
        days = await self.pool.fetch(
            """
            SELECT day, sum(requests)::bigint AS requests,
                sum(tokens_prompt + tokens_completion)::bigint AS tokens
            FROM daily_usage WHERE account_id = $1 GROUP BY day
            """,
            account_id,
        )
        return Stored(
            balance=account["balance"],
            version=account["version"],
            grants={
                kind: sum(row["remaining"] for row in grants if row["kind"] == kind)
                for kind in {row["kind"] for row in grants}
            },
            entries=[(row["kind"], row["tokens"]) for row in entries],
            usage=[
                (row["revision"], row["tokens_prompt"] + row["tokens_completion"], row["tokens_uncollected"])
                for row in usage
            ],
            days={row["day"]: (row["requests"], row["tokens"]) for row in days},
        )
