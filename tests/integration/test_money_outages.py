"""A server of the system dies under load and comes back: nothing is lost, nothing is charged twice."""

import signal
import time

import httpx

from tests.support.eventually import eventually
from tests.support.fleet import GATEWAYS, Fleet
from tests.support.mixed_load import CHAT, Senders
from tests.support.money_in_redis import until_quiet, watched_balances
from tests.support.newcomers import Newcomer
from tests.support.reconcile import reconcile
from tests.support.traffic import traffic

ACCOUNTS = 10
ANSWERS = 150
"""So many before the server dies, while it is down, and after it is back."""
ANSWERED_WITHIN_SECONDS = 20
WORKS_AGAIN_WITHIN_SECONDS = 5
QUIET_WITHIN_SECONDS = 60


async def test_rabbitmq_may_die_and_nobody_notices(fleet: Fleet) -> None:
    answers = await _load_through(fleet, "rabbitmq", seed=11)
    assert _of_sound_calls(answers) == {"200"}


async def test_postgresql_may_crash_and_nobody_notices(fleet: Fleet) -> None:
    answers = await _load_through(fleet, "postgres", seed=12)
    assert _of_sound_calls(answers) == {"200"}


async def test_redis_may_die_and_each_gateway_works_again_by_itself(fleet: Fleet) -> None:
    answers = await _load_through(fleet, "redis", seed=13)
    assert {"200", "503"} == _of_sound_calls(answers)


async def _load_through(fleet: Fleet, server: str, seed: int) -> Senders:
    newcomers = await fleet.newcomers(ACCOUNTS)
    async with watched_balances(fleet.stack.backing.redis, newcomers) as watch:
        async with traffic(fleet, newcomers, seed) as senders:
            await _answers(senders)
            _kill(fleet, server)
            await _answers(senders)
            await fleet.restart(server)
            await _all_work_again(fleet, newcomers[0])
            await _answers(senders)
        await until_quiet(fleet.stack.backing.redis, newcomers, QUIET_WITHIN_SECONDS)
    reconciled = await reconcile(fleet, newcomers)
    assert not reconciled.problems, "\n".join([f"seed {seed}", *reconciled.problems])
    assert watch.lowest >= 0
    return senders


def _kill(fleet: Fleet, server: str) -> None:
    """PostgreSQL by the signal for an immediate end, without a checkpoint: SIGKILL orphans its sessions."""
    if server == "postgres":
        fleet.signal(server, signal.SIGQUIT)
    else:
        fleet.kill(server)


async def _answers(senders: Senders) -> None:
    goal = senders.answers.total() + ANSWERS

    async def enough() -> bool:
        return senders.answers.total() >= goal

    await eventually(enough, ANSWERED_WITHIN_SECONDS)


async def _all_work_again(fleet: Fleet, newcomer: Newcomer) -> None:
    began = time.monotonic()
    async with httpx.AsyncClient(timeout=WORKS_AGAIN_WITHIN_SECONDS) as client:
        for gateway in GATEWAYS:

            async def answers(url: str = fleet.url(gateway) + CHAT) -> bool:
                body = newcomer.next_body(5, stream=False)
                return (await client.post(url, json=body, headers=newcomer.headers)).status_code == 200

            await eventually(answers, WORKS_AGAIN_WITHIN_SECONDS)
    assert time.monotonic() - began < WORKS_AGAIN_WITHIN_SECONDS


def _of_sound_calls(senders: Senders) -> set[str]:
    """What was answered where neither the client nor the upstream did anything wrong."""
    kinds = (answer.split(": ") for answer in senders.answers)
    return {status for kind, status in kinds if kind in ("stream", "whole")}
