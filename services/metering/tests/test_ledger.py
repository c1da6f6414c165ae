"""Posting to a real PostgreSQL: exactly once in effect, whatever is repeated, reordered or cut off."""

import asyncio
from datetime import timedelta

import pytest

from services.metering.tests.building import NOON, TRIAL_END, Books, record_for, registered
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.grant_trial import grant_trial
from services.metering.use_cases.list_daily_usage import list_daily_usage
from services.metering.use_cases.read_balance import read_balance
from shared.api_keys import new_account_id
from shared.contracts.accounts import AccountDeleted
from shared.contracts.internal.metering import UsageDay
from shared.errors import NotYet
from shared.ids import AccountId, new_uuid7
from shared.postgres import Pool


async def test_a_trial_is_granted_once_however_often_and_by_whatever_event(books: Books) -> None:
    account_id, event_id = new_account_id(), new_uuid7()
    for each in (event_id, event_id, new_uuid7()):
        await grant_trial(books.pool, each, registered(account_id), NOON)
    stored = await books.stored(account_id)
    assert (stored.balance, stored.entries) == (1000, [("grant", 1000)])


async def test_an_account_without_a_trial_is_known_and_has_nothing(books: Books) -> None:
    account_id = await books.open_account(trial=None)
    assert (await books.stored(account_id)).entries == []
    assert (await read_balance(books.pool, account_id, NOON)).available == 0


async def test_usage_burns_the_trial_before_paid_tokens(books: Books) -> None:
    account_id = await books.open_account(trial=100, paid=500)
    await books.post(record_for(account_id, 130))
    stored = await books.stored(account_id)
    assert stored.grants == {"trial": 0, "purchase": 470}
    assert stored.entries == [("grant", 100), ("grant", 500), ("usage", -100), ("usage", -30)]
    assert stored.days == {NOON.date(): (1, 130)}


async def test_a_batch_delivered_twice_posts_once(books: Books) -> None:
    account_id, event_id = await books.open_account(), new_uuid7()
    record = record_for(account_id, 30)
    await books.post(record, event_id=event_id)
    before = await books.stored(account_id)
    await books.post(record, event_id=event_id)
    assert await books.stored(account_id) == before


async def test_records_republished_in_another_batch_post_once(books: Books) -> None:
    """A gateway killed between the broker's confirm and its own note publishes again, differently cut."""
    account_id = await books.open_account()
    records = [record_for(account_id, 10) for _ in range(6)]
    await books.post(*records[:4])
    await books.post(*records[2:], records[2])
    stored = await books.stored(account_id)
    assert (stored.balance, len(stored.usage), stored.days) == (940, 6, {NOON.date(): (6, 60)})


async def test_the_same_batch_delivered_to_many_consumers_at_once_posts_once(books: Books) -> None:
    account_id, event_id = await books.open_account(), new_uuid7()
    record = record_for(account_id, 30)
    await asyncio.gather(*(books.post(record, event_id=event_id) for _ in range(8)))
    assert (await books.stored(account_id)).entries == [("grant", 1000), ("usage", -30)]


async def test_concurrent_batches_over_the_same_accounts_neither_collide_nor_lose(books: Books) -> None:
    accounts = [await books.open_account() for _ in range(5)]
    batches = [
        [record_for(account_id, 10) for account_id in (accounts if number % 2 else reversed(accounts))]
        for number in range(12)
    ]
    await asyncio.gather(*(books.post(*records) for records in batches))
    for account_id in accounts:
        stored = await books.stored(account_id)
        assert (stored.balance, stored.days) == (880, {NOON.date(): (12, 120)})


async def test_concurrent_batches_share_what_is_left_and_none_is_refused(books: Books) -> None:
    """Each must see what the one before it took."""
    account_id = await books.open_account(trial=100)
    await asyncio.gather(*(books.post(record_for(account_id, 30)) for _ in range(8)))
    stored = await books.stored(account_id)
    assert stored.balance == 0
    assert sum(uncollected for _, _, uncollected in stored.usage) == 8 * 30 - 100


