"""Every row of the who-pays table, with real Redis and RabbitMQ and a client on a real socket."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, available, held, open_account
from services.gateway.tests.support.usage import UsageListener
from shared.contracts.gateway import Outcome
from tests.support.eventually import eventually
from tests.support.upstream import PARIS, Script, StandInUpstream
from tests.support.upstream_wire import MODEL_NAME

CHAT = "/v1/chat/completions"
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
STREAMED = QUESTION | {"stream": True}
TOKENS = 100_000


async def nothing_is_held(redis: Redis, account: Account) -> None:
    async def released() -> bool:
        return await held(redis, account) == 0

    await eventually(released)


async def test_a_whole_answer_is_settled_before_it_leaves_and_charged_by_the_upstreams_usage(
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


async def read_events(reply: httpx.Response, count: int) -> None:
    seen = 0
    async for line in reply.aiter_lines():
        seen += line.startswith("data: ")
        if seen == count:
            return


async def test_a_client_that_leaves_mid_stream_pays_for_what_was_received_and_the_upstream_stops_at_once(
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    upstream.script = Script(pauses_after=4)
    async with gateway.stream("POST", CHAT, json=STREAMED, headers=account.headers) as reply:
        await read_events(reply, 5)
    async with asyncio.timeout(0.25):
        await upstream.generations[0].ended.wait()
    assert upstream.generations[0].was_abandoned
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.tokens_prompt, record.tokens_completion) == (upstream.generations[0].tokens_prompt, 4)
    assert (record.outcome, record.estimated) == (Outcome.CLIENT_DISCONNECTED, True)
    assert await available(redis, account) == TOKENS - record.tokens
    await nothing_is_held(redis, account)


async def abandon(
    gateway: httpx.AsyncClient, account: Account, body: dict[str, Any], upstream: StandInUpstream
) -> None:
    """Send a request and leave once the upstream works on it."""

    async def is_generating() -> bool:
        return bool(upstream.generations)

    asking = asyncio.create_task(gateway.post(CHAT, json=body, headers=account.headers))
    await eventually(is_generating)
    asking.cancel()
    await asyncio.wait({asking})


async def test_a_client_that_leaves_before_the_first_chunk_pays_the_prompts_exact_count(
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    upstream.script = Script(pauses_after=0)
    await abandon(gateway, account, STREAMED, upstream)
    await nothing_is_held(redis, account)
    await upstream.generations[0].ended.wait()
    prompt = upstream.generations[0].tokens_prompt
    assert await available(redis, account) == TOKENS - prompt
    [record] = await eventually(lambda: records_of(usage, account))
    assert (record.tokens_prompt, record.tokens_completion) == (prompt, 0)


async def records_of(usage: UsageListener, account: Account) -> list[Any]:
    return [record for record in usage.records() if record.account_id == account.account_id]


async def test_a_whole_call_whose_client_has_gone_runs_to_its_end_and_is_charged(
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    upstream.script = Script(pauses_after=0)
    await abandon(gateway, account, QUESTION, upstream)
    upstream.resume.set()
    [record] = await eventually(lambda: records_of(usage, account))
    assert not upstream.generations[0].was_abandoned
    assert (record.tokens_completion, record.outcome) == (len(PARIS), Outcome.COMPLETED)
    assert await available(redis, account) == TOKENS - record.tokens


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_a_client_that_leaves_our_queue_pays_nothing_and_generates_nothing(
    body: dict[str, Any],
    start_gateway: GatewayFactory,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
) -> None:
    gateway = await start_gateway(upstream_concurrency=1)
    other = await open_account(redis, tokens=TOKENS)
    upstream.script = Script(pauses_after=0)
    running = asyncio.create_task(gateway.post(CHAT, json=STREAMED, headers=other.headers))

    async def is_waiting() -> bool:
        return await held(redis, account) > 0

    waiting = asyncio.create_task(gateway.post(CHAT, json=body, headers=account.headers))
    await eventually(is_waiting)
    waiting.cancel()
    await nothing_is_held(redis, account)
    upstream.resume.set()
    await running
    assert len(upstream.generations) == 1
    assert await available(redis, account) == TOKENS


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
