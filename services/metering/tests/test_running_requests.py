"""Whatever lowers a balance while requests run: each of them finds what it was admitted to.

Random histories over the real ledger and the real scripts: purchases that are reversed and frozen, deductions that
stop halfway, grants that end, with requests admitted, settled, posted and mirrored in between, late and again.
Each rule is also left out once, to see that this test would notice.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from redis.asyncio import Redis

from services.metering.adapters.lowerings_postgres import begin_lowering
from services.metering.domain.adjustments import Adjustment, InsufficientBalance
from services.metering.domain.grants import operator_grant
from services.metering.tests.building import Books, record_for
from services.metering.tests.buying import Order, hear
from services.metering.tests.ending import end_grants
from services.metering.tests.gateway import Gateway
from services.metering.use_cases import adjust_balance, collect_debts, expire_grants
from services.metering.use_cases.change_account import change_account
from services.metering.use_cases.grant_tokens import grant_tokens
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from shared.admission.decisions import Admitted
from shared.admission.lower import Held, Lowered, Room, lower, read_room
from shared.clock import utc_now
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId, RequestId, new_uuid7
from shared.postgres import Pool, open_pool
from tests.support.servers import ServiceDatabase

tokens = st.integers(min_value=10, max_value=90)
which = st.integers(min_value=0, max_value=5)
revisions = st.integers(min_value=0, max_value=6)


@dataclass(frozen=True)
class World:
    runner: asyncio.Runner
    pool: Pool
    owner_url: str
    redis: Redis


class RunningRequests(RuleBasedStateMachine):
    world: ClassVar[World]

    def __init__(self) -> None:
        super().__init__()
        self.running: list[tuple[RequestId, Admitted]] = []
        self.settled: list[UsageRecord] = []
        self.orders: list[Order] = []
        self.halfway: list[Adjustment] = []

    @initialize(trial=tokens, paid=tokens)
    def register(self, trial: int, paid: int) -> None:
        self.run(self.world.redis.flushdb())
        self.books, self.gateway = Books(self.world.pool), Gateway(self.world.redis)
        self.account_id: AccountId = self.run(self.books.open_account(trial=trial))
        self.run(self.gateway.issue_key(self.account_id))
        self.buy(paid)
        self.mirror()

    @rule(count=tokens)
    def admit(self, count: int) -> None:
        request_id, decision = self.run(self.gateway.decide(self.account_id, count))
        if isinstance(decision, Admitted):
            self.running.append((request_id, decision))

    @precondition(lambda self: self.running)
    @rule(at=which, share=st.floats(0, 1))
    def settle(self, at: int, share: float) -> None:
        request_id, hold = self.running.pop(at % len(self.running))
        record = record_for(
            self.account_id,
            int(hold.tokens_held * share),
            request_id=UUID(request_id),
            admitted_at=hold.admitted_at,
        )
        self.run(self.gateway.desk.settle(self.account_id, record, tokens_held=hold.tokens_held))
        self.settled.append(record)

    @precondition(lambda self: self.settled)
    @rule(at=which)
    def post(self, at: int) -> None:
        self.run(self.books.post(self.settled[-1 - at % len(self.settled)]))

    @rule()
    def mirror(self) -> None:
        self.run(mirror_changed_accounts(self.world.pool, self.world.redis))

    @rule(count=tokens)
    def buy(self, count: int) -> None:
        self.orders.append(Order(self.account_id, count))
        self.run(hear(self.world.pool, self.orders[-1].completed()))

    @rule(at=which, count=st.integers(min_value=0, max_value=90), revision=revisions)
    def reverse(self, at: int, count: int, revision: int) -> None:
        self.run(hear(self.world.pool, self._order(at).reversed(count, revision)))

    @rule(at=which, revision=revisions)
    def freeze(self, at: int, revision: int) -> None:
        self.run(hear(self.world.pool, self._order(at).frozen(revision)))

    @rule(at=which, revision=revisions)
    def release(self, at: int, revision: int) -> None:
        self.run(hear(self.world.pool, self._order(at).released(revision)))

    @rule()
    def collect(self) -> None:
        self.run(collect_debts.collect_debts(self.world.pool, self.world.redis, utc_now()))

    @rule(count=tokens)
    def deduct(self, count: int) -> None:
        self._adjust(Adjustment(new_uuid7(), self.account_id, -count, "by hand"))

    @rule(count=tokens)
    def deduct_halfway(self, count: int) -> None:
        """Its process stands still between its hold and its posting."""
        adjustment = Adjustment(new_uuid7(), self.account_id, -count, "by hand")
        self.run(self._hold(adjustment))
        self.halfway.append(adjustment)

    @precondition(lambda self: self.halfway)
    @rule(at=which)
    def finish(self, at: int) -> None:
        self._adjust(self.halfway.pop(at % len(self.halfway)))

    @rule(count=tokens)
    def grant(self, count: int) -> None:
        now = utc_now()
        given = operator_grant(
            self.account_id, new_uuid7(), count, expires_at=now + timedelta(days=1), now=now
        )
        self.run(grant_tokens(self.world.pool, given, reason="by hand", now=now))

    @rule()
    def grants_end(self) -> None:
        """Time is the test's: in the ledger and in Redis at the same moment."""
        self.run(end_grants(self.world.owner_url, self.world.redis, self.account_id))

    @rule()
    def expire(self) -> None:
        action = expire_grants.expire_grants(
            self.world.pool, self.world.redis, clocks_differ_at_most=timedelta(0)
        )
        self.run(action)

    @invariant()
    def every_request_was_paid(self) -> None:
        uncollected = self.world.pool.fetchval(
            "SELECT sum(tokens_uncollected) FROM usage WHERE account_id = $1", self.account_id
        )
        assert self.run(uncollected) in (None, 0)

    def teardown(self) -> None:
        """When all has ended, Redis says what the ledger says, and whoever owes has nothing left to take."""
        if not hasattr(self, "account_id"):
            return
        while self.running:
            self.settle(0, 1.0)
        for at in range(len(self.settled)):
            self.run(self.books.post(self.settled[at]))
        while self.halfway:
            self.finish(0)
        for _ in range(2):
            self.mirror()
            self.collect()
        self.mirror()
        self.every_request_was_paid()
        self.run(self.books.stored(self.account_id))
        assert self.run(self.gateway.open_ids(self.account_id)) == frozenset()
        balance = self.run(self.gateway.balance(self.account_id))
        assert balance.debt == 0 or balance.paid == 0

    def run(self, action: Awaitable[Any]) -> Any:
        return self.world.runner.run(_awaited(action))

    def _order(self, at: int) -> Order:
        return self.orders[at % len(self.orders)]

    def _adjust(self, adjustment: Adjustment) -> None:
        action = adjust_balance.adjust_balance(self.world.pool, self.world.redis, adjustment, utc_now())
        with suppress(InsufficientBalance):
            self.run(action)

    async def _hold(self, adjustment: Adjustment) -> None:
        async with change_account(self.world.pool, self.account_id) as connection:
            lowering_id = await begin_lowering(connection, adjustment, new_uuid7(), utc_now())
        await lower(self.world.redis, self.account_id, lowering_id, -adjustment.delta)


