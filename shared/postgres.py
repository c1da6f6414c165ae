"""One asyncpg pool per service, with the bounds that keep a slow database from piling up work."""

from typing import TYPE_CHECKING, TypeAlias

import asyncpg

from shared.errors import PartMissing

POOL_SIZE_MAX = 10
CONNECT_TIMEOUT_SECONDS = 5
COMMAND_TIMEOUT_SECONDS = 30
"""Longer than any statement of ours; a statement that takes longer is a defect."""

POSTGRES_ERRORS = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError)
"""What a database that is down, or a statement that lost a race, looks like. InternalClientError: an ordered shutdown
says goodbye on an idle connection, and a statement begins before the connection is closed."""

DATABASE_DOWN = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""For a page: what passes by itself once PostgreSQL is back, and is no defect of a statement."""

if TYPE_CHECKING:  # generic only in the stubs
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]
    Connection: TypeAlias = (
        asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    )
else:
    Pool = asyncpg.Pool
    Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy


class DatabaseMissing(PartMissing):
    """PostgreSQL does not answer, or refuses this role."""

    part = "postgres"


async def open_pool(dsn: str, *, service: str) -> Pool:
    """A pool whose sessions are named after the service and see only its schema (the role's search_path).
    Raises DatabaseMissing."""
    try:
        return await asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=POOL_SIZE_MAX,
            timeout=CONNECT_TIMEOUT_SECONDS,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings={"application_name": f"promptly-{service}", "timezone": "UTC"},
        )
    except POSTGRES_ERRORS as error:
        raise DatabaseMissing(f"PostgreSQL does not answer ({type(error).__name__}).") from error


async def answers(pool: Pool) -> None:
    """The readiness probe: raises when the database does not answer within the connect timeout."""
    await pool.fetchval("SELECT 1", timeout=CONNECT_TIMEOUT_SECONDS)
