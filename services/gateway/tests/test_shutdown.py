"""Stopping: what runs may finish, what is owed is settled and published before the process ends."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.types import Receive, Scope, Send

from services.gateway.app import Gateway, build_app
from services.gateway.tests.conftest import SettingsFactory
from services.gateway.tests.support.accounts import (
    Account,
    available,
    held,
    nothing_is_held,
    open_account,
)
from services.gateway.tests.support.chat import (
    CHAT,
    QUESTION,
    STREAMED,
    TOKENS_PROMPT,
    until_generating,
)
from services.gateway.tests.support.serving import serving
from services.gateway.tests.support.usage import UsageListener
from shared.contracts.gateway import Outcome
from shared.http.gathering import CLIENT, Client
from shared.ids import new_request_id
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy
from tests.support.upstream import PARIS, Script, StandInUpstream


@pytest.fixture
async def redis_line(redis_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(redis_url) as line:
        yield line


async def test_running_answers_finish_and_are_published(
    settings_with: SettingsFactory,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    upstream.script = Script(pauses_after=2)
    async with httpx.AsyncClient(timeout=20) as client, serving(build_app(settings_with())) as url:
        call = asyncio.create_task(client.post(url + CHAT, json=STREAMED, headers=account.headers))
        await until_generating(upstream)
        asyncio.get_running_loop().call_later(0.3, upstream.resume.set)
    reply = await call
    assert reply.text.endswith("data: [DONE]\n\n")
    assert str(reply.headers["x-request-id"]) in {str(record.request_id) for record in usage.records()}
    assert await available(redis, account) == 100_000 - 5 - len(PARIS)


async def test_a_stream_that_does_not_end_in_time_is_cut_aloud_and_charged_for_what_it_delivered(
    settings_with: SettingsFactory,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
    usage: UsageListener,
) -> None:
    upstream.script = Script(pauses_after=2)
    async with httpx.AsyncClient(timeout=20) as client, serving(build_app(settings_with())) as url:
        call = asyncio.create_task(client.post(url + CHAT, json=STREAMED, headers=account.headers))
        await until_generating(upstream)
    reply = await call
    assert '"error"' in reply.text
    assert "[DONE]" not in reply.text
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.tokens, record.outcome) == (5 + 2, Outcome.LOST)
    assert await available(redis, account) == 100_000 - 7


async def test_a_whole_call_that_does_not_end_in_time_is_still_settled_and_delivered(
    settings_with: SettingsFactory, account: Account, redis: Redis, upstream: StandInUpstream
) -> None:
    upstream.script = Script(pauses_after=2)
    async with httpx.AsyncClient(timeout=20) as client:
        async with serving(build_app(settings_with())) as url:
            call = asyncio.create_task(client.post(url + CHAT, json=QUESTION, headers=account.headers))
            await until_generating(upstream)
            asyncio.get_running_loop().call_later(2.5, upstream.resume.set)
        assert (await call).json()["usage"]["completion_tokens"] == len(PARIS)
    assert await available(redis, account) == 100_000 - TOKENS_PROMPT - len(PARIS)


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_what_still_waits_when_time_is_up_is_told_to_come_again(
    body: dict[str, Any],
    settings_with: SettingsFactory,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
) -> None:
    upstream.script = Script(pauses_after=0)
    async with httpx.AsyncClient(timeout=20) as client:
        async with serving(build_app(settings_with(upstream_concurrency=1))) as url:
            running = asyncio.create_task(client.post(url + CHAT, json=STREAMED, headers=account.headers))
            await until_generating(upstream)
            other = await open_account(redis, tokens=100_000)
            waiting = asyncio.create_task(client.post(url + CHAT, json=body, headers=other.headers))
            await eventually(lambda: is_held(redis, other))
        assert (await waiting).status_code == 503
        assert (await running).status_code in (200, 503)
    assert await available(redis, other) == 100_000
    assert len(upstream.generations) == 1


async def is_held(redis: Redis, account: Account) -> bool:
    return await held(redis, account) > 0


class Present(Client):
    """In this process, without a connection: it has sent all, and stays."""

    def __init__(self) -> None:
        self.gone = asyncio.get_running_loop().create_future()

    @property
    def has_sent_all(self) -> bool:
        return True

    def listen(self) -> None:
        pass


async def test_an_admission_that_is_cut_off_leaves_no_hold(
    settings_with: SettingsFactory,
    redis_line: TcpProxy,
    account: Account,
    redis: Redis,
    upstream: StandInUpstream,
) -> None:
    """Cancelled when the script had run and nobody had heard its answer."""
    gateway = Gateway(settings_with(redis_url=redis_line.url))

    async def v1(scope: Scope, receive: Receive, send: Send) -> None:
        state, extensions = {"request_id": new_request_id()}, {CLIENT: Present()}
        await gateway.v1({**scope, "state": state, "extensions": extensions}, receive, send)

    async def is_ready() -> bool:
        return gateway.template.bound_holds

    async def is_held() -> bool:
        return await held(redis, account) > 0

    async with (
        gateway.running(FastAPI()),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=v1), base_url="http://gateway") as client,
    ):
        await eventually(is_ready)
        assert (await client.get("/v1/balance", headers=account.headers)).status_code == 200
        redis_line.lose_answers()
        call = asyncio.create_task(client.post(CHAT, json=QUESTION, headers=account.headers))
        await eventually(is_held)
        call.cancel()
        await asyncio.wait({call})
        await redis_line.cut()
        await redis_line.mend()
        await nothing_is_held(redis, account)
    assert upstream.generations == []
