"""When a part is down: nothing is lost, new requests are told to come again, and everything heals by itself."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory, other_database
from services.gateway.tests.support.accounts import Account, available, new_account, open_account
from services.gateway.tests.support.chat import (
    CHAT,
    QUESTION,
    STREAMED,
    until_generating,
)
from services.gateway.tests.support.owners import Owners
from services.gateway.tests.support.usage import UsageListener
from services.gateway.use_cases import watch_backlog
from shared.admission.stream import SettlementStream
from shared.contracts.gateway import Outcome
from tests.support.eventually import eventually
from tests.support.tcp_proxy import TcpProxy
from tests.support.upstream import PARIS, Script, StandInUpstream

TOKENS_OF_ONE = 5 + len(PARIS)


@pytest.fixture
async def redis_line(redis_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(redis_url) as line:
        yield line


@pytest.fixture
async def amqp_line(amqp_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(amqp_url) as line:
        yield line


async def test_a_flushed_redis_heals_within_the_request(
    gateway: httpx.AsyncClient, owners: Owners, redis: Redis
) -> None:
    account = new_account()
    owners.know_key(account)
    owners.know_balance(account, 1000)
    for _ in range(2):
        reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
        assert reply.status_code == 200
        await redis.flushdb()


async def test_an_account_the_ledger_does_not_know_yet_is_503_never_402(
    gateway: httpx.AsyncClient, owners: Owners, redis: Redis
) -> None:
    account = new_account()
    owners.know_key(account)
    for path, method in ((CHAT, "POST"), ("/v1/balance", "GET")):
        reply = await gateway.request(method, path, json=QUESTION, headers=account.headers)
        assert (reply.status_code, reply.headers["retry-after"]) == (503, "1")


async def test_without_the_owners_only_unknown_keys_suffer(
    start_gateway: GatewayFactory, account: Account
) -> None:
    gateway = await start_gateway(accounts_url="http://127.0.0.1:1", metering_url="http://127.0.0.1:1")
    assert (await gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 200
    reply = await gateway.post(CHAT, json=QUESTION, headers=new_account().headers)
    assert reply.status_code == 503
    assert "retry-after" in reply.headers


async def test_without_redis_requests_are_503_and_come_back(
    redis_line: TcpProxy, start_gateway: GatewayFactory, account: Account
) -> None:
    gateway = await start_gateway(redis_url=redis_line.url)
    await redis_line.cut()
    bodies: list[dict[str, Any]] = [QUESTION, {"messages": []}]
    for body in bodies:
        reply = await gateway.post(CHAT, json=body, headers=account.headers)
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "overloaded")
        assert int(reply.headers["retry-after"]) >= 1
    assert (await gateway.post(CHAT, json=QUESTION)).status_code == 503
    assert (await gateway.get("/v1/balance", headers=account.headers)).status_code == 503
    assert (await gateway.get("/ready")).json()["missing"] == ["redis"]
    await redis_line.mend()

    async def answers_again() -> bool:
        return (await gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 200

    await eventually(answers_again)


@pytest.mark.parametrize("body", [QUESTION, STREAMED])
async def test_when_redis_goes_away_running_answers_finish_and_their_usage_goes_straight_to_the_bus(
    body: dict[str, Any], redis_line: TcpProxy, start_gateway: GatewayFactory, account: Account, redis: Redis,
    upstream: StandInUpstream, usage: UsageListener,
) -> None:  # fmt: skip
    gateway = await start_gateway(redis_url=redis_line.url)
    upstream.script = Script(pauses_after=2)
    call = asyncio.create_task(gateway.post(CHAT, json=body, headers=account.headers))

    await until_generating(upstream)
    await redis_line.cut()
    upstream.resume.set()
    reply = await call
    assert reply.status_code == 200
    record = await usage.record_of(reply.headers["x-request-id"])
    assert (record.tokens, record.outcome) == (TOKENS_OF_ONE, Outcome.COMPLETED)
    await redis_line.mend()

    async def settled() -> bool:
        return await available(redis, account) == 100_000 - TOKENS_OF_ONE

    await eventually(settled)


async def test_a_lost_answer_of_the_admission_script_leaves_no_hold(
    redis_line: TcpProxy, start_gateway: GatewayFactory, account: Account, redis: Redis
) -> None:
    gateway = await start_gateway(redis_url=redis_line.url)
    assert (await gateway.get("/v1/balance", headers=account.headers)).status_code == 200
    redis_line.lose_answers()
    assert (await gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 503
    assert await available(redis, account) < 100_000, "the script had run"
    await redis_line.cut()
    await redis_line.mend()

    async def released() -> bool:
        return await available(redis, account) == 100_000

    await eventually(released)


async def test_without_rabbitmq_answers_go_on_and_usage_follows_when_it_is_back(
    amqp_line: TcpProxy,
    start_gateway: GatewayFactory,
    redis_url: str,
    other_redis: Redis,
    usage: UsageListener,
) -> None:
    account = await open_account(other_redis, tokens=100_000)
    gateway = await start_gateway(amqp_url=amqp_line.url, redis_url=other_database(redis_url))
    await amqp_line.cut()
    replies = [await gateway.post(CHAT, json=body, headers=account.headers) for body in (QUESTION, STREAMED)]
    assert [reply.status_code for reply in replies] == [200, 200]
    assert await SettlementStream(other_redis).unconfirmed_count() >= 1
    await amqp_line.mend()
    for reply in replies:
        assert (await usage.record_of(reply.headers["x-request-id"])).tokens == TOKENS_OF_ONE

    async def all_confirmed() -> bool:
        return await SettlementStream(other_redis).unconfirmed_count() == 0

    await eventually(all_confirmed)


async def test_too_many_unconfirmed_settlements_are_503(
    amqp_line: TcpProxy,
    start_gateway: GatewayFactory,
    redis_url: str,
    other_redis: Redis,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_backlog, "INTERVAL_SECONDS", 0.02)
    monkeypatch.setattr(watch_backlog, "UNCONFIRMED_MAX", 1)
    await amqp_line.cut()
    account = await open_account(other_redis, tokens=100_000)
    gateway = await start_gateway(amqp_url=amqp_line.url, redis_url=other_database(redis_url))

    async def refused() -> bool:
        reply: httpx.Response = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
        return reply.status_code == 503

    await eventually(refused)
    await amqp_line.mend()

    async def admitted() -> bool:
        return not await refused()

    await eventually(admitted, within_seconds=10)
