"""An audit of a system that is all right finds nothing, also while it works; and says what it could not look at."""

import asyncio
import random
from datetime import timedelta

from services.metering.domain.adjustments import Adjustment
from services.metering.domain.audit.findings import Check
from services.metering.domain.audit.table import as_table, exit_code
from services.metering.domain.grants import operator_grant
from services.metering.tests.auditing import System, Vandal, told
from services.metering.tests.building import NOON, TRIAL_END, record_for
from services.metering.tests.buying import Order, hear
from services.metering.tests.neighbours import NOBODY, TOKENS
from services.metering.use_cases.adjust_balance import adjust_balance
from services.metering.use_cases.audit.run_audit import Patience
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.collect_debts import collect_debts
from services.metering.use_cases.expire_grants import expire_grants
from services.metering.use_cases.grant_tokens import grant_tokens
from shared.contracts.accounts import AccountDeleted
from shared.http.internal import InternalClient
from shared.ids import AccountId, new_uuid7
from shared.redis_client import open_redis

WITH_PATIENCE = Patience(between_looks_seconds=0.3, in_flight_seconds=5.0)


async def test_a_system_at_rest_has_no_differences(running: System) -> None:
    for _ in range(3):
        account_id = await running.open_account(trial=100, paid=200)
        for tokens in (30, 90, 40):  # the trial, both, the purchase
            await running.use(account_id, tokens)
    report = await running.audit()
    assert told(report) == []
    assert exit_code(report) == 0
    assert as_table(report).endswith("No difference. All was checked.")
    examined = {check: report.results[check].examined for check in Check}
    assert examined[Check.BALANCES] == examined[Check.REBUILD] == examined[Check.BURN_ORDER] == 3
    assert examined[Check.GENERATIONS] == 9
    assert examined[Check.ORDERS] == 6
    assert (await running.audit()).results[Check.ROWS].examined == 18


async def test_an_empty_system_has_no_differences(running: System) -> None:
    assert told(await running.audit()) == []


async def test_corrections_expiry_and_closed_accounts_are_no_differences(running: System) -> None:
    account_id = await running.open_account(trial=100, paid=200)
    request_id = new_uuid7()
    for revision, tokens in ((1, 150), (2, 60)):
        record = record_for(account_id, tokens, request_id=request_id, revision=revision)
        await running.books.post(record)
    yesterday, before = NOON - timedelta(days=1), NOON - timedelta(days=2)
    gift = operator_grant(account_id, new_uuid7(), 70, expires_at=yesterday, now=before)
    await grant_tokens(running.pool, gift, reason="because", now=before)
    await running.catch_up()
    await expire_grants(running.pool, running.redis)
    assert ("expiry", -70) in (await running.books.stored(account_id)).entries
    overdrawn = await running.open_account(trial=20)
    await running.books.post(record_for(overdrawn, 30))
    deleted = await running.open_account()
    event = AccountDeleted(account_id=deleted)
    await close_account(running.pool, new_uuid7(), event, NOON)
    running.neighbours.registrations.pop(deleted)
    await running.catch_up()
    assert await running.findings() == []


async def test_deductions_refunds_disputes_and_debts_are_no_differences(running: System) -> None:
    accounts = [await running.open_account(trial=100) for _ in range(4)]
    spent, disputed, refunded, adjusted = [Order(account_id, 500) for account_id in accounts]
    for order in (spent, disputed, refunded):
        await hear(running.pool, order.completed())
    await running.catch_up()
    await running.use(spent.account_id, 400)
    await hear(running.pool, spent.reversed(500), disputed.frozen(), refunded.reversed(200))
    await running.catch_up()
    await running.use(disputed.account_id, 60)
    await collect_debts(running.pool, running.redis, NOON)
    for delta in (300, -50):
        change = Adjustment(new_uuid7(), adjusted.account_id, delta, "because")
        await adjust_balance(running.pool, running.redis, change, NOON)
        await running.catch_up()
    gift = operator_grant(adjusted.account_id, new_uuid7(), 70, expires_at=TRIAL_END, now=NOON)
    await grant_tokens(running.pool, gift, reason="because", now=NOON)
    await running.catch_up()
    await running.use(adjusted.account_id, 200)
    await hear(running.pool, disputed.released())
    await running.catch_up()
    await running.use(disputed.account_id, 100)
    await running.know_orders()
    assert await running.findings() == []


