"""Who pays when an answer is completed, and when the upstream fails it."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, available, nothing_is_held
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED, until_generating
from services.gateway.tests.support.usage import UsageListener
from shared.contracts.gateway import Outcome
from tests.support.upstream import PARIS, Script, StandInUpstream
from tests.support.upstream_wire import MODEL_NAME

TOKENS = 100_000


async def test_a_whole_answer_is_charged_by_the_upstreams_usage(
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
    [generation] = upstream.generations
    tokens = generation.tokens_prompt + generation.tokens_completion
    assert await available(redis, account) == TOKENS - tokens
    record = await usage.record_of(reply.headers["x-request-id"])
    assert record.tokens == tokens == reply.json()["usage"]["total_tokens"]
    assert (record.outcome, record.estimated, record.model) == (Outcome.COMPLETED, False, MODEL_NAME)
    assert (record.account_id, record.key_id) == (account.account_id, account.key_record.key_id)


async def test_a_whole_answer_waits_for_its_settlement(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=2)
    call = asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers))
    await until_generating(upstream)
    loop = asyncio.get_running_loop()
    paused_at = loop.time()
    await redis.client_pause(300, all=False)
    upstream.resume.set()
    assert (await call).status_code == 200
    assert loop.time() - paused_at > 0.28, "Redis took no writes for 300 ms"


async def test_a_streamed_answer_is_charged_by_the_upstreams_usage(
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    reply = await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    record = await usage.record_of(reply.headers["x-request-id"])
    [generation] = upstream.generations
    assert (record.tokens_prompt, record.tokens_completion) == (generation.tokens_prompt, len(PARIS))
    assert (record.outcome, record.estimated) == (Outcome.COMPLETED, False)
    assert await available(redis, account) == TOKENS - record.tokens
    await nothing_is_held(redis, account)


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_an_upstream_error_costs_nothing(
    body: dict[str, Any],
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
) -> None:
    upstream.script = Script(error=(500, {"code": 500, "message": "boom in /srv", "type": "server_error"}))
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    assert reply.status_code == 502
    assert "boom" not in reply.text
    await nothing_is_held(redis, account)
    assert await available(redis, account) == TOKENS


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_an_upstream_that_dies_before_a_token_costs_nothing(
    body: dict[str, Any],
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
) -> None:
    upstream.script = Script(dies_after=0)
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    assert reply.status_code == 502 or '"upstream_error"' in reply.text
    await nothing_is_held(redis, account)
    assert await available(redis, account) == TOKENS


async def test_an_upstream_that_says_nothing_in_time_costs_nothing(
    start_gateway: GatewayFactory, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(upstream_timeout_seconds=0.2)
    upstream.script = Script(pauses_after=0)
    reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
    assert (reply.status_code, reply.json()["error"]["code"]) == (504, "upstream_timeout")
    await nothing_is_held(redis, account)
    assert await available(redis, account) == TOKENS


@pytest.mark.parametrize(
    "script",
    [Script(dies_after=3), Script(ends_after=3), Script(fails_after=3)],
    ids=["dies", "ends", "fails"],
)
async def test_an_upstream_that_breaks_mid_stream_is_paid_for_what_was_delivered_and_the_client_is_told(
    script: Script, gateway: httpx.AsyncClient, account: Account, redis: Redis,
    upstream: StandInUpstream, usage: UsageListener,
) -> None:  # fmt: skip
    upstream.script = script
    reply = await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    *_, last = [event for event in reply.text.split("\n\n") if event]
    assert json.loads(last.removeprefix("data: "))["error"]["code"] == "upstream_error"
    assert "[DONE]" not in reply.text
    assert "/srv" not in reply.text
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.tokens_prompt, record.tokens_completion) == (upstream.generations[0].tokens_prompt, 3)
    assert (record.outcome, record.estimated) == (Outcome.UPSTREAM_FAILED, True)
    assert await available(redis, account) == TOKENS - record.tokens
