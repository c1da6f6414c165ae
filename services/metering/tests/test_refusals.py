"""One bad record is refused alone: whatever is wrong with it, the others of its batch are posted."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from services.metering.domain.acceptance import Refused
from services.metering.domain.batches import Batch
from services.metering.tests.building import NOON, RETENTION, Books, record_for, registered
from services.metering.use_cases.grant_trial import grant_trial
from services.metering.use_cases.post_usage import Delivery
from shared.api_keys import new_account_id
from shared.clock import utc_now
from shared.contracts.gateway import UsageRecord
from shared.errors import NotYet, Poison
from shared.ids import first_uuid7_at, new_uuid7

GOOD_RECORDS = 40


def changed(record: UsageRecord, **update: object) -> UsageRecord:
    return record.model_copy(update=update)


def uuid7_at(*, days_ago: float) -> UUID:
    return UUID(int=first_uuid7_at(utc_now() - timedelta(days=days_ago)).int | 7 << 76 | 2 << 62)


async def post_among_good_ones(books: Books, bad: Callable[[UsageRecord], UsageRecord]) -> Refused:
    """The bad one lies in the middle; all the others are posted."""
    account_id = await books.open_account()
    records = [record_for(account_id, 10) for _ in range(GOOD_RECORDS)]
    records.insert(GOOD_RECORDS // 2, bad(record_for(account_id, 10)))
    refused = await books.post_what_can_be(*records)
    stored = await books.stored(account_id)
    assert (stored.balance, len(stored.usage)) == (1000 - 10 * GOOD_RECORDS, GOOD_RECORDS)
    assert list(refused) == [records[GOOD_RECORDS // 2]]
    return refused


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (
            lambda good: changed(good, request_id=uuid7_at(days_ago=RETENTION.days + 1)),
            "older than the retention",
        ),
        (lambda good: changed(good, request_id=uuid7_at(days_ago=-2)), "from the future"),
        (lambda good: changed(good, request_id=uuid4()), "without a time"),
        (lambda good: changed(good, tokens_completion=10**9 + 1), "more than 1000000000 tokens"),
    ],
    ids=["too old", "of the future", "no UUIDv7", "too many tokens"],
)
async def test_a_record_that_can_not_be_meant_is_refused_alone(
    books: Books, bad: Callable[[UsageRecord], UsageRecord], reason: str
) -> None:
    [error] = (await post_among_good_ones(books, bad)).values()
    assert isinstance(error, Poison)
    assert reason in error.message


@pytest.mark.parametrize(
    "bad",
    [
        lambda good: changed(good, model="nul \x00"),
        lambda good: changed(good, revision=2**40),
        lambda good: changed(good, tokens_cached=-1),
    ],
    ids=["not a text", "out of range", "against a constraint"],
)
async def test_a_record_that_only_postgresql_refuses_is_found_and_refused_alone(
    books: Books, bad: Callable[[UsageRecord], UsageRecord]
) -> None:
    [error] = (await post_among_good_ones(books, bad)).values()
    assert isinstance(error, Poison)


async def test_several_that_postgresql_refuses_are_all_found(books: Books) -> None:
    account_id = await books.open_account()
    records = [record_for(account_id, 10) for _ in range(GOOD_RECORDS)]
    bad = [changed(record, revision=2**40) for record in records[::7]]
    records[::7] = bad
    assert (await books.post_what_can_be(*records)).keys() == set(bad)
    assert len((await books.stored(account_id)).usage) == GOOD_RECORDS - len(bad)


async def test_usage_of_an_unknown_account_waits_alone_and_is_posted_once_it_registered(books: Books) -> None:
    known, unknown = await books.open_account(), new_account_id()
    delivery = Delivery(new_uuid7(), Batch("gateway-1", 1), [record_for(known, 10), record_for(unknown, 20)])
    [(record, error)] = (await books.post_deliveries(delivery)).items()
    assert (record.account_id, type(error)) == (unknown, NotYet)
    assert (await books.stored(known)).balance == 990
    await grant_trial(books.pool, new_uuid7(), registered(unknown), NOON)
    assert await books.post_deliveries(delivery) == {}
    assert ((await books.stored(known)).balance, (await books.stored(unknown)).balance) == (990, 980)


@pytest.mark.parametrize("revision", [1, 2, 3])
async def test_a_request_of_another_account_is_refused_alone(books: Books, revision: int) -> None:
    owner, other = await books.open_account(), await books.open_account()
    record = record_for(owner, 10)
    await books.post(record)
    stolen, own = changed(record, account_id=other, revision=revision), record_for(other, 5)
    [error] = (await books.post_what_can_be(stolen, own)).values()
    assert isinstance(error, Poison)
    assert (await books.stored(other)).balance == 995


async def test_a_request_that_two_accounts_claim_in_one_batch_is_one_accounts(books: Books) -> None:
    one, other = await books.open_account(), await books.open_account()
    record = record_for(one, 10)
    claims = [record, changed(record, account_id=other)]
    assert len(await books.post_what_can_be(*claims)) == 1
    assert (await books.stored(one)).balance + (await books.stored(other)).balance == 1990


async def test_a_batch_is_done_when_all_of_it_is_posted(books: Books) -> None:
    """One that was refused in part is looked through again when it comes again."""
    account_id, whole, part = await books.open_account(), new_uuid7(), new_uuid7()
    await books.post(record_for(account_id, 10), event_id=whole)
    await books.post_what_can_be(
        record_for(account_id, 10), record_for(account_id, 10, request_id=uuid4()), event_id=part
    )
    seen = await books.pool.fetch("SELECT event_id FROM inbox WHERE event_id = ANY($1)", [whole, part])
    assert [row["event_id"] for row in seen] == [whole]


async def test_a_request_is_kept_in_the_partition_of_its_month(books: Books) -> None:
    account_id = await books.open_account()
    await books.post(record_for(account_id, 1))
    partition = await books.pool.fetchval(
        "SELECT tableoid::regclass::text FROM usage WHERE account_id = $1", account_id
    )
    assert partition == f"usage_{utc_now():%Y_%m}"
