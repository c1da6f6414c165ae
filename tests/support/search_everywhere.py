"""Looks for a text in everything that the system keeps: tables of all schemas, Redis, the broker's disk, log files."""

from collections.abc import Sequence
from pathlib import Path

import asyncpg
from redis.asyncio import Redis

from tests.support.broker_disk import files_on_disk

SCHEMAS = ("accounts", "metering", "billing", "notifier")


async def places_of(text: str, *, postgres_url: str, redis_url: str, amqp_url: str, logs: Path) -> list[str]:
    return [
        *await tables_with(text, postgres_url, SCHEMAS),
        *await _redis_names(text, redis_url),
        *(f"rabbitmq: {name}" for name in files_on_disk(text, amqp_url)),
        *_files(text, logs),
    ]


async def tables_with(text: str, postgres_url: str, schemas: Sequence[str]) -> list[str]:
    connection = await asyncpg.connect(postgres_url)
    try:
        tables = await connection.fetch(
            "SELECT schemaname, tablename FROM pg_tables WHERE schemaname = ANY ($1)", schemas
        )
        names = [f'"{each["schemaname"]}"."{each["tablename"]}"' for each in tables]
        return [
            name
            for name in names
            if await connection.fetchval(
                f"SELECT EXISTS (SELECT FROM {name} t WHERE position($1 IN t::text) > 0)",  # noqa: S608
                text,
            )
        ]
    finally:
        await connection.close()


async def _redis_names(text: str, redis_url: str) -> list[str]:
    client = Redis.from_url(redis_url)
    try:
        return [
            str(name)
            async for name in client.scan_iter("*")
            if text.encode() in name + (await client.dump(name) or b"")
        ]
    finally:
        await client.aclose()


def _files(text: str, logs: Path) -> list[str]:
    return [path.name for path in logs.glob("*.log") if text in path.read_text(errors="replace")]
