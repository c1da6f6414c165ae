"""The schema `operator`: views over all services and `operator.credit`, for the superuser alone (operator.sql).

It reads the tables of several services, so it is made after all their migrations, anew each time; and it is
taken away before them, so that a migration may change what a view shows. Nothing is stored in it."""

import sys
from pathlib import Path

import asyncpg

from deploy.database.step import read, run

SQL = Path(__file__).with_name("operator.sql")


async def put_operator_schema(superuser_url: str) -> None:
    """Idempotent. Raises asyncpg errors as they are, among them that a table is not there yet."""
    connection = await asyncpg.connect(superuser_url)
    try:
        async with connection.transaction():
            await connection.execute(SQL.read_text(encoding="utf-8"))
    finally:
        await connection.close()


async def drop_operator_schema(superuser_url: str) -> None:
    connection = await asyncpg.connect(superuser_url)
    try:
        await connection.execute("DROP SCHEMA IF EXISTS operator CASCADE")
    finally:
        await connection.close()


if __name__ == "__main__":
    act = drop_operator_schema if sys.argv[1:] == ["drop"] else put_operator_schema
    run(act(read("DATABASE_URL")["DATABASE_URL"]))
