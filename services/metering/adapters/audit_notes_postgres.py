"""Notes of entries (I17), and which rights over the ledger's rows this role has and should not."""

from typing import NamedTuple

from services.metering.domain.audit.rows import Noted, UnlikeNote
from shared.postgres import Connection, Pool

ENTRIES_PER_NOTE = 1000
ROWS_MAX = 1000
APPEND_ONLY = ("entries", "usage", "entry_notes")


class Horizon(NamedTuple):
    """Entries up to `entry_id` are there for good once every transaction before `transaction_id` has ended: until
    then one of them may still add an entry with an id in between."""

    entry_id: int
    transaction_id: int


async def read_horizon(pool: Pool) -> Horizon:
    row = await pool.fetchrow(
        """
        SELECT (SELECT coalesce(max(entry_id), 0) FROM entries) AS entry_id,
            pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS transaction_id
        """
    )
    assert row is not None
    return Horizon(**row)


async def is_reached(connection: Connection, horizon: Horizon) -> bool:
    reached: bool = await connection.fetchval(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint >= $1", horizon.transaction_id
    )
    return reached


async def list_notes(pool: Pool, *, after: int, limit: int) -> list[Noted]:
    rows = await pool.fetch(
        """
        SELECT first_id, last_id, digests, chain FROM entry_notes
        WHERE first_id > $1 ORDER BY first_id LIMIT $2
        """,
        after,
        limit,
    )
    return [Noted(row["first_id"], row["last_id"], tuple(row["digests"]), row["chain"]) for row in rows]


async def list_unlike_notes(pool: Pool, *, first_id: int, last_id: int) -> list[UnlikeNote]:
    rows = await pool.fetch(
        """
        WITH noted AS (
            SELECT note.entry_id, note.digest FROM entry_notes
            CROSS JOIN LATERAL unnest(ids, digests) AS note (entry_id, digest)
            WHERE first_id >= $1 AND last_id <= $2
        ), found AS (
            SELECT entry_id, entry_digest(entries) AS digest FROM entries WHERE entry_id BETWEEN $1 AND $2
        )
        SELECT entry_id, noted.digest AS noted, found.digest AS found
        FROM noted FULL JOIN found USING (entry_id)
        WHERE noted.digest IS DISTINCT FROM found.digest
        ORDER BY entry_id LIMIT $3
        """,
        first_id,
        last_id,
        ROWS_MAX,
    )
    return [UnlikeNote(**row) for row in rows]


async def lock_notes(connection: Connection) -> None:
    """Until the transaction ends: one audit at a time adds to them."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('metering'), hashtext('entry_notes'))")


async def find_last_note(connection: Connection) -> tuple[int, str]:
    """Where it ends, and its chain."""
    row = await connection.fetchrow("SELECT last_id, chain FROM entry_notes ORDER BY first_id DESC LIMIT 1")
    return (0, "") if row is None else (row["last_id"], row["chain"])


async def list_digests(connection: Connection, *, after: int, last_id: int) -> list[tuple[int, int]]:
    """Of the next entries that are not noted: id and digest."""
    rows = await connection.fetch(
        """
        SELECT entry_id, entry_digest(entries) AS digest FROM entries
        WHERE entry_id > $1 AND entry_id <= $2 ORDER BY entry_id LIMIT $3
        """,
        after,
        last_id,
        ENTRIES_PER_NOTE,
    )
    return [(row["entry_id"], row["digest"]) for row in rows]


async def add_note(connection: Connection, note: Noted, ids: list[int]) -> None:
    await connection.execute(
        "INSERT INTO entry_notes (first_id, last_id, ids, digests, chain) VALUES ($1, $2, $3, $4, $5)",
        note.first_id,
        note.last_id,
        ids,
        list(note.digests),
        note.chain,
    )


async def list_excess_rights(pool: Pool) -> list[tuple[str, str]]:
    """What the runtime role could do to rows that never change: nothing, when all is well."""
    rows = await pool.fetch(
        """
        SELECT class.relname AS name, privilege FROM pg_class AS class
        CROSS JOIN unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) AS privilege
        WHERE class.relnamespace = current_schema()::regnamespace AND class.relkind IN ('r', 'p')
            AND (class.relname = ANY($1) OR class.oid IN (
                SELECT inhrelid FROM pg_inherits WHERE inhparent = 'usage'::regclass
            ))
            AND (has_table_privilege(class.oid, privilege)
                OR privilege = 'UPDATE' AND has_any_column_privilege(class.oid, privilege))
        ORDER BY name, privilege
        """,
        list(APPEND_ONLY),
    )
    return [(row["name"], row["privilege"]) for row in rows]
