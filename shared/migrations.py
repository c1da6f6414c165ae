"""Forward-only SQL migrations, a separate step under an advisory lock, one transaction per file.

Files are named NNNN_verb_what.sql and never change once applied (their SHA-256 is kept). They run as the
schema's owner; the runtime role gets its rights by GRANT in the file that creates a table. A service
calls `check_schema` at start and refuses a schema that it does not know, older or newer.
"""

import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import asyncpg

from shared.errors import PartMissing
from shared.postgres import Connection, Pool

NAME = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")
LOCK_WAIT_SECONDS = 60
LOCK_KEY = "promptly.migrate"


class SchemaMismatch(PartMissing):
    """The database's schema is not the one this code was written for."""

    part = "schema"


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return sha256(self.sql.encode()).hexdigest()


def list_migrations(folder: Path) -> list[Migration]:
    """In order of their names. Raises ValueError on a file that does not follow the naming rule."""
    paths = sorted(folder.glob("*.sql"))
    for path in paths:
        if not NAME.match(path.name):
            raise ValueError(f"{path.name}: migrations are named NNNN_verb_what.sql")
    return [Migration(path.name, path.read_text(encoding="utf-8")) for path in paths]


async def migrate(dsn: str, folder: Path) -> list[str]:
    """Apply what is missing, as the owner role; the names applied. Raises SchemaMismatch."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
        await connection.execute(
            "SELECT pg_advisory_lock(hashtext($1), hashtext(current_schema()))", LOCK_KEY
        )
        await _create_register(connection)
        return await _apply_missing(connection, list_migrations(folder))
    finally:
        await connection.close()


async def check_schema(pool: Pool, folder: Path) -> None:
    """Raises SchemaMismatch, with the remedy, unless exactly the migrations in `folder` are applied."""
    known = list_migrations(folder)
    async with pool.acquire() as connection:
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
            raise SchemaMismatch("the database has no schema yet: run the migrations first (make migrate)")
        applied = await _applied_digests(connection)
    missing = [each.name for each in known if each.name not in applied]
    if missing:
        raise SchemaMismatch(f"{missing[0]} is not applied: run the migrations first (make migrate)")
    _refuse_foreign(known, applied)


async def _create_register(connection: Connection) -> None:
    await connection.execute(
        """
        CREATE TABLE IF NOT EXISTS schema_migrations (
            name text PRIMARY KEY,
            sha256 text NOT NULL,
            applied_at timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    runtime_role = await connection.fetchval("SELECT current_schema()")
    await connection.execute(f'GRANT SELECT ON schema_migrations TO "{runtime_role}"')


async def _apply_missing(connection: Connection, known: list[Migration]) -> list[str]:
    applied = await _applied_digests(connection)
    _refuse_foreign(known, applied)
    missing = [each for each in known if each.name not in applied]
    for migration in missing:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)",
                migration.name,
                migration.digest,
            )
    return [each.name for each in missing]


async def _applied_digests(connection: Connection) -> dict[str, str]:
    rows = await connection.fetch("SELECT name, sha256 FROM schema_migrations")
    return {row["name"]: row["sha256"] for row in rows}


def _refuse_foreign(known: list[Migration], applied: dict[str, str]) -> None:
    digests = {each.name: each.digest for each in known}
    for name, digest in applied.items():
        if name not in digests:
            raise SchemaMismatch(f"{name} is applied but unknown here: this code is older than the database")
        if digests[name] != digest:
            raise SchemaMismatch(f"{name} was changed after it was applied: add a new migration instead")
