"""Whatever happens to some accounts, in any order and again: the books add up, and Redis has what they say.

Real PostgreSQL and Redis, driven by hypothesis against a plain model (plain_books.py).
"""

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from operator import neg
from typing import Any

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

from services.metering.domain.adjustments import Adjustment, InsufficientBalance
from services.metering.domain.batches import Batch
from services.metering.tests.building import NOON, RETENTION, record_for
from services.metering.tests.buying import Order, PurchaseEvent, hear
from services.metering.tests.plain_books import PlainAccount, read_rows
from services.metering.use_cases.adjust_balance import adjust_balance
from services.metering.use_cases.collect_debts import collect_debts
from services.metering.use_cases.expire_grants import expire_grants
from services.metering.use_cases.grant_trial import grant_trial
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from services.metering.use_cases.post_usage import Delivery, post_usage
from services.metering.use_cases.read_balance import read_balance
from shared.admission.desk import AdmissionDesk
from shared.api_keys import new_account_id
from shared.clock import utc_now
from shared.contracts.accounts import AccountRegistered, Trial
from shared.contracts.gateway import UsageRecord
from shared.ids import new_uuid7
from shared.postgres import Pool, open_pool
from shared.redis_client import open_redis
from tests.support.servers import ServiceDatabase

ACCOUNTS = 2
tokens = st.integers(min_value=1, max_value=120)
accounts = st.integers(min_value=0, max_value=ACCOUNTS - 1)
revisions = st.integers(min_value=0, max_value=4)


