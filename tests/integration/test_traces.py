"""What the system remembers of a request: its id everywhere, its secrets nowhere."""

from __future__ import annotations

import json

import asyncpg

from shared.redis_client import open_redis
from tests.support.eventually import eventually
from tests.support.person import Person
from tests.support.stack import Stack

CANARY = "canary-quetzalcoatl-7431"
SERVICES = ("gateway", "accounts", "metering", "billing", "notifier")
SCHEMAS = ("accounts", "metering", "billing", "notifier")


def log_lines(stack: Stack, service: str) -> list[dict[str, object]]:
    lines = stack.log(service).read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


async def test_a_registration_can_be_followed_over_http_and_the_bus(stack: Stack, person: Person) -> None:
    page = await person.register()
    request_id = page.headers["x-request-id"]

    async def everybody_tells_of_it() -> bool:
        told = {
            name
            for name in SERVICES
            for line in log_lines(stack, name)
            if line.get("request_id") == request_id
        }
        return {"accounts", "metering", "notifier"} <= told

    await eventually(everybody_tells_of_it, within_seconds=5)


async def test_a_page_that_asks_another_service_hands_its_request_id_on(stack: Stack, person: Person) -> None:
    await person.register()
    request_id = (await person.dashboard()).headers["x-request-id"]
    paths = {
        line.get("path") for line in log_lines(stack, "metering") if line.get("request_id") == request_id
    }
    assert any(str(path).endswith("/balance") for path in paths)


async def test_no_key_and_no_prompt_is_kept_anywhere(stack: Stack, person: Person) -> None:
    await person.register()
    question = [{"role": "user", "content": f"Repeat: {CANARY}"}]
    answer = await person.ask(messages=question, max_tokens=8)
    assert answer.status_code == 200
    await person.ask(messages=question, max_tokens=8, stream=True)
    await person.dashboard()
    await person.ask(key=person.key[:-1] + "0")

    secrets = (
        person.key,
        CANARY,
        stack.admin_key,
        stack.secret("INTERNAL_TOKEN"),
        stack.secret("KEY_PEPPER"),
    )
    places = {
        **everything_logged(stack),
        **await everything_in_postgres(stack),
        **await everything_in_redis(stack),
    }
    assert len(places) > 20
    assert {name for name, text in places.items() for secret in secrets if secret in text} == set()


def everything_logged(stack: Stack) -> dict[str, str]:
    folder = stack.log("gateway").parent
    return {path.name: path.read_text(encoding="utf-8", errors="replace") for path in folder.iterdir()}


async def everything_in_postgres(stack: Stack) -> dict[str, str]:
    connection = await asyncpg.connect(stack.backing.postgres)
    try:
        tables = await connection.fetch(
            "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname = ANY($1)", SCHEMAS
        )
        return {table["name"]: str(await _rows(connection, table["name"])) for table in tables}
    finally:
        await connection.close()


async def everything_in_redis(stack: Stack) -> dict[str, str]:
    redis = open_redis(stack.backing.redis)
    try:
        keys = [key async for key in redis.scan_iter(count=1000)]
        return {key.decode(): f"{key!r} {await redis.dump(key)!r}" for key in keys}
    finally:
        await redis.aclose()


async def _rows(connection: asyncpg.Connection[asyncpg.Record], table: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await connection.fetch(f"SELECT * FROM {table}")]  # noqa: S608 - from pg_tables
