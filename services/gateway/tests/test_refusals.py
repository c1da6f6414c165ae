"""Who is turned away, in which order, with which way out; and that a refusal costs nothing."""

import asyncio
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import (
    Account,
    available,
    new_account,
    open_account,
)
from services.gateway.tests.support.chat import (
    CHAT,
    QUESTION,
    error_of,
)
from services.gateway.tests.support.owners import Owners
from shared.admission.key_records import KeyRecord, KeyState, put_key
from shared.api_keys import new_api_key
from shared.ids import AccountId
from tests.support.upstream import PARIS, Script, StandInUpstream

BAD = {"messages": [], "n_predict": 5}
KEY_AND_MORE = new_api_key(AccountId("Ab3dE5gH")) + "x"


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer sk-wrong", "Basic abc", pytest.param(f"Bearer {KEY_AND_MORE}", id="longer")],
)
async def test_a_missing_or_malformed_key_is_401_without_a_look_up(
    authorization: str | None, gateway: httpx.AsyncClient, owners: Owners
) -> None:
    asked_before = owners.asked_for_keys
    headers = {} if authorization is None else {"authorization": authorization}
    reply = await gateway.post(CHAT, json=QUESTION, headers=headers)
    assert (reply.status_code, error_of(reply)["code"]) == (401, "invalid_api_key")
    assert owners.asked_for_keys == asked_before


async def test_an_unknown_key_is_401_and_asked_for_once(gateway: httpx.AsyncClient, owners: Owners) -> None:
    account, asked_before = new_account(), owners.asked_for_keys
    for _ in range(3):
        reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
        assert (reply.status_code, error_of(reply)["code"]) == (401, "invalid_api_key")
        assert account.key not in reply.text
    assert owners.asked_for_keys == asked_before + 1


async def test_a_revoked_key_is_401(gateway: httpx.AsyncClient, account: Account, redis: Redis) -> None:
    record = account.key_record
    tombstone = KeyRecord(
        record.digest, record.account_id, record.key_id, KeyState.REVOKED, 2, record.limit_per_minute, 1
    )
    await put_key(redis, tombstone)
    reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (401, "invalid_api_key")


async def test_the_order_is_address_key_rate_body_money(
    start_gateway: GatewayFactory, redis: Redis, upstream: StandInUpstream
) -> None:
    poor = await open_account(redis, tokens=0, limit_per_minute=2)
    gateway = await start_gateway(inference_ip_rate_limit=6)
    statuses = [
        (await gateway.post(CHAT, json=BAD, headers={"authorization": "Bearer sk-x"})).status_code,
        (await gateway.post(CHAT, json=BAD, headers=poor.headers)).status_code,
        (await gateway.post(CHAT, json=QUESTION, headers=poor.headers)).status_code,
        (await gateway.post(CHAT, content=b"{", headers=poor.headers)).status_code,
        (await gateway.post(CHAT, json=QUESTION, headers=poor.headers)).status_code,
        (await gateway.post(CHAT, json=BAD, headers=poor.headers)).status_code,
        (await gateway.post(CHAT, json=BAD, headers={"authorization": "Bearer sk-x"})).status_code,
    ]
    assert statuses == [401, 400, 402, 400, 429, 429, 429]
    assert upstream.generations == []


async def test_the_address_limit_says_when_to_come_back(
    start_gateway: GatewayFactory, account: Account
) -> None:
    gateway = await start_gateway(inference_ip_rate_limit=1)
    assert (await gateway.get("/v1/balance", headers=account.headers)).status_code == 200
    reply = await gateway.get("/v1/balance", headers=account.headers)
    assert (reply.status_code, error_of(reply)["code"]) == (429, "rate_limit_exceeded")
    assert 55 <= int(reply.headers["retry-after"]) <= 61


async def test_the_keys_limit_is_told_in_headers_on_every_answer(
    gateway: httpx.AsyncClient, redis: Redis
) -> None:
    account = await open_account(redis, tokens=10_000, limit_per_minute=2)
    replies = [await gateway.post(CHAT, json=QUESTION, headers=account.headers) for _ in range(3)]
    assert [reply.status_code for reply in replies] == [200, 200, 429]
    assert [reply.headers["x-ratelimit-limit-requests"] for reply in replies] == ["2", "2", "2"]
    assert [reply.headers["x-ratelimit-remaining-requests"] for reply in replies] == ["1", "0", "0"]
    assert replies[0].headers["x-ratelimit-reset-requests"] == "1m0s"
    assert 55 <= int(replies[2].headers["retry-after"]) <= 61
    assert error_of(replies[2])["type"] == "rate_limit_exceeded"


async def test_a_full_queue_and_a_long_wait_are_503_and_cost_nothing(
    start_gateway: GatewayFactory, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(upstream_concurrency=1, queue_length_max=1, queue_timeout_seconds=0.3)
    upstream.script = Script(pauses_after=0)
    calls = [
        asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers)) for _ in range(3)
    ]
    statuses = []
    for call in asyncio.as_completed(calls):
        reply = await call
        statuses.append(reply.status_code)
        if reply.status_code == 503:
            assert error_of(reply)["code"] == "overloaded"
            assert int(reply.headers["retry-after"]) >= 1
        if len(statuses) == 2:
            upstream.resume.set()
    assert statuses == [503, 503, 200]
    assert await available(redis, account) == 100_000 - 5 - len(PARIS)


async def test_paths_and_methods_that_do_not_exist_are_told_apart(gateway: httpx.AsyncClient) -> None:
    for path in (
        "/v1",
        "/v1/",
        "/v1/slots",
        "/v1/v1/models",
        "/v1/messages",
        "/v1/tokenize",
        "/v1/rerank",
        "/v1/chat/completions/input_tokens",
    ):
        assert ((reply := await gateway.post(path)).status_code, bool(error_of(reply))) == (404, True)
    reply = await gateway.get(CHAT)
    assert (reply.status_code, error_of(reply)["code"], reply.headers["allow"]) == (
        405,
        "method_not_allowed",
        "POST",
    )
    assert (await gateway.delete("/v1/models")).status_code == 405


async def test_a_body_over_the_bound_is_413(gateway: httpx.AsyncClient, account: Account) -> None:
    async def endless() -> Any:
        for _ in range(9):
            yield b" " * (1 << 20)

    for content in (b" " * (9 << 20), endless()):
        reply = await gateway.post(CHAT, content=content, headers=account.headers)
        assert (reply.status_code, error_of(reply)["code"]) == (413, "request_too_large")


async def test_a_hostile_field_name_cannot_break_the_answers_headers(
    gateway: httpx.AsyncClient, account: Account
) -> None:
    body = QUESTION | {"a\r\nset-cookie: x": 1, "ключ": 2, "b" * 500: 3}
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    assert reply.status_code == 200
    assert "set-cookie" not in reply.headers
    assert reply.headers["x-ignored-fields"].startswith("a\\r\\nset-cookie: x, ")
