"""`make audit` finds what was given and not ordered, ordered and not given, or given twice."""

from services.metering.tests.auditing import System, Vandal


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
