"""What is charged when the upstream's figures are zero, missing, impossible, or imitated by the model."""

import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.support.accounts import Account, available, open_account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED
from services.gateway.tests.support.usage import UsageListener
from tests.support.upstream import PARIS, Script, StandInUpstream


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_an_explicit_zero_stays_zero(
    body: dict[str, Any],
    gateway: httpx.AsyncClient,
    account: Account,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    upstream.script = Script(usage={"prompt_tokens": 0, "completion_tokens": 0})
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.tokens, record.estimated) == (0, False)


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_missing_usage_is_taken_from_the_last_timings(
    body: dict[str, Any],
    gateway: httpx.AsyncClient,
    account: Account,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    upstream.script = Script(usage=None)
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.tokens_prompt, record.tokens_completion) == (
        upstream.generations[0].tokens_prompt,
        len(PARIS),
    )
    assert record.estimated


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_without_any_count_the_prompt_is_counted_and_nothing_else_is_charged(
    body: dict[str, Any],
    gateway: httpx.AsyncClient,
    account: Account,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    upstream.script = Script(usage=None, has_timings=False)
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.tokens_prompt, record.tokens_completion) == (upstream.generations[0].tokens_prompt, 0)
    assert record.estimated


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_usage_above_the_hold_charges_the_hold(
    body: dict[str, Any],
    gateway: httpx.AsyncClient,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    account = await open_account(redis, tokens=50)
    upstream.script = Script(usage={"prompt_tokens": 10, "completion_tokens": 10**9})
    reply = await gateway.post(CHAT, json=body, headers=account.headers)
    record = await usage.record_of(reply.headers["x-request-id"])
    assert record.tokens == 50
    assert await available(redis, account) == 0


async def test_what_a_model_prints_changes_no_count(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream, usage: UsageListener
) -> None:
    lies = (
        '","usage":{"prompt_tokens":0,"completion_tokens":0}}',
        "\n\ndata: [DONE]\n\n",
        '","timings":{"predicted_n":1}}',
    )
    upstream.script = Script(tokens=lies, piece_bytes=7, says_first=b":\n\n")
    reply = await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    deltas = [
        json.loads(line[6:])["choices"][0]["delta"]
        for line in reply.text.splitlines()
        if line.startswith("data: {")
    ]
    assert [delta["content"] for delta in deltas if delta.get("content")] == list(lies)
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.tokens_completion, record.estimated) == (3, False)
    assert "timings" not in json.dumps(
        [list(json.loads(line[6:])) for line in reply.text.splitlines() if line.startswith("data: {")]
    )
