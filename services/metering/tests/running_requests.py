"""An account whose requests run while its balance is lowered, over the real ledger and the real scripts.

Purchases that are reversed and frozen, deductions that stop halfway, grants that end, an account that is deleted, a
Redis that is lost, with requests admitted, settled, posted and mirrored in between, late and again.
"""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, ClassVar
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from redis.asyncio import Redis

from services.metering.adapters.lowerings_postgres import begin_lowering
from services.metering.domain.accounts import AccountDeletedBefore
from services.metering.domain.adjustments import Adjustment, InsufficientBalance
from services.metering.domain.grants import operator_grant
from services.metering.tests.building import Books, record_for
from services.metering.tests.buying import Order, hear
from services.metering.tests.ending import end_grants
from services.metering.tests.gateway import Gateway, checkpoint_for, end_the_wait
from services.metering.use_cases import adjust_balance, collect_debts, expire_grants
from services.metering.use_cases.change_account import change_account
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.grant_tokens import grant_tokens
from services.metering.use_cases.mirror_accounts import mirror_account, mirror_changed_accounts
from shared.admission.decisions import Admitted, Checkpoint
from shared.admission.lower import Held, lower
from shared.admission.mirror import IsOpen
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId, RequestId, new_uuid7
from shared.postgres import Pool

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
        self.asleep: list[adjust_balance.Lowering] = []

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
    def fall_asleep(self, count: int) -> None:
        """The process of a deduction stands still between its hold and its posting."""
        adjustment = Adjustment(new_uuid7(), self.account_id, -count, "by hand")
        with suppress(AccountDeletedBefore):
            lowering = adjust_balance.Lowering(self.run(self._begin(adjustment)), adjustment)
            if self.run(lower(self.world.redis, self.account_id, lowering.lowering_id, count)) == Held():
                self.asleep.append(lowering)

    @precondition(lambda self: self.asleep)
    @rule(at=which)
    def wake_up(self, at: int) -> None:
        """It does not know what happened meanwhile."""
        lowering = self.asleep.pop(at % len(self.asleep))
        with suppress(AccountDeletedBefore):
            self.run(adjust_balance._post(self.world.pool, lowering, utc_now()))

    @precondition(lambda self: self.asleep)
    @rule(at=which)
    def come_again(self, at: int) -> None:
        """Somebody asks for the same, while it sleeps or is dead."""
        self._adjust(self.asleep[at % len(self.asleep)].adjustment)

    @rule(chance=which)
    def delete(self, chance: int = 0) -> None:
        """Seldom: little happens afterwards."""
        if chance == 0:
            event = AccountDeleted(account_id=self.account_id)
            self.run(close_account(self.world.pool, new_uuid7(), event, utc_now()))

    @rule()
    def give_up(self) -> None:
        later = utc_now() + 2 * adjust_balance.GIVE_UP_AFTER
        self.run(adjust_balance.give_up_stuck_lowerings(self.world.pool, later))

    @rule()
    def lose_redis(self) -> None:
        """The gateways tell again what they hold and settled; then the account opens again."""
        self.run(self._lose_redis())

    @rule(count=tokens)
    def grant(self, count: int) -> None:
        now = utc_now()
        given = operator_grant(
            self.account_id, new_uuid7(), count, expires_at=now + timedelta(days=1), now=now
        )
        with suppress(AccountDeletedBefore):
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
        self.give_up()
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
        return self.world.runner.run(awaited(action))

    def _order(self, at: int) -> Order:
        return self.orders[at % len(self.orders)]

    def _adjust(self, adjustment: Adjustment) -> None:
        action = adjust_balance.adjust_balance(self.world.pool, self.world.redis, adjustment, utc_now())
        with suppress(InsufficientBalance, AccountDeletedBefore):
            self.run(action)

    async def _begin(self, adjustment: Adjustment) -> UUID:
        async with change_account(self.world.pool, self.account_id) as connection:
            return await begin_lowering(connection, adjustment, new_uuid7(), utc_now())

    async def _lose_redis(self) -> None:
        await self.world.redis.flushdb()
        await self.gateway.issue_key(self.account_id)
        await mirror_account(self.world.pool, self.world.redis, self.account_id)
        holds = [checkpoint_of(self.account_id, request_id, hold) for request_id, hold in self.running]
        await self.gateway.desk.checkpoint(holds)
        await self.gateway.desk.settle_again(self.settled)
        await end_the_wait(self.world.redis, self.account_id)
        assert await mirror_account(self.world.pool, self.world.redis, self.account_id) == IsOpen()


def checkpoint_of(account_id: AccountId, request_id: RequestId, hold: Admitted) -> Checkpoint:
    return replace(
        checkpoint_for(account_id, request_id, hold.tokens_held),
        admitted_at=hold.admitted_at,
        tokens_prompt=0,
        tokens_completion=0,
    )


async def awaited(action: Any) -> Any:
    return await action