async def _awaited(action: Any) -> Any:
    return await action


@pytest.fixture
def machine(schema: ServiceDatabase, redis_url: str) -> Iterator[type[RunningRequests]]:
    with asyncio.Runner() as runner:
        pool = runner.run(open_pool(schema.url, service="metering"))
        redis = Redis.from_url(redis_url)
        yield type("Here", (RunningRequests,), {"world": World(runner, pool, schema.owner_url, redis)})
        for end in (redis.aclose, pool.close):
            runner.run(_awaited(end()))


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


def as_if_it_was_made_later(request_id: RequestId) -> datetime:
    return utc_now() + timedelta(days=1)


RULES = {
    "hold before a deduction": (is_deducted, adjust_balance, "lower", lower_without_a_hold),
    "collect what nobody uses": (is_reversed, collect_debts, "read_room", read_room_as_if_nobody_used_any),
    "expire when nobody is on the way": (ends, expire_grants, "_made_at", as_if_it_was_made_later),
}


def use_while_it_happens(account: RunningRequests, happens: Callable[[RunningRequests], None]) -> None:
    """A request is admitted to all there is; then what it was admitted to is to be taken."""
    account.register(trial=90, paid=90)
    account.admit(180)
    happens(account)
    account.settle(0, 1.0)
    account.post(0)
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
