"""Which batches of usage are posted, by gateway and number: written with their posting, folded later."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from services.metering.domain.batches import Batch, Gap
from shared.postgres import Connection, Pool


async def add_batches(connection: Connection, batches: Collection[Batch]) -> None:
    """In the transaction that posts them, in their order: two transactions never wait for each other. Adding one
    again changes nothing."""
    await connection.execute(
        """
        INSERT INTO posted_batches (gateway, sequence) SELECT * FROM unnest($1::text[], $2::bigint[])
        ON CONFLICT DO NOTHING
        """,
        *_columns(sorted(batches)),
    )


async def list_posted_through(connection: Connection, batches: Iterable[Batch]) -> set[Batch]:
    """Those of the batches that are posted together with every batch of the same gateway before them."""
    asked = list(batches)
    rows = await connection.fetch(
        """
        SELECT asked.gateway, asked.sequence
        FROM unnest($1::text[], $2::bigint[]) AS asked (gateway, sequence)
        LEFT JOIN gateways USING (gateway)
        LEFT JOIN LATERAL (
            SELECT range_agg(int8range(sequence, sequence, '[]')) AS posted FROM posted_batches
            WHERE gateway = asked.gateway
        ) AS recent ON true
        WHERE int8range(1, asked.sequence, '[]')
            <@ (coalesce(gateways.posted, '{}') + coalesce(recent.posted, '{}'))
        """,
        *_columns(asked),
    )
    return {Batch(row["gateway"], row["sequence"]) for row in rows}


async def list_announced(pool: Pool) -> dict[str, int]:
    """The last batch of every gateway as it said itself, in this Redis or in one that is gone."""
    rows = await pool.fetch("SELECT gateway, announced FROM gateways WHERE announced > 0")
    return {row["gateway"]: row["announced"] for row in rows}


async def fold_posted(connection: Connection, now: datetime) -> None:
    await connection.execute(
        """
        WITH folded AS (DELETE FROM posted_batches RETURNING gateway, sequence)
        INSERT INTO gateways (gateway, posted, seen_at)
        SELECT gateway, range_agg(int8range(sequence, sequence, '[]')), $1 FROM folded
        GROUP BY gateway ORDER BY gateway
        ON CONFLICT (gateway) DO UPDATE
        SET posted = gateways.posted + excluded.posted, seen_at = excluded.seen_at
        """,
        now,
    )


async def announce(connection: Connection, sequences: Mapping[str, int], now: datetime) -> None:
    """It never goes back. A gateway that publishes nothing is seen once an hour."""
    await connection.execute(
        """
        INSERT INTO gateways (gateway, announced, seen_at)
        SELECT said.gateway, said.sequence, $3
        FROM unnest($1::text[], $2::bigint[]) AS said (gateway, sequence) ORDER BY said.gateway
        ON CONFLICT (gateway) DO UPDATE
        SET announced = greatest(gateways.announced, excluded.announced), seen_at = excluded.seen_at
        WHERE gateways.announced < excluded.announced OR gateways.seen_at < excluded.seen_at - interval '1 hour'
        """,
        list(sequences),
        list(sequences.values()),
        now,
    )


async def note_gaps(connection: Connection, now: datetime) -> None:
    """A gap that begins elsewhere than at the last look is a new one."""
    await connection.execute(
        """
        UPDATE gateways
        SET gap_from = missing.first,
            gap_through = CASE WHEN missing.first IS NOT NULL THEN announced END,
            gap_since = CASE WHEN missing.first IS NOT NULL THEN $1::timestamptz END,
            gap_is_reported = false
        FROM (
            SELECT gateway, lower(int8multirange(int8range(1, announced + 1)) - posted) AS first FROM gateways
        ) AS missing
        WHERE missing.gateway = gateways.gateway AND gateways.gap_from IS DISTINCT FROM missing.first
        """,
        now,
    )


async def take_gaps_to_report(connection: Connection, now: datetime, *, after: timedelta) -> list[Gap]:
    """Each gap once, whoever asks."""
    rows = await connection.fetch(
        """
        UPDATE gateways SET gap_is_reported = true WHERE gap_since <= $1 AND NOT gap_is_reported
        RETURNING gateway, gap_from, gap_through
        """,
        now - after,
    )
    return [Gap(**row) for row in rows]


async def give_up_gaps(connection: Connection, now: datetime, *, after: timedelta) -> list[Gap]:
    """From now on as if they were posted."""
    rows = await connection.fetch(
        """
        WITH given_up AS (
            SELECT gateway, gap_from, gap_through FROM gateways WHERE gap_since <= $1 ORDER BY gateway FOR UPDATE
        )
        UPDATE gateways
        SET posted = posted + int8multirange(int8range(given_up.gap_from, given_up.gap_through, '[]')),
            gap_from = NULL, gap_through = NULL, gap_since = NULL
        FROM given_up WHERE gateways.gateway = given_up.gateway
        RETURNING gateways.gateway, given_up.gap_from, given_up.gap_through
        """,
        now - after,
    )
    return [Gap(**row) for row in rows]


async def forget_gateways(connection: Connection, now: datetime, *, unseen_for: timedelta) -> None:
    await connection.execute("DELETE FROM gateways WHERE seen_at <= $1", now - unseen_for)


def _columns(batches: Collection[Batch]) -> tuple[list[str], list[int]]:
    return [batch.gateway for batch in batches], [batch.sequence for batch in batches]
