"""`make audit` finds holds that leak, charges that vanish and balances that were made up in Redis."""

from typing import Any

import pytest

from services.metering.domain.audit.table import as_table, exit_code
from services.metering.tests.auditing import System, Vandal
from services.metering.tests.gateway import fall_silent
from services.metering.use_cases.audit.run_audit import Patience
from shared.admission.keys import EPOCH_MARKER, AccountKeys


async def test_a_dropped_chunk_of_usage(running: System) -> None:
    """Settled and published, as far as its gateway knows, and never seen again."""
    account_id = await running.open_account()
    request_ids = [await running.gateway.admit(account_id, 30) for _ in range(2)]
    for request_id in request_ids:
        await running.gateway.settle(account_id, request_id, 30)
    await running.gateway.publish()
    found = await running.findings()
    assert found == [
        f"I3 settlement {request_id} revision 2: settled with 10 + 20 tokens, and not posted"
        for request_id in sorted(request_ids)
    ]


async def test_a_hand_edited_balance_in_redis(running: System) -> None:
    account_id = await running.open_account(trial=1000, paid=10)
    await running.redis.hset(AccountKeys(account_id).account, "posted", 1_000_000)
    [found] = await running.findings()
    assert found.startswith(f"I18 mirror of {account_id}: Redis has 1000000 + 1000 in ")
    assert "a rebuild gives 10 + 1000 in " in found


async def test_a_redis_that_is_ahead_of_the_ledger(running: System) -> None:
    account_id = await running.open_account()
    await running.redis.hset(AccountKeys(account_id).account, "version", 99)
    [found] = await running.findings()
    assert found.startswith(f"I18 mirror of {account_id}: Redis has version 99")


async def test_a_leaked_hold(running: System) -> None:
    """It lost its lease: no sweep will ever end it."""
    account_id = await running.open_account()
    request_id = await running.gateway.admit(account_id, 30)
    await running.redis.zrem(AccountKeys(account_id).leases, f"{account_id}/{request_id}")
    report = await running.audit()
    assert exit_code(report) == 1
    assert f"I5  hold {request_id}: 30 tokens without a lease: no sweep finds it" in as_table(report)


async def test_a_hold_that_nobody_speaks_for(running: System) -> None:
    """No sweep ended it. It is a leak once Redis has been there for long enough for everybody to be heard."""
    account_id = await running.open_account()
    request_id = await running.gateway.admit(account_id, 30)
    await fall_silent(running.redis, account_id, request_id, 120_000)
    await running.redis.delete(EPOCH_MARKER)
    assert await running.findings() == []
    await running.redis.hincrby(EPOCH_MARKER, "since", -120_000)
    [found] = await running.findings()
    assert found.startswith(f"I5 hold {request_id}: 30 tokens, last heard of 12")


async def test_a_lease_without_its_hold(running: System) -> None:
    account_id = await running.open_account()
    request_id = await running.gateway.admit(account_id, 30)
    names = AccountKeys(account_id)
    await running.redis.hdel(names.holds, request_id)
    assert await running.findings() == [
        f"I5 lease {request_id}: a lease of {account_id} without a hold",
        f"I5 held of {account_id}: 30 held, its holds sum to 0",
        f"I5 running of {account_id}: {{'0197b1c2-0000-7000-8000-000000000001': 1}} running, holds say {{}}",
    ]


async def test_a_hold_of_a_request_that_is_posted(running: System) -> None:
    account_id = await running.open_account()
    request_id = await running.gateway.admit(account_id, 30)
    held: Any = await running.redis.hgetall(AccountKeys(account_id).holds)
    await running.gateway.settle(account_id, request_id, 30)
    await running.catch_up()
    names = AccountKeys(account_id)
    await running.redis.hset(names.holds, mapping=held)
    await running.redis.hincrby(names.account, "held", 30)
    await running.redis.hset(names.account, "running:0197b1c2-0000-7000-8000-000000000001", 1)
    await running.redis.zadd(names.leases, {f"{account_id}/{request_id}": 2e12})
    assert await running.findings() == [f"I5 hold {request_id}: 30 tokens of a request that is posted"]


async def test_a_journal_that_keeps_what_is_posted(running: System) -> None:
    account_id = await running.open_account()
    request_id = await running.gateway.admit(account_id, 30)
    await running.gateway.settle(account_id, request_id, 30)
    journal: Any = await running.redis.hgetall(AccountKeys(account_id).journal)
    await running.catch_up()
    names = AccountKeys(account_id)
    await running.redis.hset(names.journal, mapping=journal)
    await running.redis.hincrby(names.account, "journalled", 31)
    assert await running.findings() == [
        f"I6 journalled of {account_id}: 31 journalled, its journal sums to 30",
        f"I6 journal {request_id}: 30 tokens that are posted are still taken off what is available",
    ]


async def test_more_is_held_than_is_there(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account(trial=100)
    request_id = await running.gateway.admit(account_id, 60)
    await running.gateway.settle(account_id, request_id, 60)
    await running.gateway.admit(account_id, 40)
    assert await running.findings(Patience(0.05, in_flight_seconds=60)) == []
    await vandal.sql(
        """
        INSERT INTO entries (account_id, grant_id, kind, tokens, created_at)
        SELECT account_id, grant_id, 'expiry', -30, now() FROM grants
        """,
        "UPDATE grants SET remaining = 70",
        "UPDATE accounts SET balance = 70, version = version + 1",
    )
    await running.catch_up()
    found = await running.findings()
    assert (
        f"I2 account {account_id}: 40 held and 0 journalled, but 10 are left of all that was given" in found
    )


async def test_what_is_stuck(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account()
    await vandal.sql(
        """
        INSERT INTO gateways (gateway, announced, gap_from, gap_through, gap_since, seen_at)
        VALUES ('gateway-1', 7, 3, 7, now() - interval '2 minutes', now())
        """,
        """
        INSERT INTO outbox (id, type, body, created_at)
        VALUES (gen_random_uuid(), 'metering.balance_low.v1', '{}', now() - interval '2 minutes')
        """,
        """
        INSERT INTO lowerings (lowering_id, account_id, adjustment_id, tokens, state, began_at)
        SELECT gen_random_uuid(), account_id, gen_random_uuid(), 5, 'open', now() - interval '1 hour'
        FROM accounts
        """,
    )
    batches, event, deduction = await running.findings()
    assert batches.startswith("I10 batches 3 to 7 of gateway-1: waits since ")
    assert "(metering.balance_low.v1) in the outbox: waits since " in event
    assert f"of 5 from {account_id}: waits since " in deduction


@pytest.mark.parametrize(("name", "value"), [("a-hold", "garbage"), ("no-request", "2:5")])
async def test_what_nobody_can_read(running: System, name: str, value: str) -> None:
    account_id = await running.open_account()
    names = AccountKeys(account_id)
    await running.redis.hset(names.holds if value == "garbage" else names.journal, name, value)
    assert await running.findings() == [
        f"I5 account {account_id} in Redis: its record, holds or journal cannot be read"
    ]
