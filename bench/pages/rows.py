"""The rows of a large system, made by the database itself: what 100,000 users would have left there in 45 days.

One of them, the busiest, has more requests than a thousand others together. Of the ledger's entries only those of
grants are made, and of the busiest user's requests: nobody's page reads another's. What was bought came to nothing: a
credited order without its events would be looked into."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg

from shared.api_keys import digest_of, display_of, new_api_key
from shared.ids import AccountId

USERS = 100_000
REQUESTS = 10_000_000
BUSIEST_REQUESTS = 200_000
DAYS = 45
BUSIEST = 77_777
KNOWN = (1_234, 45_678, BUSIEST, 99_999)
"""Users whose keys the bench has."""

ACCOUNTS = """
    INSERT INTO accounts.accounts (account_id, email, created_at, registered_at, has_trial)
    SELECT lpad(to_hex(n), 8, '0'), 'user.' || n || '@company-' || n % 997 || '.example', at, at, true
    FROM generate_series(1, $1::int) n, LATERAL (SELECT $2::timestamptz - ($1 - n) * interval '10 minutes' AS at) t
"""
KEYS = """
    INSERT INTO accounts.api_keys (key_id, account_id, digest, display, kind, state, version, mirrored_version, created_at)
    SELECT md5(account_id)::uuid, account_id, encode(sha256(account_id::bytea), 'hex'), 'sk-' || account_id || '…0000',
        'mailed', 'active', 1, 1, created_at
    FROM accounts.accounts
"""
LEDGER = """
    INSERT INTO metering.accounts (account_id, balance, version, mirrored_version, created_at, opened_at)
    SELECT account_id, 20000000 + user_id * 7 % 1000000, 1, 1, created_at, created_at FROM accounts.accounts
"""
GRANTS = """
    INSERT INTO metering.grants (grant_id, account_id, kind, source, tokens, remaining, created_at)
    SELECT md5('paid' || account_id)::uuid, account_id, 'adjustment', 'adjustment:' || account_id,
        25000000, balance, created_at
    FROM metering.accounts
"""
GRANT_ENTRIES = """
    INSERT INTO metering.entries (account_id, grant_id, kind, tokens, created_at)
    SELECT account_id, grant_id, 'grant', tokens, created_at FROM metering.grants
"""
ORDERS = """
    INSERT INTO billing.orders (order_id, account_id, pack, tokens, amount_cents, currency, method, seller, created_at,
        state, changed_at)
    SELECT md5('order' || account_id)::uuid, account_id, 'standard', 25000000, 200, 'usd', 'stripe', 'bench', created_at,
        'expired', created_at
    FROM metering.accounts WHERE right(account_id, 1) IN ('3', '7', 'b', 'f')
"""
USAGE = """
    INSERT INTO metering.usage (request_id, revision, account_id, key_id, endpoint, model, tokens_prompt,
        tokens_completion, tokens_cached, tokens_uncollected, outcome, estimated, admitted_at, ended_at, posted_at)
    SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '70008' || lpad(to_hex(i), 15, '0'))::uuid,
        1, account_id, md5(account_id)::uuid, '/v1/chat/completions', 'a-model.gguf', 100 + i % 900, 50 + i % 400,
        0, 0, 'completed', false, at, at, at
    FROM generate_series($1::bigint, $2::bigint) i, LATERAL (
        SELECT $3::timestamptz + i * $4::interval AS at,
            lpad(to_hex(CASE WHEN i % $6 = 0 THEN $7 ELSE 1 + i * 7919 % $5 END), 8, '0') AS account_id
    ) t
"""
DAILY_USAGE = """
    INSERT INTO metering.daily_usage (account_id, day, model, key_id, requests, tokens_prompt, tokens_completion,
        tokens_cached)
    SELECT account_id, (admitted_at AT TIME ZONE 'UTC')::date, model, key_id, count(*), sum(tokens_prompt),
        sum(tokens_completion), 0
    FROM metering.usage GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
BUSIEST_ENTRIES = """
    INSERT INTO metering.entries (account_id, grant_id, kind, tokens, request_id, revision, created_at)
    SELECT account_id, md5('paid' || account_id)::uuid, 'usage', -tokens_prompt - tokens_completion, request_id, 1, posted_at
    FROM metering.usage WHERE account_id = $1
"""
INDEX = "CREATE INDEX usage_of_account ON metering.usage (account_id, request_id, revision)"
CHUNK = 500_000


@dataclass(frozen=True, slots=True)
class Filling:
    """`pepper` is the services': with it the known users' keys work."""

    connection: asyncpg.Connection
    pepper: bytes

    async def fill(self, now: datetime) -> None:
        """References between rows are not looked at, and an index over all usage is made when they are there."""
        await self.connection.execute("SET session_replication_role = replica; SET work_mem = '256MB'")
        await self._people(now)
        await self._usage(now - timedelta(days=DAYS))
        await self.connection.execute(DAILY_USAGE)
        await self.connection.execute(BUSIEST_ENTRIES, account_id_of(BUSIEST))
        await self.connection.execute("RESET session_replication_role")
        await self.connection.execute("VACUUM (ANALYZE)")

    async def open_keys(self) -> dict[int, str]:
        """A fresh working key for each known user, by number."""
        keys = {number: new_api_key(AccountId(account_id_of(number))) for number in KNOWN}
        for number, key in keys.items():
            await self.connection.execute(
                "UPDATE accounts.api_keys SET digest = $2, display = $3 WHERE account_id = $1",
                account_id_of(number),
                digest_of(key, self.pepper),
                display_of(key),
            )
        return keys

    async def _people(self, now: datetime) -> None:
        await self.connection.execute(ACCOUNTS, USERS, now)
        for statement in (KEYS, LEDGER, GRANTS, GRANT_ENTRIES):
            await self.connection.execute(statement)
        await self.connection.execute(ORDERS)

    async def _usage(self, since: datetime) -> None:
        await self.connection.execute("DROP INDEX metering.usage_of_account")
        step = timedelta(days=DAYS) / (REQUESTS + 1)
        busiest = (USERS, REQUESTS // BUSIEST_REQUESTS, BUSIEST)
        for first in range(1, REQUESTS + 1, CHUNK):
            await self.connection.execute(USAGE, first, first + CHUNK - 1, since, step, *busiest)
        await self.connection.execute(INDEX)


def account_id_of(number: int) -> str:
    return f"{number:08x}"
