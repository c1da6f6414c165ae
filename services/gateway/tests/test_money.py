"""What a small, spent, expired or held balance does to a request."""

import asyncio
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import (
    Account,
    available,
    open_account,
)
from services.gateway.tests.support.chat import (
    CHAT,
    QUESTION,
    error_of,
)
from services.gateway.use_cases import held_waiters
from services.gateway.use_cases.held_waiters import HeldWaiters
from shared.admission.mirror import Snapshot, write_mirror
from shared.api_keys import new_account_id
from tests.support.upstream import PARIS, Script, StandInUpstream


async def test_a_spent_balance_is_402_says_where_to_top_up_and_not_to_retry(
    gateway: httpx.AsyncClient, redis: Redis, upstream: StandInUpstream
) -> None:
    account = await open_account(redis, tokens=3)
    reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
    error = error_of(reply)
    assert reply.headers["x-ratelimit-remaining-requests"] == "1000", "a refused request does not count"
    assert (reply.status_code, error["type"], error["code"]) == (
        402,
        "insufficient_quota",
        "insufficient_quota",
    )
    assert "http://127.0.0.1:8503/dashboard" in error["message"]
    assert reply.headers["x-should-retry"] == "false"
    assert upstream.counted == 1, "only the exact count shows that the balance is too small"


async def test_an_expired_trial_is_402(gateway: httpx.AsyncClient, redis: Redis) -> None:
    account = await open_account(redis, tokens=0)
    for version, days in ((2, 1), (3, -1)):
        ends_at = datetime.now(UTC) + timedelta(days=days)
        grant = ("trial", 10_000, int(ends_at.timestamp() * 1000))
        await write_mirror(redis, account.account_id, Snapshot(version, 0, (grant,)), {})
        reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
        assert reply.status_code == (200 if days > 0 else 402)


async def test_a_small_balance_clamps_the_answer_and_can_be_spent_to_the_last_token(
    gateway: httpx.AsyncClient, redis: Redis, upstream: StandInUpstream
) -> None:
    account = await open_account(redis, tokens=9)
    reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
    assert reply.headers["x-tokens-granted"] == "4"
    assert upstream.generations[0].body["max_tokens"] == 4
    assert reply.json()["choices"][0]["finish_reason"] == "length"
    assert await available(redis, account) == 0
    assert (await gateway.post(CHAT, json=QUESTION, headers=account.headers)).status_code == 402


async def test_a_plenty_balance_is_not_counted_exactly_and_not_clamped(
    gateway: httpx.AsyncClient, account: Account, upstream: StandInUpstream
) -> None:
    reply = await gateway.post(CHAT, json=QUESTION | {"max_tokens": 20}, headers=account.headers)
    assert "x-tokens-granted" not in reply.headers
    assert upstream.generations[0].body["max_tokens"] == 20
    assert upstream.counted == 0


async def test_money_that_is_only_held_is_waited_for(
    gateway: httpx.AsyncClient, redis: Redis, upstream: StandInUpstream
) -> None:
    account = await open_account(redis, tokens=60)
    upstream.script = Script(pauses_after=2)
    first = asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers))
    second = asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers))
    upstream.resume.set()
    assert [(await first).status_code, (await second).status_code] == [200, 200]
    assert await available(redis, account) == 60 - 2 * (5 + len(PARIS))


async def test_money_that_stays_held_is_429(
    start_gateway: GatewayFactory, redis: Redis, upstream: StandInUpstream
) -> None:
    gateway = await start_gateway(queue_timeout_seconds=0.3)
    account = await open_account(redis, tokens=60)
    upstream.script = Script(pauses_after=0)
    calls = [
        asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers)) for _ in range(2)
    ]
    done, running = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
    reply = done.pop().result()
    assert (reply.status_code, reply.headers["retry-after"]) == (429, "1")
    upstream.resume.set()
    assert (await running.pop()).status_code == 200


@pytest.mark.parametrize("bound", ["HELD_WAITERS_MAX", "HELD_WAITERS_OF_ACCOUNT_MAX"])
async def test_only_so_many_wait_for_held_money_and_the_next_is_429_at_once(
    bound: str, start_gateway: GatewayFactory, redis: Redis, upstream: StandInUpstream,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(held_waiters, bound, 1)
    gateway = await start_gateway()
    account = await open_account(redis, tokens=60)
    upstream.script = Script(pauses_after=0)
    calls = [
        asyncio.create_task(gateway.post(CHAT, json=QUESTION, headers=account.headers)) for _ in range(3)
    ]
    done, running = await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED, timeout=5)
    assert [call.result().status_code for call in done] == [429]
    assert "promptly_gateway_held_waiters 1.0" in (await gateway.get("/metrics")).text
    upstream.resume.set()
    assert [(await call).status_code for call in running] == [200, 200]


def test_an_account_that_waits_takes_no_place_of_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_waiters, "HELD_WAITERS_OF_ACCOUNT_MAX", 2)
    waiters, one, other = HeldWaiters(), new_account_id(), new_account_id()
    with waiters.place(one) as first, waiters.place(one) as second, waiters.place(one) as third:
        assert [first.take(), first.take(), second.take(), third.take()] == [True, True, True, False]
        with waiters.place(other) as its:
            assert its.take()
    with waiters.place(one) as again:
        assert again.take()
