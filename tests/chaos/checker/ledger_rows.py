"""Reads the ledger, the orders and the mails as the superuser, past every line."""

from collections.abc import Collection
from typing import Any

from tests.chaos.checker.facts import Book, Entry, Grant, Order, Usage

WRITTEN_ABOUT = (
    "accounts.key_issued.v1",
    "accounts.recovery_requested.v1",
    "metering.balance_low.v1",
    "metering.balance_exhausted.v1",
    "metering.trial_ending.v1",
    "billing.purchase_completed.v1",
    "billing.purchase_reversed.v1",
)


async def read_usage(connection: Any, accounts: Collection[str]) -> tuple[Usage, ...]:
    rows = await connection.fetch(
        """
        SELECT DISTINCT ON (request_id)
               request_id::text, account_id, tokens_prompt, tokens_completion, tokens_uncollected, outcome,
               estimated, revision,
               (SELECT -coalesce(sum(tokens), 0) FROM metering.entries
                 WHERE entries.request_id = usage.request_id)::bigint AS tokens_posted
          FROM metering.usage WHERE account_id = ANY($1)
         ORDER BY request_id, revision DESC
        """,
        list(accounts),
    )
    return tuple(Usage(**row) for row in rows)


async def read_entries(connection: Any, accounts: Collection[str]) -> tuple[Entry, ...]:
    rows = await connection.fetch(
        """
        SELECT entry_id, e.account_id, grant_id::text, kind, tokens, e.request_id::text, e.revision, u.admitted_at
          FROM metering.entries e
          LEFT JOIN metering.usage u ON u.request_id = e.request_id AND u.revision = e.revision
         WHERE e.account_id = ANY($1) ORDER BY entry_id
        """,
        list(accounts),
    )
    return tuple(Entry(**row) for row in rows)


async def read_grants(connection: Any, accounts: Collection[str]) -> tuple[Grant, ...]:
    rows = await connection.fetch(
        """
        SELECT grant_id::text, account_id, kind, source, tokens, remaining, expires_at, created_at, is_frozen
          FROM metering.grants WHERE account_id = ANY($1)
        """,
        list(accounts),
    )
    return tuple(Grant(**row) for row in rows)


async def read_books(connection: Any, accounts: Collection[str]) -> tuple[Book, ...]:
    rows = await connection.fetch(
        """
        SELECT a.account_id, a.balance, a.version,
               coalesce(sum(least(p.tokens_to_reverse, g.tokens) - p.tokens_reversed), 0)::bigint AS owed,
               coalesce(bool_or(p.reversal_revision > 0), false) AS was_reversed,
               coalesce(bool_or(p.freeze_revision > 0), false) AS was_frozen,
               coalesce(sum(g.tokens) FILTER (WHERE p.freeze_revision > 0), 0)::bigint AS tokens_frozen
          FROM metering.accounts a
          LEFT JOIN metering.purchases p ON p.account_id = a.account_id AND p.grant_id IS NOT NULL
          LEFT JOIN metering.grants g ON g.grant_id = p.grant_id
         WHERE a.account_id = ANY($1) GROUP BY a.account_id
        """,
        list(accounts),
    )
    return tuple(Book(**row) for row in rows)


async def read_orders(connection: Any, accounts: Collection[str]) -> tuple[Order, ...]:
    rows = await connection.fetch(
        """
        SELECT order_id::text, o.account_id, method, provider_id, o.tokens, amount_cents, state,
               p.tokens_to_reverse, p.is_frozen
          FROM billing.orders o LEFT JOIN metering.purchases p ON p.purchase_id = o.order_id::text
         WHERE o.account_id = ANY($1)
        """,
        list(accounts),
    )
    return tuple(Order(**row) for row in rows)


async def read_mails(connection: Any) -> list[tuple[str, str, str]]:
    rows = await connection.fetch("SELECT event_id::text, kind, state FROM notifier.mails")
    return [(row["event_id"], row["kind"], row["state"]) for row in rows]


async def read_tidings(connection: Any) -> dict[str, str]:
    """By event: what somebody is to be written about."""
    rows = await connection.fetch(
        """
        SELECT id::text, type FROM (
            SELECT id, type FROM accounts.outbox
            UNION ALL SELECT id, type FROM metering.outbox
            UNION ALL SELECT id, type FROM billing.outbox
        ) AS events WHERE type = ANY($1)
        """,
        list(WRITTEN_ABOUT),
    )
    return {row["id"]: row["type"] for row in rows}


async def read_hooks(connection: Any) -> frozenset[str]:
    rows = await connection.fetch("SELECT event_id FROM billing.webhook_events")
    return frozenset(row["event_id"] for row in rows)


async def read_emails(connection: Any) -> frozenset[str]:
    rows = await connection.fetch("SELECT email FROM accounts.accounts WHERE email IS NOT NULL")
    return frozenset(row["email"] for row in rows)


async def read_adjustments(connection: Any) -> dict[str, int]:
    """By id: what the ledger entered for it, gifts and deductions alike."""
    rows = await connection.fetch("SELECT adjustment_id::text, delta FROM metering.adjustments")
    return {row["adjustment_id"]: row["delta"] for row in rows}


async def read_digests(connection: Any) -> dict[int, str]:
    """Of every entry there is: none may ever be another."""
    rows = await connection.fetch("SELECT entry_id, md5(entries::text) AS digest FROM metering.entries")
    return {row["entry_id"]: row["digest"] for row in rows}


async def count_waiting(connection: Any) -> dict[str, int]:
    row = await connection.fetchrow(
        """
        SELECT (SELECT count(*) FROM accounts.outbox WHERE published_at IS NULL) AS "accounts outbox",
               (SELECT count(*) FROM metering.outbox WHERE published_at IS NULL) AS "metering outbox",
               (SELECT count(*) FROM billing.outbox WHERE published_at IS NULL) AS "billing outbox",
               (SELECT count(*) FROM billing.webhook_events WHERE processed_at IS NULL) AS "webhook events",
               (SELECT count(*) FROM metering.lowerings WHERE state = 'open') AS "open deductions",
               (SELECT count(*) FROM metering.accounts WHERE mirrored_version < version) AS "balances to mirror",
               (SELECT count(*) FROM metering.accounts WHERE announced_version < version AND closed_at IS NULL)
                   AS "balances to announce",
               (SELECT count(*) FROM metering.grants WHERE expires_at <= now() AND remaining > 0) AS "grants to expire",
               (SELECT count(*) FROM accounts.api_keys WHERE mirrored_version < version) AS "keys to mirror",
               (SELECT count(*) FROM notifier.mails WHERE state IN ('pending', 'sending')) AS "mails owed"
        """
    )
    return dict(row)


async def list_trespasses(connection: Any) -> tuple[str, ...]:
    """Which role may enter a schema that is not its own."""
    rows = await connection.fetch(
        """
        SELECT role || ' may enter ' || schema AS said
          FROM unnest($1::text[]) AS role, unnest($1::text[]) AS schema
         WHERE role <> schema AND has_schema_privilege(role, schema, 'USAGE')
        """,
        ["accounts", "metering", "billing", "notifier"],
    )
    return tuple(row["said"] for row in rows)