class Ledger(RuleBasedStateMachine):
    """The first account's trial has ended before anything happens: only what was admitted earlier may burn it."""

    runner: asyncio.Runner
    pool: Pool
    redis: Redis

    def __init__(self) -> None:
        super().__init__()
        self.plain: list[PlainAccount] = []
        self.records: list[UsageRecord] = []
        self.deliveries: list[Delivery] = []
        self.orders: list[Order] = []

    def run(self, action: Coroutine[Any, Any, Any]) -> Any:
        return self.runner.run(action)

    @initialize()
    def register(self) -> None:
        self.ended_at = utc_now() - timedelta(minutes=10)
        for ends_at in (self.ended_at, utc_now() + timedelta(days=7)):
            account = PlainAccount(new_account_id(), granted=100)
            event = AccountRegistered(
                account_id=account.account_id,
                email="ada@example.com",
                trial=Trial(tokens=100, expires_at=ends_at),
            )
            self.run(grant_trial(self.pool, new_uuid7(), event, NOON))
            self.plain.append(account)

    @rule(at=accounts, count=tokens)
    def buy(self, at: int, count: int) -> None:
        account = self.plain[at]
        order = Order(account.account_id, count)
        self.run(hear(self.pool, order.completed()))
        account.granted += count
        self.orders.append(order)

    @precondition(lambda self: self.orders)
    @rule(
        data=st.data(),
        happens=st.sampled_from(["reversed", "frozen", "released"]),
        revision=revisions,
        count=st.integers(min_value=0, max_value=150),
    )
    def hear_of_a_purchase(self, data: st.DataObject, happens: str, revision: int, count: int) -> None:
        """Its completion comes again with it."""
        order = data.draw(st.sampled_from(self.orders))
        said: dict[str, PurchaseEvent] = {
            "reversed": order.reversed(count, revision),
            "frozen": order.frozen(revision),
            "released": order.released(revision),
        }
        self.run(hear(self.pool, said[happens], order.completed()))

    @rule(at=accounts, delta=tokens | tokens.map(neg))
    def adjust_by_hand(self, at: int, delta: int) -> None:
        """Asked for twice."""
        account = self.plain[at]
        adjustment = Adjustment(new_uuid7(), account.account_id, delta, "by hand")
        self.run(mirror_changed_accounts(self.pool, self.redis))
        try:
            for _ in range(2):
                self.run(adjust_balance(self.pool, self.redis, adjustment, NOON))
        except InsufficientBalance:
            return
        account.granted += max(delta, 0)
        account.deducted += max(-delta, 0)

    @rule(data=st.data(), uses=st.lists(st.tuples(accounts, tokens, st.booleans()), min_size=1, max_size=5))
    def use(self, data: st.DataObject, uses: list[tuple[int, int, bool]]) -> None:
        """New requests, admitted before or after the end of the ended trial; with them some that came before."""
        fresh = [
            record_for(
                self.plain[at].account_id,
                count,
                revision=1,
                admitted_at=self.ended_at + timedelta(minutes=-1 if was_early else 1),
            )
            for at, count, was_early in uses
        ]
        again = data.draw(st.lists(st.sampled_from(self.records), max_size=3)) if self.records else []
        self._deliver(data.draw(st.permutations([*fresh, *again])))

    @precondition(lambda self: self.records)
    @rule(data=st.data(), count=st.integers(min_value=0, max_value=200))
    def correct(self, data: st.DataObject, count: int) -> None:
        record = data.draw(st.sampled_from(self.records))
        latest = max(each.revision for each in self.records if each.request_id == record.request_id)
        self._deliver(
            [
                record_for(
                    record.account_id,
                    count,
                    request_id=record.request_id,
                    revision=latest + 1,
                    admitted_at=record.admitted_at,
                )
            ]
        )

    @precondition(lambda self: self.deliveries)
    @rule(data=st.data())
    def deliver_again(self, data: st.DataObject) -> None:
        self._post(data.draw(st.lists(st.sampled_from(self.deliveries), min_size=1, max_size=4)))

    @rule()
    def let_time_pass(self) -> None:
        self.run(mirror_changed_accounts(self.pool, self.redis))
        self.run(expire_grants(self.pool, self.redis))
        self.run(collect_debts(self.pool, self.redis, NOON))

    @invariant()
    def the_books_are_the_plain_ones(self) -> None:
        for account in self.plain:
            self.run(read_rows(self.pool, account.account_id)).assert_it_is(account)

    def teardown(self) -> None:
        if self.plain:
            self.run(self._assert_redis_follows())

    async def _assert_redis_follows(self) -> None:
        """Once all is collected that can be, nobody owes who still has paid tokens to spend."""
        for _ in range(2):
            await mirror_changed_accounts(self.pool, self.redis)
            await collect_debts(self.pool, self.redis, NOON)
        await mirror_changed_accounts(self.pool, self.redis)
        for account in self.plain:
            rows = await read_rows(self.pool, account.account_id)
            rows.assert_it_is(account)
            balance = await read_balance(self.pool, account.account_id, utc_now())
            view = await AdmissionDesk(self.redis).balance(account.account_id)
            assert view is not None
            assert view.available == balance.available
            assert rows.owed == 0 or balance.paid == 0

    def _deliver(self, records: list[UsageRecord]) -> None:
        by_id = {str(account.account_id): account for account in self.plain}
        for record in records:
            by_id[record.account_id].use(record)
        self.records += records
        delivery = Delivery(new_uuid7(), Batch("gateway-1", len(self.deliveries) + 1), records)
        self.deliveries.append(delivery)
        self._post([delivery])

    def _post(self, deliveries: list[Delivery]) -> None:
        assert self.run(post_usage(self.pool, deliveries, retention=RETENTION, now=utc_now())) == {}


def test_the_books_of_any_history_add_up(schema: ServiceDatabase, redis_url: str) -> None:
    with asyncio.Runner() as runner:
        Ledger.runner = runner
        Ledger.pool = runner.run(open_pool(schema.url, service="metering"))
        Ledger.redis = open_redis(redis_url)
        try:
            run_state_machine_as_test(
                Ledger,
                settings=settings(
                    max_examples=20,
                    stateful_step_count=15,
                    deadline=None,
                    suppress_health_check=list(HealthCheck),
                ),
            )
        finally:
            runner.run(close(Ledger.redis))
            runner.run(Ledger.pool.close())


async def close(redis: Redis) -> None:
    await redis.aclose()
