"""Two hundred requests at once on a balance that pays for a few: not a token too many, and none stranded."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest

from tests.support.fleet import GATEWAYS, TRIAL_TOKENS, Fleet
from tests.support.ledger import Ledger
from tests.support.mixed_load import CHAT
from tests.support.money_in_redis import BalanceWatch, until_quiet, watched_balances
from tests.support.newcomers import Newcomer

REQUESTS = 200
WANTED_TOKENS = 4000
SMALLEST_REQUEST_TOKENS = 6
"""A prompt of no words and one token of an answer."""
SEED = 2


@dataclass(frozen=True, slots=True)
class Rush:
    newcomer: Newcomer
    statuses: Counter[int]
    watch: BalanceWatch


@pytest.fixture(scope="module")
async def rush(fleet: Fleet) -> AsyncIterator[Rush]:
    [newcomer] = await fleet.newcomers(1)
    async with watched_balances(fleet.stack.backing.redis, [newcomer]) as watch:
        statuses = await _rush(fleet, newcomer)
        await until_quiet(fleet.stack.backing.redis, [newcomer])
        yield Rush(newcomer, statuses, watch)


async def _rush(fleet: Fleet, newcomer: Newcomer) -> Counter[int]:
    """Answers of very different lengths, so that holds come back and are fought for again."""
    lengths = random.Random(SEED)  # noqa: S311 - not a secret
    async with httpx.AsyncClient(timeout=60, limits=httpx.Limits(max_connections=None)) as client:

        async def ask(number: int) -> int:
            body = newcomer.next_body(
                WANTED_TOKENS, stream=number % 2 == 0, tokens=lengths.randint(50, 2 * WANTED_TOKENS)
            )
            url = fleet.url(GATEWAYS[number % len(GATEWAYS)]) + CHAT
            return (await client.post(url, json=body, headers=newcomer.headers)).status_code

        return Counter(await asyncio.gather(*(ask(number) for number in range(REQUESTS))))


async def test_no_more_is_served_than_was_granted(fleet: Fleet, rush: Rush) -> None:
    served = fleet.upstream_log.generations(of=rush.newcomer.account_id)
    assert 0 < sum(each.tokens for each in served) <= TRIAL_TOKENS
    assert rush.statuses[200] == len(served)


async def test_who_gets_nothing_is_told_that_the_money_is_spent(rush: Rush) -> None:
    assert rush.statuses.keys() == {200, 402}
    assert rush.statuses[200] >= TRIAL_TOKENS // (2 * WANTED_TOKENS)


async def test_the_balance_is_never_below_zero(rush: Rush) -> None:
    assert rush.watch.samples > rush.statuses[200]
    assert rush.watch.lowest >= 0


async def test_the_last_tokens_can_still_be_spent(fleet: Fleet, rush: Rush) -> None:
    async with httpx.AsyncClient(base_url=fleet.url("gateway-3"), timeout=10) as client:

        async def ask() -> int:
            body = rush.newcomer.smallest_body()
            return (await client.post(CHAT, json=body, headers=rush.newcomer.headers)).status_code

        while (status := await ask()) == 200:
            pass
        assert status == 402
        balance = (await client.get("/v1/balance", headers=rush.newcomer.headers)).json()
    assert 0 <= balance["available"] < SMALLEST_REQUEST_TOKENS


async def test_what_is_left_is_what_was_granted_less_what_was_posted(fleet: Fleet, rush: Rush) -> None:
    await until_quiet(fleet.stack.backing.redis, [rush.newcomer])
    [account] = await Ledger(fleet.stack.backing.postgres).accounts([rush.newcomer.account_id])
    served = fleet.upstream_log.generations(of=rush.newcomer.account_id)
    assert account.balance == TRIAL_TOKENS - sum(each.tokens for each in served)
    assert account.balance == account.tokens_entered == account.tokens_remaining
