"""Readers that stop, clients that go, upstreams that fall silent: what each costs the others, and in memory."""

import asyncio
import json
import socket
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.domain.chat_stream import ChatStream
from services.gateway.entrypoints import streaming
from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, available, nothing_is_held, open_account
from services.gateway.tests.support.chat import (
    CHAT,
    QUESTION,
    STREAMED,
    TOKENS_PROMPT,
    chunks_in,
    until_generating,
)
from services.gateway.tests.support.usage import UsageListener
from shared.contracts.gateway import Outcome, UsageRecord
from tests.support.eventually import eventually
from tests.support.upstream import Script, StandInUpstream

TOKENS = 100_000
MEGABYTE = 1 << 20
BUFFERED_BYTES_MAX = 2 * MEGABYTE
"""Of one stream, in this process: high-water marks of two transports, and one read of each."""
CLOSED_WITHIN_SECONDS = 0.25
LARGE = Script(tokens=("x" * 100_000,) * 800)


@asynccontextmanager
async def stopped_reader(url: str, account: Account) -> AsyncIterator[socket.socket]:
    """A client that asks for a stream and does not read; its own buffer is small."""
    parts, body = urlsplit(url), json.dumps(STREAMED | {"max_tokens": 800}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: gateway\r\nauthorization: Bearer {account.key}\r\n"
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        await loop.sock_connect(client, (parts.hostname, parts.port))
        await loop.sock_sendall(client, f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        yield client


async def until_it_stands_still(upstream: StandInUpstream) -> int:
    """Tokens generated when nothing more has come for a while."""
    seen: list[int] = []

    async def stands_still() -> bool:
        seen.append(upstream.generations[0].tokens_completion)
        return len(seen) > 15 and len(set(seen[-15:])) == 1

    await until_generating(upstream)
    await eventually(stands_still, within_seconds=10)
    return seen[-1]


async def test_a_reader_that_stops_costs_bounded_memory_and_no_other_stream(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    other = await open_account(redis, tokens=TOKENS)
    await gateway.post(CHAT, json=STREAMED, headers=other.headers)
    upstream.reset()
    upstream.scripts.append(LARGE)
    tracemalloc.start()
    try:
        async with stopped_reader(str(gateway.base_url), account):
            generated = await until_it_stands_still(upstream)
            buffered, _ = tracemalloc.get_traced_memory()
            assert generated < 400, "of 800: the upstream waits for its reader"
            assert buffered < BUFFERED_BYTES_MAX
            for body in (STREAMED, QUESTION):
                reply = await gateway.post(CHAT, json=body, headers=other.headers)
                assert reply.status_code == 200
            assert upstream.generations[0].tokens_completion == generated
    finally:
        tracemalloc.stop()
    await nothing_is_held(redis, account)


async def test_a_reader_that_is_too_slow_counts_as_gone_and_frees_its_slot(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream,
    usage: UsageListener, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(streaming, "PATIENCE_SECONDS", 0.05)
    monkeypatch.setattr(streaming, "READER_SECONDS_MAX", 0.3)
    upstream.script = LARGE
    async with stopped_reader(str(gateway.base_url), account):
        await until_generating(upstream)
        async with asyncio.timeout(5):
            await upstream.generations[0].ended.wait()
        assert upstream.generations[0].was_abandoned
        await nothing_is_held(redis, account)

    async def told() -> list[UsageRecord]:
        return [record for record in usage.records() if record.account_id == account.account_id]

    [record] = await eventually(told)
    assert record.outcome is Outcome.CLIENT_DISCONNECTED
    assert 0 < record.tokens_completion <= upstream.generations[0].tokens_completion


async def test_a_client_that_goes_without_having_read_closes_its_upstream_at_once(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    upstream.script = LARGE
    async with stopped_reader(str(gateway.base_url), account):
        await until_it_stands_still(upstream)
    async with asyncio.timeout(CLOSED_WITHIN_SECONDS):
        await upstream.generations[0].ended.wait()
    assert upstream.generations[0].was_abandoned
    await nothing_is_held(redis, account)


async def test_a_client_that_goes_before_the_first_byte_closes_its_upstream_at_once(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=0)
    call = asyncio.create_task(gateway.post(CHAT, json=STREAMED, headers=account.headers))
    await until_generating(upstream)
    call.cancel()
    async with asyncio.timeout(CLOSED_WITHIN_SECONDS):
        await upstream.generations[0].ended.wait()
    assert upstream.generations[0].was_abandoned


async def test_an_upstream_that_falls_silent_in_mid_answer_is_said_aloud_and_charged_as_far_as_it_came(
    start_gateway: GatewayFactory, account: Account, redis: Redis, upstream: StandInUpstream,
    usage: UsageListener,
) -> None:  # fmt: skip
    gateway = await start_gateway(upstream_timeout_seconds=0.3)
    upstream.script = Script(pauses_after=2)
    reply = await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    assert chunks_in(reply.text)[-1]["error"]["code"] == "upstream_timeout"
    assert (await usage.record_of(reply.headers["x-request-id"])).tokens == TOKENS_PROMPT + 2
    assert await available(redis, account) == TOKENS - TOKENS_PROMPT - 2


@pytest.mark.parametrize("status", [400, 500])
@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_the_text_of_a_refusal_is_never_billed(
    body: dict[str, Any], status: int, gateway: httpx.AsyncClient, account: Account, redis: Redis,
    upstream: StandInUpstream,
) -> None:  # fmt: skip
    text = "so many words " * 100
    upstream.script = Script(error=(status, {"code": status, "message": text, "type": "server_error"}))
    assert (await gateway.post(CHAT, json=body, headers=account.headers)).status_code >= 400
    await nothing_is_held(redis, account)
    assert await available(redis, account) == TOKENS


async def test_the_text_of_an_error_frame_is_never_billed(
    gateway: httpx.AsyncClient, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    upstream.script = Script(fails_after=0)
    await gateway.post(CHAT, json=STREAMED, headers=account.headers)
    await nothing_is_held(redis, account)
    assert await available(redis, account) == TOKENS


def test_keep_alives_between_events_pass_and_count_for_nothing() -> None:
    stream = ChatStream(include_usage=False)
    chunk = {
        "choices": [{"index": 0, "delta": {"content": "a"}}],
        "model": "m",
        "timings": {"cache_n": 0, "prompt_n": 5, "predicted_n": 1},
    }
    event = b"data: " + json.dumps(chunk).encode() + b"\n\n"
    passed = stream.feed(event + b":\n\n" + event + b": keep-alive\n\n")
    assert passed.count(b":\n\n") == 1
    assert passed.endswith(b": keep-alive\n\n")
    counts = stream.counts()
    assert counts is not None
    assert (counts.prompt, counts.completion) == (5, 1)