async def test_a_higher_revision_posts_the_difference(books: Books) -> None:
    account_id = await books.open_account(trial=100)
    swept = record_for(account_id, 12, revision=1)
    await books.post(swept)
    await books.post(record_for(account_id, 30, revision=2, request_id=swept.request_id))
    stored = await books.stored(account_id)
    assert stored.entries == [("grant", 100), ("usage", -12), ("correction", -18)]
    assert (stored.usage, stored.days) == ([(1, 12, 0), (2, 30, 0)], {NOON.date(): (1, 30)})


async def test_a_correction_downwards_gives_tokens_back_to_where_they_came_from(books: Books) -> None:
    account_id = await books.open_account(trial=100, paid=50)
    swept = record_for(account_id, 130, revision=1)
    await books.post(swept)
    await books.post(record_for(account_id, 90, revision=2, request_id=swept.request_id))
    stored = await books.stored(account_id)
    assert (stored.balance, stored.grants) == (60, {"trial": 10, "purchase": 50})
    assert stored.days == {NOON.date(): (1, 90)}


async def test_a_lower_revision_that_comes_late_changes_nothing(books: Books) -> None:
    account_id = await books.open_account()
    served = record_for(account_id, 30, revision=2)
    await books.post(served)
    before = await books.stored(account_id)
    await books.post(record_for(account_id, 12, revision=1, request_id=served.request_id))
    after = await books.stored(account_id)
    assert (after.entries, after.usage, after.days) == (before.entries, before.usage, before.days)


async def test_of_many_revisions_the_latest_is_the_one_that_is_corrected(books: Books) -> None:
    account_id = await books.open_account()
    first = record_for(account_id, 10, revision=1)
    for revision, tokens in ((1, 10), (2, 40), (1, 10), (2, 40), (3, 25)):
        await books.post(record_for(account_id, tokens, revision=revision, request_id=first.request_id))
    stored = await books.stored(account_id)
    assert [tokens for _, tokens in stored.entries] == [1000, -10, -30, 15]
    assert stored.days == {NOON.date(): (1, 25)}


async def test_what_cannot_be_collected_is_recorded_and_the_balance_stays_at_zero(books: Books) -> None:
    account_id = await books.open_account(trial=100)
    await books.post(record_for(account_id, 130))
    stored = await books.stored(account_id)
    assert (stored.balance, stored.usage) == (0, [(2, 130, 30)])


async def test_a_deleted_account_has_nothing_to_spend_and_its_books_stay(books: Books) -> None:
    account_id = await books.open_account()
    await close_account(books.pool, new_uuid7(), AccountDeleted(account_id=account_id), NOON)
    assert (await read_balance(books.pool, account_id, NOON)).available == 0
    await books.post(record_for(account_id, 30))
    stored = await books.stored(account_id)
    assert (stored.balance, stored.entries) == (970, [("grant", 1000), ("usage", -30)])


async def test_an_account_deleted_before_its_registration_arrived_is_asked_about_again(pool: Pool) -> None:
    event, event_id = AccountDeleted(account_id=new_account_id()), new_uuid7()
    with pytest.raises(NotYet):
        await close_account(pool, event_id, event, NOON)
    await grant_trial(pool, new_uuid7(), registered(AccountId(event.account_id)), NOON)
    await close_account(pool, event_id, event, NOON)
    assert (await read_balance(pool, AccountId(event.account_id), NOON)).available == 0


async def test_a_trial_that_has_ended_is_not_in_the_balance_reply(books: Books) -> None:
    account_id = await books.open_account(trial=100, paid=50)
    before = await read_balance(books.pool, account_id, NOON)
    assert (before.available, before.trial, before.trial_expires_at) == (150, 100, TRIAL_END)
    after = await read_balance(books.pool, account_id, TRIAL_END)
    assert (after.available, after.trial, after.trial_expires_at) == (50, 0, None)


async def test_daily_usage_is_by_utc_day_of_admission_newest_first(books: Books) -> None:
    account_id = await books.open_account()
    for days_ago in (0, 1, 1, 2):
        await books.post(record_for(account_id, 3, admitted_at=NOON - timedelta(days=days_ago)))
    today = NOON.date()
    listed = await list_daily_usage(books.pool, account_id, days=2, today=today)
    yesterday = today - timedelta(days=1)
    assert listed == [
        UsageDay(day=today, requests=1, tokens_prompt=1, tokens_completion=2),
        UsageDay(day=yesterday, requests=2, tokens_prompt=2, tokens_completion=4),
    ]
