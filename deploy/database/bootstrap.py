"""One schema and two roles per service: `<svc>_owner` migrates, `<svc>` serves and may touch nothing else.

Idempotent: run at every start with the superuser's URL. Passwords are set anew each time, so that a
rotated one takes effect. What the runtime role may do to a table is granted by that table's migration."""

from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from deploy.database.step import read, run

SERVICES = ("accounts", "metering", "billing", "notifier")
ROLES = tuple(role for service in SERVICES for role in (f"{service}_owner", service))
# Any number that no other advisory lock of this database uses.
BOOTSTRAP_LOCK = 7_022_001


async def bootstrap(superuser_url: str, passwords: Mapping[str, str]) -> None:
    """`passwords` has one entry per name in ROLES. Raises asyncpg errors as they are."""
    connection = await asyncpg.connect(superuser_url)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1)", BOOTSTRAP_LOCK)
            await _close_to_the_public(connection)
            for role in ROLES:
                await _put_role(connection, role, passwords[role])
            for service in SERVICES:
                await _put_schema(connection, service)
            await connection.execute("CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA accounts")
    finally:
        await connection.close()


def url_of(superuser_url: str, role: str, password: str) -> str:
    """The same server and database, as another role."""
    parts = urlsplit(superuser_url)
    address = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{quote(password, safe='')}@{address}"))


async def _close_to_the_public(connection: asyncpg.Connection) -> None:
    await _run(
        connection,
        "REVOKE ALL ON DATABASE %I FROM PUBLIC",
        await connection.fetchval("SELECT current_database()"),
    )
    await connection.execute("REVOKE ALL ON SCHEMA public FROM PUBLIC")


async def _put_role(connection: asyncpg.Connection, role: str, password: str) -> None:
    if not await connection.fetchval("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", role):
        await _run(connection, "CREATE ROLE %I", role)
    await _run(
        connection,
        "ALTER ROLE %I LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOINHERIT NOREPLICATION NOBYPASSRLS PASSWORD %L",
        role,
        password,
    )
    await _run(connection, "ALTER ROLE %I SET search_path = %I", role, role.removesuffix("_owner"))
    await _run(connection, "ALTER ROLE %I SET timezone = 'UTC'", role)
    await _run(
        connection,
        "GRANT CONNECT ON DATABASE %I TO %I",
        await connection.fetchval("SELECT current_database()"),
        role,
    )


async def _put_schema(connection: asyncpg.Connection, service: str) -> None:
    owner = f"{service}_owner"
    await _run(connection, "CREATE SCHEMA IF NOT EXISTS %I AUTHORIZATION %I", service, owner)
    await _run(connection, "REVOKE ALL ON SCHEMA %I FROM PUBLIC", service)
    await _run(connection, "GRANT USAGE ON SCHEMA %I TO %I", service, service)


async def _run(connection: asyncpg.Connection, statement: str, *names: str) -> None:
    """Statements that define things take no parameters; the server itself quotes the names (%I, %L)."""
    await connection.execute(
        await connection.fetchval("SELECT format($1, VARIADIC $2::text[])", statement, list(names))
    )


def _main() -> None:
    """ACCOUNTS_OWNER_PASSWORD, ACCOUNTS_PASSWORD, and so on."""
    wanted = {role: f"{role.upper()}_PASSWORD" for role in ROLES}
    given = read("DATABASE_URL", *wanted.values())
    run(bootstrap(given["DATABASE_URL"], {role: given[name] for role, name in wanted.items()}))


if __name__ == "__main__":
    _main()
