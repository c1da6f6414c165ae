"""What people are told of their balance: each crossing once, by whichever replica sees it first."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metering.domain.announcements import Crossing, Told, cross
from services.metering.tests.building import NOON, Books, record_for, registered
from services.metering.use_cases.announce_balances import announce_balances
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.grant_trial import grant_trial
from shared.api_keys import new_account_id
from shared.contracts.accounts import AccountDeleted, AccountRegistered, Trial
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope
from shared.contracts.metering import BalanceExhausted, BalanceLow, TrialEnding
from shared.ids import AccountId, new_uuid7

LOW = 200
ENDING = timedelta(days=2)
NOTHING_TOLD = Told(low=False, exhausted=False)


@pytest.fixture
async def told(books: Books) -> "Announcer":
    await books.pool.execute("DELETE FROM outbox")
    await books.pool.execute("UPDATE accounts SET announced_version = version")
    return Announcer(books)


class Announcer:
    """One round of each replica, and what it told."""

    def __init__(self, books: Books) -> None:
        self._books = books

    async def look(self, *, replicas: int = 1, later: timedelta = timedelta(0)) -> None:
        rounds = (
            announce_balances(self._books.pool, NOON + later, threshold=LOW, trial_ending=ENDING)
            for _ in range(replicas)
        )
        await asyncio.gather(*rounds)

    async def about(self, account_id: AccountId) -> list[Any]:
        rows = await self._books.pool.fetch(
            "SELECT body FROM outbox WHERE subject = $1 ORDER BY id", account_id
        )
        return [unwrap(Envelope.from_json(row["body"])) for row in rows]


async def test_a_balance_that_falls_below_the_threshold_is_told_once(books: Books, told: Announcer) -> None:
    account_id = await books.open_account(trial=1000)
    await told.look()
    assert await told.about(account_id) == []
    for _ in range(3):
        await books.post(record_for(account_id, 270))
        await told.look(replicas=4)
    low = BalanceLow(account_id=account_id, tokens_available=190, tokens_threshold=LOW)
    assert await told.about(account_id) == [low]


async def test_an_exhausted_balance_is_told_once_and_low_is_not_told_with_it(
    books: Books, told: Announcer
) -> None:
    account_id = await books.open_account(trial=1000)
    await told.look()
    for tokens in (1000, 50):
        await books.post(record_for(account_id, tokens))
        await told.look(replicas=4)
    assert await told.about(account_id) == [BalanceExhausted(account_id=account_id)]


async def test_after_a_purchase_it_can_be_told_again(books: Books, told: Announcer) -> None:
    account_id = await books.open_account(trial=1000)
    await told.look()
    for _ in range(2):
        await books.post(record_for(account_id, 1000))
        await told.look()
        await books.add_paid(account_id, 1000)
        await told.look()
    assert await told.about(account_id) == [BalanceExhausted(account_id=account_id)] * 2


async def test_who_never_had_anything_is_told_nothing(books: Books, told: Announcer) -> None:
    account_id = await books.open_account(trial=None)
    await told.look()
    await books.add_paid(account_id, 10)
    await told.look()
    assert await told.about(account_id) == []


async def test_a_deleted_account_is_told_nothing(books: Books, told: Announcer) -> None:
    account_id = await books.open_account(trial=1000)
    await told.look()
    await close_account(books.pool, new_uuid7(), AccountDeleted(account_id=account_id), NOON)
    await told.look()
    assert await told.about(account_id) == []


async def test_an_account_that_is_being_posted_to_is_looked_at_later(books: Books, told: Announcer) -> None:
    account_id = await books.open_account(trial=1000)
    await told.look()
    await books.post(record_for(account_id, 900))
    async with books.pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT FROM accounts WHERE account_id = $1 FOR NO KEY UPDATE", account_id)
        await told.look()
        assert await told.about(account_id) == []
    await told.look()
    assert len(await told.about(account_id)) == 1


async def with_trial(books: Books, *, days: float) -> AccountId:
    account_id = new_account_id()
    trial = Trial(tokens=1000, expires_at=NOON + timedelta(days=days))
    event = AccountRegistered(account_id=account_id, email="ada@example.com", trial=trial)
    await grant_trial(books.pool, new_uuid7(), event, NOON)
    return account_id


async def test_a_trial_that_ends_soon_is_told_once(books: Books, told: Announcer) -> None:
    account_id = await with_trial(books, days=7)
    await books.post(record_for(account_id, 300))
    await told.look(later=timedelta(days=4.9))
    assert await told.about(account_id) == []
    for _ in range(2):
        await told.look(replicas=4, later=timedelta(days=5.1))
    ending = TrialEnding(account_id=account_id, tokens_left=700, expires_at=NOON + timedelta(days=7))
    assert await told.about(account_id) == [ending]


async def test_a_trial_that_is_short_or_used_up_or_over_is_not_told(books: Books, told: Announcer) -> None:
    short = await with_trial(books, days=1)
    used = await with_trial(books, days=7)
    over = await with_trial(books, days=7)
    await books.post(record_for(used, 1000))
    await told.look(later=timedelta(days=0.5))
    await told.look(later=timedelta(days=5.5))
    events = [*await told.about(short), *await told.about(used)]
    assert not any(isinstance(event, TrialEnding) for event in events)
    assert len(await told.about(over)) == 1
    await told.look(later=timedelta(days=7.5))
    assert len([event for event in await told.about(over) if isinstance(event, TrialEnding)]) == 1


async def test_registering_twice_tells_nothing_twice(books: Books, told: Announcer) -> None:
    account_id = await books.open_account(trial=1000)
    await books.post(record_for(account_id, 1000))
    await grant_trial(books.pool, new_uuid7(), registered(account_id), NOON)
    await told.look()
    assert await told.about(account_id) == []


@pytest.mark.parametrize(
    ("told_before", "available", "now", "tells"),
    [
        (NOTHING_TOLD, 200, NOTHING_TOLD, None),
        (NOTHING_TOLD, 199, Told(low=True, exhausted=False), Crossing.LOW),
        (NOTHING_TOLD, 0, Told(low=True, exhausted=True), Crossing.EXHAUSTED),
        (Told(low=True, exhausted=False), 0, Told(low=True, exhausted=True), Crossing.EXHAUSTED),
        (Told(low=True, exhausted=False), 299, Told(low=True, exhausted=False), None),
        (Told(low=True, exhausted=False), 300, NOTHING_TOLD, None),
        (Told(low=True, exhausted=True), 199, Told(low=True, exhausted=True), None),
        (Told(low=True, exhausted=True), 200, Told(low=True, exhausted=False), None),
    ],
)
def test_the_thresholds(told_before: Told, available: int, now: Told, tells: Crossing | None) -> None:
    assert cross(told_before, available, LOW) == (now, tells)


@given(st.lists(st.integers(min_value=0, max_value=500), min_size=1), st.integers(min_value=0, max_value=250))
def test_between_two_of_the_same_the_balance_was_well_above(balances: list[int], threshold: int) -> None:
    told, highest = NOTHING_TOLD, {Crossing.LOW: 10**6, Crossing.EXHAUSTED: 10**6}
    enough = {Crossing.LOW: threshold + threshold // 2, Crossing.EXHAUSTED: max(threshold, 1)}
    for available in balances:
        highest = {kind: max(so_far, available) for kind, so_far in highest.items()}
        told, crossing = cross(told, available, threshold)
        if crossing is not None:
            assert highest[crossing] >= enough[crossing]
            highest[crossing] = 0
