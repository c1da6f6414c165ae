"""An audit of a system that is all right finds nothing, also while it works; and says what it could not look at."""

import asyncio
import os
import random
import sys
from datetime import timedelta

from prometheus_client import REGISTRY

from services.metering.domain.adjustments import Adjustment
from services.metering.domain.audit.findings import Check, Report
from services.metering.domain.audit.table import as_table, exit_code
from services.metering.domain.grants import operator_grant
from services.metering.tests.auditing import AT_ONCE, System, Vandal, told
from services.metering.tests.building import NOON, TRIAL_END, record_for
from services.metering.tests.buying import Order, hear
from services.metering.tests.neighbours import NOBODY, TOKENS
from services.metering.use_cases.adjust_balance import adjust_balance
from services.metering.use_cases.audit.audit_generations import audit_counters
from services.metering.use_cases.audit.keep_auditing import ScheduledAudit
from services.metering.use_cases.audit.run_audit import Patience
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.collect_debts import collect_debts
from services.metering.use_cases.expire_grants import expire_grants
from services.metering.use_cases.grant_tokens import grant_tokens
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.http.internal import InternalClient
from shared.ids import AccountId, new_uuid7
from shared.redis_client import open_redis
from tests.support.servers import ServiceDatabase

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


async def counters(running: System, url: str) -> Report:
    report = Report()
    await audit_counters(running.pool, report, (url,), "", utc_now())
    return report


async def test_more_posted_than_the_model_server_counted_is_a_difference(running: System) -> None:
    url = str(running.sources.accounts._http.base_url)
    account_id = await running.open_account()
    running.neighbours.counters = (100, 50, 300)
    first = await counters(running, url)
    assert "the next audit compares" in first.results[Check.COUNTERS].note
    running.neighbours.counters = (105, 55, 320)
    await running.books.post(record_for(account_id, 30, admitted_at=utc_now()))
    second = await counters(running, url)
    assert told(second) == []
    assert (
        "30 tokens of completed answers are posted and 30 were counted" in second.results[Check.COUNTERS].note
    )
    await running.books.post(record_for(account_id, 30, admitted_at=utc_now()))
    [prompt, completion] = told(await counters(running, url))
    assert prompt.startswith("I4 prompt tokens: 20 posted since ")
    assert "the model server counted 10" in prompt
    assert completion.startswith("I4 completion tokens: 40 posted since ")


async def test_a_model_server_that_started_anew_is_compared_from_then_on(running: System) -> None:
    url = str(running.sources.accounts._http.base_url)
    account_id = await running.open_account()
    running.neighbours.counters = (100, 50, 300)
    await counters(running, url)
    await running.books.post(record_for(account_id, 30, admitted_at=utc_now()))
    running.neighbours.counters = (10, 0, 20)
    assert told(await counters(running, url)) == []
    assert told(await counters(running, url)) == []


async def test_a_model_server_without_counters_is_no_difference(running: System) -> None:
    report = await counters(running, NOBODY)
    assert (told(report), exit_code(report)) == ([], 0)
    assert report.results[Check.COUNTERS].note == "the model server shows no counters"


async def test_several_replicas_audit_once_and_all_show_it(running: System, vandal: Vandal) -> None:
    await running.open_account()
    await vandal.sql("UPDATE accounts SET balance = balance + 5")
    long_ago = utc_now() - timedelta(hours=2)
    replicas = [
        ScheduledAudit(running.sources, every=timedelta(hours=1), started_at=long_ago, patience=AT_ONCE)
        for _ in range(2)
    ]
    await asyncio.gather(*(replica.tick() for replica in replicas))
    await replicas[0].tick()
    assert await running.pool.fetchval("SELECT count(*) FROM audits") == 1
    assert REGISTRY.get_sample_value("promptly_metering_audit_differences", {"check": "I1"}) == 1
    assert REGISTRY.get_sample_value("promptly_metering_audit_not_checked", {"check": "I7"}) == 0


async def test_the_first_scheduled_audit_waits_for_one_interval(running: System) -> None:
    await ScheduledAudit(running.sources, every=timedelta(hours=1), started_at=utc_now()).tick()
    assert await running.pool.fetchval("SELECT count(*) FROM audits") == 0


async def test_the_command_prints_the_table_and_ends_with_its_code(
    running: System, vandal: Vandal, schema: ServiceDatabase, redis_url: str, amqp_url: str
) -> None:
    account_id = await running.open_account()
    url = str(running.sources.accounts._http.base_url)
    environment = {
        **os.environ,
        "DATABASE_URL": schema.url,
        "REDIS_URL": redis_url,
        "AMQP_URL": amqp_url,
        "INTERNAL_TOKEN": "internal-secret",
        "ACCOUNTS_URL": url,
        "BILLING_URL": url,
    }
    await vandal.sql("UPDATE accounts SET balance = balance + 5")
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.metering", "audit", env=environment, stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await command.communicate()
    assert command.returncode == 1
    assert f"I1  account {account_id}: balance 1005, its entries sum to 1000" in printed.decode()
    assert "1 difference. All was checked." in printed.decode()


async def test_a_command_without_its_database_says_so(running: System) -> None:
    environment = {
        **os.environ,
        "DATABASE_URL": "postgresql://metering:x@127.0.0.1:9/gateway",
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "AMQP_URL": "amqp://127.0.0.1:9/",
        "INTERNAL_TOKEN": "internal-secret",
    }
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.metering", "audit", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, told_why = await command.communicate()
    assert command.returncode == 2
    assert told_why.decode().startswith("The audit was not finished: PostgreSQL does not answer")
