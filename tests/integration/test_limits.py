"""What is refused, in OpenAI's shape, with the way out."""

import httpx
import pytest

from shared.api_keys import new_account_id, new_api_key
from tests.support.person import Person
from tests.support.stack import Stack

REQUESTS_PER_MINUTE = 60


def error_of(reply: httpx.Response) -> dict[str, str | None]:
    error: dict[str, str | None] = reply.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert len(reply.headers["x-request-id"]) in (32, 36)
    return error


async def test_registering_again_replaces_the_key_at_once_and_keeps_the_balance(person: Person) -> None:
    await person.register()
    await person.ask()
    balance = await person.available()
    old = person.key
    await person.register()
    assert (await person.ask(old)).status_code == 401
    assert (await person.ask()).status_code == 200
    assert await person.available() < balance


async def test_a_spent_balance_is_402_and_says_where_to_pay(person: Person) -> None:
    await person.register()
    answer = await person.ask(
        messages=[{"role": "user", "content": "Tell me a long story."}], max_tokens=4096
    )
    while answer.status_code == 200:
        assert answer.json()["usage"]["total_tokens"] > 0
        answer = await person.ask(messages=[{"role": "user", "content": "Go on."}], max_tokens=4096)
    assert answer.status_code == 402
    assert error_of(answer)["code"] == "insufficient_quota"
    assert "/dashboard" in str(error_of(answer)["message"])
    assert answer.headers["x-should-retry"] == "false"
    assert await person.available() < 100
    async with person.client() as client:
        assert (await client.get("/v1/models")).status_code == 200


async def test_the_sixty_first_request_of_a_minute_is_429(person: Person) -> None:
    await person.register()
    await person.ask()
    async with person.client() as client:
        replies = [await client.get("/v1/models") for _ in range(REQUESTS_PER_MINUTE)]
    assert [reply.status_code for reply in replies].count(429) >= 1
    refused = replies[-1]
    assert error_of(refused)["code"] == "rate_limit_exceeded"
    assert 1 <= int(refused.headers["retry-after"]) <= 60
    assert refused.headers["x-ratelimit-limit-requests"] == str(REQUESTS_PER_MINUTE)


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer sk-wrong", pytest.param(f"Bearer {new_api_key(new_account_id())}", id="unknown")],
)
async def test_a_key_that_does_not_exist_is_401(stack: Stack, authorization: str) -> None:
    async with httpx.AsyncClient(base_url=stack.base_url) as client:
        reply = await client.get("/v1/models", headers={"authorization": authorization})
    assert reply.status_code == 401
    assert error_of(reply)["code"] == "invalid_api_key"


@pytest.mark.parametrize(
    "path", ["/v1/slots", "/v1/props", "/v1/lora-adapters", "/v1/v1/models", "/v1/completion"]
)
async def test_the_upstream_s_other_routes_are_not_there(person: Person, path: str) -> None:
    await person.register()
    async with person.client() as client:
        reply = await client.post(path, json={})
    assert reply.status_code == 404
    assert error_of(reply)["type"] == "invalid_request_error"


@pytest.mark.parametrize("path", ["/internal/keys/refill", "/ready", "/metrics"])
async def test_what_is_internal_cannot_be_reached_from_outside(stack: Stack, path: str) -> None:
    async with httpx.AsyncClient(base_url=stack.base_url) as client:
        assert (await client.get(path)).status_code == 404
        assert (await client.post(path, json={})).status_code in (404, 405)
