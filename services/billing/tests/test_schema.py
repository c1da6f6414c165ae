"""Billing's database role: its own schema, and nothing of the others."""

import asyncpg
import pytest

from tests.support.servers import DatabaseFactory


async def test_the_role_touches_no_other_schema(database: DatabaseFactory) -> None:
    await database("metering")
    billing = await database("billing")
    connection = await asyncpg.connect(billing.url)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SELECT FROM metering.outbox")
    finally:
        await connection.close()


async def test_the_role_defines_nothing(database: DatabaseFactory) -> None:
    connection = await asyncpg.connect((await database("billing")).url)
    try:
        for statement in (
            "CREATE TABLE mine (id int)",
            "DROP TABLE outbox",
            "CREATE TABLE public.mine (id int)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()
