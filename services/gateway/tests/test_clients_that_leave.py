"""What a client pays that leaves: what was generated for it, as far as it came."""

import asyncio
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import (
    Account,
    available,
    held,
    new_account,
    nothing_is_held,
    open_account,
)
from services.gateway.tests.support.chat import (
    CHAT,
    QUESTION,
    STREAMED,
    until_generating,
)
from services.gateway.tests.support.owners import Owners
from services.gateway.tests.support.usage import UsageListener
from shared.admission.keys import AccountKeys
from shared.contracts.gateway import Outcome
from tests.support.eventually import eventually
from tests.support.upstream import PARIS, Script, StandInUpstream
from tests.support.upstream_wire import MODELS

TOKENS = 100_000


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


async def test_a_client_that_leaves_after_the_last_event_has_had_a_complete_answer(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream, usage: UsageListener
) -> None:
    upstream.script = Script(pauses_after_done=True)
    async with gateway.stream("POST", CHAT, json=STREAMED, headers=account.headers) as reply:
        async for line in reply.aiter_lines():
            if line == "data: [DONE]":
                break
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.outcome, record.estimated) == (Outcome.COMPLETED, False)


async def abandon(
    gateway: httpx.AsyncClient, account: Account, body: dict[str, Any], upstream: StandInUpstream
) -> None:
    """Send a request and leave once the upstream works on it."""
    asking = asyncio.create_task(gateway.post(CHAT, json=body, headers=account.headers))
    await until_generating(upstream)
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


async def test_a_client_that_leaves_before_a_prompt_beyond_the_context_is_refused_pays_nothing(
    gateway: httpx.AsyncClient,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The model server's refusal was on its way."""
    monkeypatch.setitem(MODELS["data"][0]["meta"], "n_ctx", 3)
    upstream.script = Script(pauses_after=0)
    await abandon(gateway, account, STREAMED, upstream)
    await nothing_is_held(redis, account)
    assert await available(redis, account) == TOKENS
    [record] = await eventually(lambda: records_of(usage, account))
    assert record.tokens == 0


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


LONG = {**QUESTION, "metadata": {"note": "a" * 150_000}}
"""More than is read of a connection before somebody asks for it."""


@pytest.mark.parametrize("body", [QUESTION, STREAMED, LONG], ids=["whole", "streamed", "long"])
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
    await until_generating(upstream)

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
async def test_a_client_that_leaves_while_it_is_admitted_pays_nothing_and_generates_nothing(
    body: dict[str, Any], gateway: httpx.AsyncClient, redis: Redis, upstream: StandInUpstream, owners: Owners
) -> None:
    account, asked_before = new_account(), owners.asked_for_keys
    owners.know_key(account)
    owners.know_balance(account, TOKENS)
    owners.may_answer.clear()
    asking = asyncio.create_task(gateway.post(CHAT, json=body, headers=account.headers))

    async def is_asked() -> bool:
        return owners.asked_for_keys > asked_before

    await eventually(is_asked)
    asking.cancel()
    await asyncio.wait({asking})
    owners.may_answer.set()

    async def has_ended() -> bool:
        names = AccountKeys(account.account_id)
        was_admitted = await redis.exists(names.rate(account.key_record.digest)) > 0
        return was_admitted and not await redis.exists(names.holds)

    await eventually(has_ended)
    assert upstream.generations == []
    assert await available(redis, account) == TOKENS
