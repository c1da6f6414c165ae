"""Forward-only SQL migrations, a separate step under an advisory lock, one transaction per file.

Files are named NNNN_verb_what.sql and never change once applied (their SHA-256 is kept). They run as the
schema's owner; the runtime role gets its rights by GRANT in the file that creates a table. A service calls
`check_schema` at start: it refuses a schema that lacks what it needs, or that a later version took from it.

Expand, then contract: a file that takes something away says `-- contract: NNNN_name.sql`, the migration since
which no code needs it. Code that knows that one runs on, and starts, with what it does not know yet.
"""

import asyncio
import re
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import asyncpg

from shared.errors import PartMissing
from shared.postgres import Connection, Pool

NAME = re.compile(r"^\d{4}_[a-z0-9_]+\.sql$")
CONTRACT = re.compile(r"^-- contract: (\d{4}_[a-z0-9_]+\.sql)$", re.MULTILINE)
LOCK_WAIT_SECONDS = 60
LOCK_KEY = "promptly.migrate"
TABLE_WAIT_SECONDS = 2
"""Whoever waits for a table keeps all others waiting behind it: briefly then, and again after a pause."""
TABLE_ATTEMPTS_MAX = 20
PAUSE_SECONDS = 1


class SchemaMismatch(PartMissing):
    """The database's schema is not the one this code was written for."""

    part = "schema"


class MigrationFailed(Exception):
    """PostgreSQL refused what a file says; nothing of that file is done."""


@dataclass(frozen=True, slots=True)
class Migration:
    name: str
    sql: str

    @property
    def digest(self) -> str:
        return sha256(self.sql.encode()).hexdigest()

    @property
    def safe_for(self) -> str | None:
        """The migration that code must know to live with this one; None: any code can."""
        marked = CONTRACT.search(self.sql)
        return marked[1] if marked else None


@dataclass(frozen=True, slots=True)
class Applied:
    """As it was when it was applied, maybe by a later version than this."""

    name: str
    digest: str
    safe_for: str | None


def list_migrations(folder: Path) -> list[Migration]:
    """In order of their names. Raises ValueError on a file that does not follow the naming rule."""
    paths = sorted(folder.glob("*.sql"))
    for path in paths:
        if not NAME.match(path.name):
            raise ValueError(f"{path.name}: migrations are named NNNN_verb_what.sql")
    return [Migration(path.name, path.read_text(encoding="utf-8")) for path in paths]


async def migrate(dsn: str, folder: Path) -> list[str]:
    """Apply what is missing, as the owner role; the names applied. Raises SchemaMismatch, MigrationFailed, and
    asyncpg's own of a database that cannot be reached."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"SET lock_timeout = '{LOCK_WAIT_SECONDS}s'")
        await connection.execute(
            "SELECT pg_advisory_lock(hashtext($1), hashtext(current_schema()))", LOCK_KEY
        )
        async with connection.transaction():  # a register that is there may be read
            await _create_register(connection)
        await connection.execute(f"SET lock_timeout = '{TABLE_WAIT_SECONDS}s'")
        return await _apply_missing(connection, list_migrations(folder))
    finally:
        await connection.close()


async def check_schema(pool: Pool, folder: Path) -> None:
    """Raises SchemaMismatch, with the remedy, unless all in `folder` are applied, and beside them only what leaves
    this code all that it needs."""
    known = list_migrations(folder)
    async with pool.acquire() as connection:
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
            raise SchemaMismatch("the database has no schema yet: run the migrations first (make migrate)")
        applied = await _list_applied(connection)
    missing = _missing(known, applied)
    if missing:
        raise SchemaMismatch(f"{missing[0].name} is not applied: run the migrations first (make migrate)")
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
    await connection.execute("ALTER TABLE schema_migrations ADD COLUMN IF NOT EXISTS safe_for text")
    runtime_role = await connection.fetchval("SELECT current_schema()")
    await connection.execute(f'GRANT SELECT ON schema_migrations TO "{runtime_role}"')


async def _apply_missing(connection: Connection, known: list[Migration]) -> list[str]:
    applied = await _list_applied(connection)
    _refuse_foreign(known, applied)
    missing = _missing(known, applied)
    for migration in missing:
        await _apply_patiently(connection, migration)
    return [each.name for each in missing]


async def _apply_patiently(connection: Connection, migration: Migration) -> None:
    for _ in range(TABLE_ATTEMPTS_MAX):
        try:
            return await _apply(connection, migration)
        except asyncpg.LockNotAvailableError:
            await asyncio.sleep(PAUSE_SECONDS)
        except asyncpg.PostgresError as error:
            raise MigrationFailed(f"{migration.name} failed: {error}") from error
    raise SchemaMismatch(
        f"{migration.name} needs a table that is in use, by a backup maybe: run it again later"
    )


async def _apply(connection: Connection, migration: Migration) -> None:
    async with connection.transaction():
        await connection.execute(migration.sql)
        await connection.execute(
            "INSERT INTO schema_migrations (name, sha256, safe_for) VALUES ($1, $2, $3)",
            migration.name,
            migration.digest,
            migration.safe_for,
        )


async def _list_applied(connection: Connection) -> list[Applied]:
    """Also where the register was made before `safe_for` was kept in it."""
    rows = await connection.fetch(
        "SELECT name, sha256, to_jsonb(register) ->> 'safe_for' AS safe_for FROM schema_migrations AS register"
    )
    return [Applied(row["name"], row["sha256"], row["safe_for"]) for row in rows]


def _missing(known: list[Migration], applied: list[Applied]) -> list[Migration]:
    there = {each.name for each in applied}
    return [each for each in known if each.name not in there]


def _refuse_foreign(known: list[Migration], applied: list[Applied]) -> None:
    digests = {each.name: each.digest for each in known}
    for each in applied:
        if each.name in digests and digests[each.name] != each.digest:
            raise SchemaMismatch(f"{each.name} was changed after it was applied: add a new migration instead")
        if each.name not in digests and each.safe_for is not None and each.safe_for not in digests:
            raise SchemaMismatch(
                f"{each.name} is applied and took away what code without {each.safe_for} needs: "
                "this code is older than the database"
            )
