"""`make audit` finds what was planted behind the services' backs, names it, and finds nothing else."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from services.metering.domain.audit.table import as_table, exit_code
from services.metering.tests.auditing import System, Vandal, system
from services.metering.tests.building import Books
from services.metering.tests.neighbours import Neighbours, answering
from services.metering.use_cases.audit.run_audit import Patience
from shared.admission.keys import AccountKeys
from tests.support.servers import ServiceDatabase


@pytest.fixture(scope="module")
async def vandal(schema: ServiceDatabase) -> Vandal:
    return Vandal(schema.superuser_url)


@pytest.fixture
async def running(books: Books, redis: Redis, amqp_url: str, vandal: Vandal) -> AsyncIterator[System]:
    await vandal.empty()
    neighbours = Neighbours()
    async with answering(neighbours) as url, system(books, redis, amqp_url, neighbours, url) as made:
        yield made


async def test_a_deleted_entry(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account()
    await running.use(account_id, 30)
    await running.use(account_id, 40)
    assert await running.findings() == []
    await vandal.sql("DELETE FROM entries WHERE tokens = -30")
    report = await running.audit()
    table = as_table(report)
    assert exit_code(report) == 1
    assert "I17  entry 2: is gone" in table
    assert f"I1  account {account_id}: balance 930, its entries sum to 960" in table
    assert "usage charges 30, entries collected nothing (no row)" in table


async def test_an_entry_that_was_edited_with_all_its_sums(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account()
    await running.use(account_id, 30)
    assert await running.findings() == []
    await vandal.sql(
        "UPDATE entries SET tokens = -20 WHERE tokens = -30",
        "UPDATE usage SET tokens_completion = 10",
        "UPDATE daily_usage SET tokens_completion = 10",
        "UPDATE grants SET remaining = remaining + 10",
        "UPDATE accounts SET balance = balance + 10",
    )
    found = await running.findings()
    assert "I17 entry 2: is not what it was" in found
    assert any(each.startswith("I3 settlement ") and "posted with 10 + 10" in each for each in found)
    assert any(each.startswith(f"I18 mirror of {account_id}") for each in found)


async def test_an_entry_that_was_slipped_in_between(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account()
    await vandal.sql("ALTER SEQUENCE entries_entry_id_seq RESTART WITH 10")
    await running.use(account_id, 30)
    assert await running.findings() == []
    await vandal.sql(
        """
        INSERT INTO entries (entry_id, account_id, grant_id, kind, tokens, created_at) OVERRIDING SYSTEM VALUE
        SELECT 5, account_id, grant_id, 'expiry', -1, now() FROM grants
        """
    )
    assert "I17 entry 5: appeared among entries that were complete" in await running.findings()


async def test_a_note_that_was_rewritten_to_fit(running: System, vandal: Vandal) -> None:
    await running.open_account()
    assert await running.findings() == []
    await vandal.sql(
        "UPDATE entries SET created_at = now() - interval '1 day'",
        """
        UPDATE entry_notes SET digests = ARRAY(SELECT entry_digest(entries) FROM entries ORDER BY entry_id)
        """,
    )
    assert await running.findings() == ["I17 note of entries 1 to 1: was changed after an audit wrote it"]


async def test_a_credit_without_an_order(running: System, vandal: Vandal) -> None:
    await running.open_account(paid=500)
    await vandal.sql(
        """
        WITH given AS (
            INSERT INTO grants (grant_id, account_id, kind, source, tokens, remaining, created_at)
            SELECT gen_random_uuid(), account_id, 'purchase', 'purchase:again', 500, 500, '2026-11-01'
            FROM accounts RETURNING *
        )
        INSERT INTO entries (account_id, grant_id, kind, tokens, created_at)
        SELECT account_id, grant_id, 'grant', tokens, now() FROM given
        """,
        "UPDATE accounts SET balance = balance + 500, version = version + 1",
    )
    await running.catch_up()
    assert await running.findings() == [
        "I7 grant purchase:again: 500 tokens were credited, and billing knows no such order"
    ]


async def test_an_order_that_was_credited_twice_into_its_grant(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account(paid=500)
    await vandal.sql(
        "DROP INDEX entries_grant_is_filled_once",
        """
        INSERT INTO entries (account_id, grant_id, kind, tokens, created_at)
        SELECT account_id, grant_id, 'grant', 500, now() FROM grants WHERE kind = 'purchase'
        """,
        "UPDATE grants SET remaining = 1000, tokens = 1000 WHERE kind = 'purchase'",
        "UPDATE accounts SET balance = balance + 500, version = version + 1",
    )
    await running.catch_up()
    found = await running.findings()
    await vandal.sql(
        "DELETE FROM entries WHERE entry_id = (SELECT max(entry_id) FROM entries)",
        "CREATE UNIQUE INDEX entries_grant_is_filled_once ON entries (grant_id) WHERE kind = 'grant'",
    )
    assert any("but 2 entries filled it with 1000" in each for each in found)
    assert any(f"500 tokens for {account_id}, credited 1000 to {account_id}" in each for each in found)


async def test_an_order_that_was_paid_and_not_credited(running: System) -> None:
    account_id = await running.open_account()
    running.neighbours.sell(account_id, "lost", 500)
    running.neighbours.sell(account_id, "open", 500, is_credited=False)
    assert await running.findings() == ["I7 order lost: paid, 500 tokens, and not credited"]


async def test_an_order_that_was_credited_and_not_paid(running: System) -> None:
    account_id = await running.open_account(paid=500)
    [purchase_id] = running.neighbours.orders
    running.neighbours.sell(account_id, purchase_id, 500, is_credited=False)
    assert await running.findings() == [f"I7 order {purchase_id}: not paid, and credited with 500 tokens"]


async def test_trials_that_are_not_as_accounts_says(running: System) -> None:
    account_id = await running.open_account()
    running.neighbours.register(account_id, has_trial=False)
    stranger = await running.gateway.open_account(running.books)
    await running.pool.execute("UPDATE accounts SET version = version WHERE account_id = $1", stranger)
    assert sorted(await running.findings()) == sorted(
        [
            f"I7 account {account_id}: registered without a trial, and granted one of 1000",
            f"I7 account {stranger}: open in the ledger, and accounts does not know it",
        ]
    )


async def test_a_second_trial(running: System, vandal: Vandal) -> None:
    await running.open_account()
    await vandal.sql(
        """
        WITH given AS (
            INSERT INTO grants (grant_id, account_id, kind, source, tokens, remaining, expires_at, created_at)
            SELECT gen_random_uuid(), account_id, 'trial', 'trial:again', 7, 7, '2126-01-01', now()
            FROM accounts RETURNING *
        )
        INSERT INTO entries (account_id, grant_id, kind, tokens, created_at)
        SELECT account_id, grant_id, 'grant', tokens, now() FROM given
        """,
        "UPDATE accounts SET balance = balance + 7, version = version + 1",
    )
    await running.catch_up()
    [found] = await running.findings()
    assert "(trial:again): 7 tokens as a trial, which this source cannot give" in found


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


async def test_usage_rows_that_were_deleted(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account()
    await running.use(account_id, 30)
    await vandal.sql("DELETE FROM usage")
    found = await running.findings()
    assert any("usage charges nothing (no row), entries collected 30" in each for each in found)
    assert any("is 1/10/20/0, its requests sum to 0/0/0/0" in each for each in found)
    assert any(each.startswith("I3 settlement ") for each in found)


async def test_a_hand_edited_balance(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account()
    await vandal.sql("UPDATE accounts SET balance = balance + 5")
    assert await running.findings() == [f"I1 account {account_id}: balance 1005, its entries sum to 1000"]


async def test_a_hand_edited_grant(running: System, vandal: Vandal) -> None:
    await running.open_account()
    await vandal.sql("UPDATE grants SET remaining = remaining - 5")
    [found] = await running.findings()
    assert found.endswith("995 remain; granted 1000, used 0, expired 0, reversed 0, deducted 0 leave 1000")


async def test_a_hand_edited_daily_total(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account()
    await running.use(account_id, 30)
    await vandal.sql("UPDATE daily_usage SET requests = 2")
    [found] = await running.findings()
    assert found.startswith("I1 day ")
    assert found.endswith("is 2/10/20/0, its requests sum to 1/10/20/0")


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


async def test_grants_that_were_burned_in_the_wrong_order(running: System, vandal: Vandal) -> None:
    account_id = await running.open_account(trial=1000, paid=500)
    await running.use(account_id, 30)
    await vandal.sql(
        """
        UPDATE entries SET grant_id = (SELECT grant_id FROM grants WHERE kind = 'purchase') WHERE tokens = -30
        """,
        "UPDATE grants SET remaining = CASE kind WHEN 'trial' THEN 1000 ELSE 470 END",
        "UPDATE accounts SET version = version + 1",
    )
    await running.catch_up()
    [found] = await running.findings()
    assert found.startswith("I13 request ")
    assert f"while trial:{account_id} still had 1000" in found


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


async def test_a_service_that_could_change_the_past(running: System, vandal: Vandal) -> None:
    await running.open_account()
    await vandal.sql(
        "GRANT DELETE ON entries TO metering", "GRANT UPDATE (tokens_prompt) ON usage TO metering"
    )
    found = await running.findings()
    await vandal.sql("REVOKE DELETE ON entries FROM metering", "REVOKE UPDATE ON usage FROM metering")
    assert found == [
        "I17 table entries: the running service may DELETE it",
        "I17 table usage: the running service may UPDATE it",
    ]