async def test_a_corrected_request_that_kept_the_wrong_grant_is_found(
    running: System, vandal: Vandal
) -> None:
    account_id = await running.open_account(trial=100, paid=200)
    request_id = new_uuid7()
    await running.books.post(record_for(account_id, 150, request_id=request_id, revision=1))
    await running.books.post(record_for(account_id, 140, request_id=request_id, revision=2))
    await running.catch_up()
    assert await running.findings() == []
    await vandal.sql(
        "UPDATE entries SET grant_id = (SELECT grant_id FROM grants WHERE kind = 'trial') WHERE tokens = 10",
        "UPDATE grants SET remaining = CASE kind WHEN 'trial' THEN 10 ELSE 150 END",
        "UPDATE accounts SET version = version + 1",
    )
    await running.catch_up()
    wrong = f"gave back to trial:{account_id}, not first to purchase:"
    assert any(found.startswith("I13 ") and wrong in found for found in await running.findings())


async def test_under_traffic_nothing_differs(running: System) -> None:
    accounts = [await running.open_account(trial=2_000, paid=50_000) for _ in range(6)]
    stop = asyncio.Event()
    traffic = [asyncio.create_task(_use_until(stop, running, accounts, seed)) for seed in range(4)]
    posting = asyncio.create_task(_post_until(stop, running))
    reports = [await running.audit(WITH_PATIENCE) for _ in range(2)]
    stop.set()
    await asyncio.gather(*traffic, posting)
    await running.catch_up()
    assert [told(report) for report in reports] == [[], []]
    assert await running.findings() == []
    posted = await running.pool.fetchval("SELECT count(*) FROM usage")
    assert posted > 100


async def _use_until(stop: asyncio.Event, running: System, accounts: list[AccountId], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - not a secret
    while not stop.is_set():
        account_id, tokens = chance.choice(accounts), chance.randint(20, 60)
        request_id = await running.gateway.admit(account_id, tokens)
        await running.gateway.checkpoint(account_id, request_id, tokens // 2)
        if chance.random() < 0.1:
            await running.gateway.desk.release(account_id, request_id)
        else:
            await running.gateway.settle(account_id, request_id, chance.randint(12, tokens))


async def _post_until(stop: asyncio.Event, running: System) -> None:
    while not stop.is_set():
        await running.catch_up()


async def test_who_does_not_answer_is_named_and_is_not_all_well(running: System) -> None:
    await running.open_account()
    async with InternalClient(NOBODY, TOKENS) as nobody:
        report = await running.audit(accounts=nobody, billing=nobody)
    assert told(report) == []
    assert exit_code(report) == 2
    table = as_table(report)
    assert "not checked: trials: accounts does not answer; orders: billing does not answer" in table
    assert table.endswith("No difference. Not all was checked: I7.")


async def test_a_difference_is_worse_than_what_was_not_checked(running: System, vandal: Vandal) -> None:
    await running.open_account()
    await vandal.sql("UPDATE accounts SET balance = balance + 5")
    async with InternalClient(NOBODY, TOKENS) as nobody:
        assert exit_code(await running.audit(billing=nobody)) == 1


async def test_without_redis_the_rest_is_checked(running: System) -> None:
    redis = open_redis("redis://127.0.0.1:9/0")
    report = await running.audit(redis=redis)
    await redis.aclose()
    assert exit_code(report) == 2
    assert report.results[Check.REBUILD].not_checked
    assert not report.results[Check.ROWS].not_checked
