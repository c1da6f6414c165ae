"""Whatever lowers a balance while requests run: each of them finds what it was admitted to.

Random histories (running_requests.py), and for each rule a short one in which leaving it out goes wrong.
"""

import asyncio
from collections.abc import Callable, Collection, Iterator
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import (
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from services.metering.tests.running_requests import RunningRequests, World, awaited
from services.metering.use_cases import adjust_balance, collect_debts, expire_grants, mirror_accounts
from shared.admission.lower import Held, Lowered, Room, read_room
from shared.clock import utc_now
from shared.ids import AccountId, RequestId
from shared.postgres import Pool, open_pool
from tests.support.servers import ServiceDatabase


@pytest.fixture
def machine(schema: ServiceDatabase, redis_url: str) -> Iterator[type[RunningRequests]]:
    with asyncio.Runner() as runner:
        pool = runner.run(open_pool(schema.url, service="metering"))
        redis = Redis.from_url(redis_url)
        yield type("Here", (RunningRequests,), {"world": World(runner, pool, schema.owner_url, redis)})
        for end in (redis.aclose, pool.close):
            runner.run(awaited(end()))


def test_every_request_finds_what_it_was_admitted_to(machine: type[RunningRequests]) -> None:
    histories = settings(
        max_examples=15,
        stateful_step_count=25,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(machine, settings=histories)


def is_deducted(account: RunningRequests) -> None:
    account.deduct(90)


def is_reversed(account: RunningRequests) -> None:
    account.reverse(0, 90, 1)
    account.mirror()
    account.collect()


def is_deducted_in_its_sleep(account: RunningRequests) -> None:
    """Its hold is lost with Redis before the request is admitted; then it wakes up."""
    account.settle(0, 0.0)
    account.fall_asleep(90)
    account.lose_redis()
    account.admit(180)
    account.wake_up(0)


def ends(account: RunningRequests) -> None:
    account.grants_end()
    account.expire()


async def lower_without_a_hold(
    redis: Redis, account_id: AccountId, lowering_id: UUID, tokens: int
) -> Lowered:
    return Held()


async def read_room_as_if_nobody_used_any(redis: Redis, account_id: AccountId) -> Room | None:
    room = await read_room(redis, account_id)
    return None if room is None else Room(room.version, 10_000)


async def give_up_nothing(pool: Pool, account_ids: Collection[AccountId]) -> None:
    pass


def as_if_it_was_made_later(request_id: RequestId) -> datetime:
    return utc_now() + timedelta(days=1)


RULES = {
    "hold before a deduction": (is_deducted, adjust_balance, "lower", lower_without_a_hold),
    "collect what nobody uses": (is_reversed, collect_debts, "read_room", read_room_as_if_nobody_used_any),
    "give up what a lost Redis held": (
        is_deducted_in_its_sleep,
        mirror_accounts,
        "give_up_lowerings_of",
        give_up_nothing,
    ),
    "expire when nobody is on the way": (ends, expire_grants, "_made_at", as_if_it_was_made_later),
}


def use_while_it_happens(account: RunningRequests, happens: Callable[[RunningRequests], None]) -> None:
    """A request is admitted to all there is; then what it was admitted to is to be taken."""
    account.register(trial=90, paid=90)
    account.admit(180)
    happens(account)
    account.settle(0, 1.0)
    for at in range(len(account.settled)):
        account.post(at)
    account.every_request_was_paid()


@pytest.mark.parametrize("rule", RULES)
def test_without_this_rule_a_request_goes_unpaid(
    machine: type[RunningRequests], monkeypatch: pytest.MonkeyPatch, rule: str
) -> None:
    happens, module, name, without = RULES[rule]
    use_while_it_happens(machine(), happens)
    monkeypatch.setattr(module, name, without)
    with pytest.raises(AssertionError):
        use_while_it_happens(machine(), happens)


def test_a_request_that_runs_when_its_account_is_deleted_is_paid_before_what_the_account_owes(
    machine: type[RunningRequests],
) -> None:
    """Redis is told that a deleted account has nothing: that is not how much of it nobody uses."""
    account = machine()
    account.register(trial=10, paid=90)
    account.admit(100)
    account.settle(0, 1.0)
    account.post(0)
    account.buy(50)
    account.mirror()
    account.admit(40)
    account.reverse(0, 90, 1)
    account.delete()
    account.mirror()
    account.collect()
    account.settle(0, 1.0)
    account.post(0)
    account.every_request_was_paid()
    account.teardown()
