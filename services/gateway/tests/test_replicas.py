"""Several gateways over one Redis: each limit holds for all of them together, each shown by exceeding it."""

import asyncio
from collections import Counter
from collections.abc import Sequence

import httpx
import pytest
from redis.asyncio import Redis

from services.gateway.tests.conftest import GatewayFactory
from services.gateway.tests.support.accounts import Account, new_account, open_account
from services.gateway.tests.support.chat import CHAT, QUESTION, STREAMED, TOKENS_PROMPT, error_of
from services.gateway.tests.support.owners import Owners
from tests.support.eventually import eventually
from tests.support.upstream import PARIS, Script, StandInUpstream

ADDRESS_LIMIT, KEY_LIMIT, RUNNING_LIMIT = 20, 10, 3
TOKENS_OF_ONE = TOKENS_PROMPT + len(PARIS)


@pytest.fixture
async def gateways(start_gateway: GatewayFactory) -> list[httpx.AsyncClient]:
    return [await start_gateway(inference_ip_rate_limit=ADDRESS_LIMIT) for _ in range(2)]


async def ask_all(gateways: Sequence[httpx.AsyncClient], account: Account, many: int) -> Counter[int]:
    calls = [
        gateways[number % len(gateways)].post(CHAT, json=QUESTION, headers=account.headers)
        for number in range(many)
    ]
    return Counter([reply.status_code for reply in await asyncio.gather(*calls)])


async def test_a_key_is_admitted_so_often_in_a_minute_and_not_once_more(
    gateways: list[httpx.AsyncClient], redis: Redis
) -> None:
    account = await open_account(redis, tokens=1_000_000, limit_per_minute=KEY_LIMIT)
    assert await ask_all(gateways, account, ADDRESS_LIMIT) == {200: KEY_LIMIT, 429: ADDRESS_LIMIT - KEY_LIMIT}


async def test_an_address_is_admitted_so_often_in_a_minute_and_not_once_more(
    gateways: list[httpx.AsyncClient], account: Account
) -> None:
    assert await ask_all(gateways, account, ADDRESS_LIMIT + 5) == {200: ADDRESS_LIMIT, 429: 5}


async def test_a_key_runs_so_many_at_once_and_the_next_when_one_has_ended(
    gateways: list[httpx.AsyncClient], redis: Redis, upstream: StandInUpstream
) -> None:
    account = await open_account(redis, tokens=1_000_000, limit_concurrent=RUNNING_LIMIT)
    upstream.script = Script(pauses_after=0)
    running = [
        asyncio.create_task(gateways[number % 2].post(CHAT, json=STREAMED, headers=account.headers))
        for number in range(RUNNING_LIMIT)
    ]

    async def all_run() -> bool:
        return len(upstream.generations) == RUNNING_LIMIT

    await eventually(all_run)
    for gateway in gateways:
        reply = await gateway.post(CHAT, json=QUESTION, headers=account.headers)
        assert (reply.status_code, error_of(reply)["code"]) == (429, "rate_limit_exceeded")
        assert reply.headers["retry-after"] == "1"
    upstream.resume.set()
    assert {(await call).status_code for call in running} == {200}
    assert (await gateways[0].post(CHAT, json=QUESTION, headers=account.headers)).status_code == 200


async def test_the_first_requests_of_an_account_that_redis_does_not_know_spend_no_more_than_it_has(
    gateways: list[httpx.AsyncClient], owners: Owners, upstream: StandInUpstream
) -> None:
    account = new_account()
    owners.know_key(account)
    owners.know_balance(account, TOKENS_OF_ONE)
    assert await ask_all(gateways, account, 10) == {200: 1, 402: 9}
    assert sum(one.tokens_prompt + one.tokens_completion for one in upstream.generations) == TOKENS_OF_ONE
