"""What is on its way through metering and for how long (I10), the readings of counters (I4), results of audits."""

import json
from datetime import datetime
from typing import Any, NamedTuple

from services.metering.domain.audit.generations import Counters, Since
from shared.postgres import Connection, Pool

AUDITS_KEPT = 1000


class Waiting(NamedTuple):
    """Something that should have gone on long ago."""

    what: str
    since: datetime


class Audited(NamedTuple):
    began_at: datetime
    results: dict[str, Any]


async def list_waiting(pool: Pool, *, before: datetime, lowerings_before: datetime) -> list[Waiting]:
    rows = await pool.fetch(
        """
        SELECT 'batches ' || gap_from || ' to ' || gap_through || ' of ' || gateway AS what, gap_since AS since
        FROM gateways WHERE gap_since < $1
        UNION ALL
        (SELECT 'event ' || id || ' (' || type || ') in the outbox', created_at FROM outbox
        WHERE published_at IS NULL AND created_at < $1 ORDER BY id LIMIT 100)
        UNION ALL
        (SELECT 'deduction ' || lowering_id || ' of ' || tokens || ' from ' || account_id, began_at FROM lowerings
        WHERE state = 'open' AND began_at < $2 ORDER BY began_at LIMIT 100)
        """,
        before,
        lowerings_before,
    )
    return [Waiting(**row) for row in rows]


async def read_since(pool: Pool) -> tuple[Since, Counters] | None:
    """What to compare with, and the last reading."""
    row = await pool.fetchrow(
        """
        SELECT since_at, since_prompt, since_completion, last_prompt, last_completion, last_servers
        FROM counter_readings
        """
    )
    if row is None:
        return None
    since = Since(row["since_at"], Counters(row["since_prompt"], row["since_completion"]))
    return since, Counters(row["last_prompt"], row["last_completion"], row["last_servers"])


async def begin_readings(pool: Pool, since: Since) -> None:
    await pool.execute(
        """
        INSERT INTO counter_readings (
            since_at, since_prompt, since_completion, last_prompt, last_completion, last_servers
        ) VALUES ($1, $2, $3, $2, $3, $4)
        ON CONFLICT (is_only) DO UPDATE SET since_at = excluded.since_at,
            since_prompt = excluded.since_prompt, since_completion = excluded.since_completion,
            last_prompt = excluded.last_prompt, last_completion = excluded.last_completion,
            last_servers = excluded.last_servers
        """,
        since.read_at,
        since.counters.prompt,
        since.counters.completion,
        since.counters.servers,
    )


async def keep_reading(pool: Pool, counters: Counters) -> None:
    await pool.execute(
        "UPDATE counter_readings SET last_prompt = $1, last_completion = $2, last_servers = $3",
        counters.prompt,
        counters.completion,
        counters.servers,
    )


async def sum_completed(pool: Pool, since: datetime) -> Counters:
    """Of answers admitted since then that the model server itself counted."""
    row = await pool.fetchrow(
        """
        SELECT coalesce(sum(tokens_prompt), 0)::bigint AS prompt,
            coalesce(sum(tokens_completion), 0)::bigint AS completion
        FROM usage
        WHERE request_id >= first_request_id($1::timestamptz - interval '1 hour') AND admitted_at >= $1
            AND outcome = 'completed' AND NOT estimated
        """,
        since,
    )
    assert row is not None
    return Counters(**row)


async def take_turn(connection: Connection) -> bool:
    """False while another replica audits. Held until the connection lets go."""
    taken: bool = await connection.fetchval(
        "SELECT pg_try_advisory_lock(hashtext('metering'), hashtext('audit'))"
    )
    return taken


async def let_go(connection: Connection) -> None:
    await connection.execute("SELECT pg_advisory_unlock(hashtext('metering'), hashtext('audit'))")


async def find_last_audit(pool: Pool) -> Audited | None:
    row = await pool.fetchrow("SELECT began_at, results FROM audits ORDER BY audit_id DESC LIMIT 1")
    return None if row is None else Audited(row["began_at"], json.loads(row["results"]))


async def add_audit(pool: Pool, began_at: datetime, ended_at: datetime, results: dict[str, Any]) -> None:
    """The oldest beyond AUDITS_KEPT are forgotten."""
    await pool.execute(
        "INSERT INTO audits (began_at, ended_at, results) VALUES ($1, $2, $3)",
        began_at,
        ended_at,
        json.dumps(results),
    )
    await pool.execute(
        "DELETE FROM audits WHERE audit_id <= (SELECT max(audit_id) FROM audits) - $1::bigint", AUDITS_KEPT
    )
