"""The audit as it is run: by a command, on a schedule, and beside the model server's own counters."""

import asyncio
import os
import sys
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from services.metering.domain.audit.findings import Check, Report
from services.metering.domain.audit.table import exit_code
from services.metering.tests.auditing import AT_ONCE, System, Vandal, told
from services.metering.tests.building import record_for
from services.metering.tests.neighbours import NOBODY
from services.metering.use_cases.audit.audit_generations import audit_counters
from services.metering.use_cases.audit.keep_auditing import ScheduledAudit
from shared.clock import utc_now
from tests.support.servers import ServiceDatabase


async def counters(running: System, url: str) -> Report:
    report = Report()
    await audit_counters(running.pool, report, (url,), "", utc_now())
    return report


async def test_more_posted_than_the_model_server_counted_is_a_difference(running: System) -> None:
    url = running.neighbours_url
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
    url = running.neighbours_url
    account_id = await running.open_account()
    running.neighbours.counters = (100, 50, 300)
    await counters(running, url)
    await running.books.post(record_for(account_id, 30, admitted_at=utc_now()))
    running.neighbours.counters = (10, 0, 20)
    assert told(await counters(running, url)) == []
    assert told(await counters(running, url)) == []


async def test_one_that_started_anew_and_counted_past_its_last_reading_is_known_by_its_process(
    running: System,
) -> None:
    """Else what it counted before it ended would be missing, and the ledger would be blamed."""
    url = running.neighbours_url
    account_id = await running.open_account()
    running.neighbours.counters, running.neighbours.model_process = (0, 0, 10), "1001"
    await counters(running, url)
    await running.books.post(record_for(account_id, 300, admitted_at=utc_now()))
    running.neighbours.counters, running.neighbours.model_process = (20, 0, 40), "2002"
    report = await counters(running, url)
    assert told(report) == []
    assert "the next audit compares" in report.results[Check.COUNTERS].note
    await running.books.post(record_for(account_id, 30, admitted_at=utc_now()))
    assert len(told(await counters(running, url))) == 2, "the same process is compared"


@pytest.mark.parametrize(
    ("earlier", "now", "tokens", "differs"),
    [
        (999_000, 999_030, 46, True),
        (3_214_566, 3_214_594, 42, False),
        (3_214_566, 3_214_594, 120, True),
    ],
)
async def test_counters_past_a_million_are_known_to_six_digits(
    running: System, earlier: int, now: int, tokens: int, *, differs: bool
) -> None:
    """As llama-server writes them: 3.21457e+06, then 3.21459e+06, for 28 tokens more. Two thirds of `tokens` are an answer's."""
    url = running.neighbours_url
    account_id = await running.open_account()
    running.neighbours.counters = (0, 0, earlier)
    await counters(running, url)
    running.neighbours.counters = (tokens, 0, now)
    await running.books.post(record_for(account_id, tokens, admitted_at=utc_now()))
    assert bool(told(await counters(running, url))) == differs


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
    url = running.neighbours_url
    environment = {
        **os.environ,
        "DATABASE_URL": schema.url,
        "REDIS_URL": redis_url,
        "AMQP_URL": amqp_url,
        "INTERNAL_TOKEN": "an-internal-token",
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
        "INTERNAL_TOKEN": "an-internal-token",
    }
    command = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.metering", "audit", env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, told_why = await command.communicate()
    assert command.returncode == 2
    assert told_why.decode().startswith("The audit was not finished: PostgreSQL does not answer")
