"""`make audit` finds rows of the ledger that were changed behind the services' backs, and names them."""

from services.metering.domain.audit.table import as_table, exit_code
from services.metering.tests.auditing import System, Vandal


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
