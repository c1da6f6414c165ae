"""What the system remembers of a request: its id everywhere, its secrets nowhere."""

from __future__ import annotations

import json

import asyncpg

from shared.redis_client import open_redis
from tests.support.eventually import eventually
from tests.support.otlp_receiver import Collector
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


async def test_one_trace_follows_a_request_into_the_ledger(
    stack: Stack, person: Person, collector: Collector
) -> None:
    await person.register()
    reply = await person.ask(max_tokens=4)
    request_id = reply.headers["x-request-id"]

    async def all_have_told() -> bool:
        return {"settle", "post usage"} <= {span.name for span in collector.of_request(request_id)}

    await eventually(all_have_told, within_seconds=10)
    told = {span.name: span for span in collector.of_request(request_id)}
    first, settled, posted = told["POST /v1/chat/completions"], told["settle"], told["post usage"]
    assert [span.service for span in (first, settled, posted)] == ["gateway", "gateway", "metering"]
    assert settled.parent_id == posted.parent_id == first.span_id
    assert (
        first.attributes["promptly.account_id"]
        == posted.attributes["promptly.account_id"]
        == person.key[3:11]
    )
    batch = next(
        span for span in collector.spans if span.name == "publish usage" and first.span_id in span.links
    )
    assert batch.service == "gateway"
    assert posted.links == {batch.span_id}
    handled = next(span for span in collector.spans if span.parent_id == batch.span_id)
    assert (handled.service, handled.name) == ("metering", "handle gateway.usage_recorded.v1")


async def test_one_trace_follows_a_registration_to_its_mail(
    stack: Stack, person: Person, collector: Collector
) -> None:
    request_id = (await person.register()).headers["x-request-id"]
    wanted = {
        ("accounts", "POST /register"),
        ("metering", "handle accounts.account_registered.v1"),
        ("notifier", "handle accounts.key_issued.v1"),
        ("notifier", "mail"),
    }

    async def all_have_told() -> bool:
        assert wanted - {(span.service, span.name) for span in collector.of_request(request_id)} == set()
        return True

    await eventually(all_have_told, within_seconds=10)


async def test_one_trace_follows_a_page_to_the_services_that_it_asks(
    stack: Stack, person: Person, collector: Collector
) -> None:
    await person.register()
    request_id = (await person.dashboard()).headers["x-request-id"]

    async def both_have_told() -> bool:
        told = collector.of_request(request_id)
        return {"metering"} < {span.service for span in told} and "GET /dashboard" in {s.name for s in told}

    await eventually(both_have_told, within_seconds=10)
    told = collector.of_request(request_id)
    [page] = [span for span in told if span.name == "GET /dashboard"]
    calls = {span.span_id for span in told if (span.service, span.parent_id) == ("accounts", page.span_id)}
    asked = [span for span in told if span.service == "metering"]
    assert {span.parent_id for span in asked} <= calls
    assert all("{account_id}" in span.attributes["http.route"] for span in asked)


async def test_each_log_line_of_a_request_and_of_its_messages_has_the_same_ids(
    stack: Stack, person: Person
) -> None:
    await person.register()
    asked = (await person.ask(max_tokens=4)).headers["x-request-id"]
    registered = (await person.register()).headers["x-request-id"]

    async def everybody_told() -> bool:
        return bool(lines_of(stack, "notifier", "message_processed", registered))

    await eventually(everybody_told, within_seconds=5)
    [request] = lines_of(stack, "gateway", "request", asked)
    [message, *_] = lines_of(stack, "notifier", "message_processed", registered)
    for line, request_id in ((request, asked), (message, registered)):
        assert line["trace_id"] == request_id.replace("-", "")
        assert line["account_id"] == person.key[3:11]


def lines_of(stack: Stack, service: str, event: str, request_id: str) -> list[dict[str, object]]:
    lines = log_lines(stack, service)
    return [line for line in lines if (line.get("event"), line.get("request_id")) == (event, request_id)]


async def test_no_key_and_no_prompt_is_kept_anywhere(
    stack: Stack, person: Person, collector: Collector
) -> None:
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
        "spans": b"".join(collector.bodies).decode("latin-1"),
    }
    assert person.address not in places["spans"]
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
