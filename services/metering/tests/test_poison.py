"""Through the bus: one bad record goes its own way, and keeps neither its message nor another waiting."""

from collections.abc import Callable
from random import Random
from typing import Any
from uuid import uuid4

import pytest
from prometheus_client import REGISTRY
from redis.asyncio import Redis

from services.metering.tests.building import NOON, Books, batch, record_for, registered
from services.metering.tests.consuming import Metering, dying_once_after_commit, running_metering
from shared.api_keys import new_account_id
from shared.bus.parked import replay
from shared.contracts.accounts import AccountDeleted
from shared.contracts.envelope import Envelope, wrap
from shared.contracts.gateway import UsageRecord

GOOD_RECORDS = 30


def event_of(*records: UsageRecord) -> Envelope:
    return wrap(batch(*records), source="test", subject=None, now=NOON)


def with_bad_record(event: Envelope, place: int, change: Callable[[dict[str, Any]], object]) -> Envelope:
    records = [dict(record) for record in event.data["records"]]
    change(records[place])
    return event.model_copy(update={"data": {**event.data, "records": records}})


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda record: record.update(tokens_prompt=-1), "ValidationError"),
        (lambda record: record.pop("account_id"), "ValidationError"),
        (lambda record: record.update(request_id="0197b1c2-0000-7000-8000-000000000001"), "older than"),
        (lambda record: record.update(model="nul \x00"), "does not take it"),
        (lambda record: record.update(tokens_completion=10**18), "more than 1000000000 tokens"),
    ],
    ids=["negative", "incomplete", "too old", "no text", "absurd"],
)
async def test_a_bad_record_is_parked_alone_with_its_reason(
    metering: Metering, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    account_id = new_account_id()
    await metering.hear(registered(account_id))
    good = event_of(*(record_for(account_id, 10) for _ in range(GOOD_RECORDS + 1)))
    bad = with_bad_record(good, 7, change)
    await metering.hear_again(bad)
    await metering.will_show(account_id, 1000 - 10 * GOOD_RECORDS)
    await metering.will_park(1)
    parked = await metering.corner.take(metering.corner.parked)
    assert parked is not None
    assert reason in str(parked.headers["x-reason"])
    event = Envelope.from_json(parked.body)
    assert event.data["records"] == [bad.data["records"][7]]
    assert (event.type, event.data["sequence"]) == (bad.type, bad.data["sequence"])


async def test_usage_of_an_account_that_is_not_known_yet_climbs_the_ladder_alone(
    metering: Metering, books: Books
) -> None:
    known, late = new_account_id(), new_account_id()
    await metering.hear(registered(known))
    await metering.hear(batch(record_for(known, 10), record_for(late, 20), record_for(late, 5)))
    await metering.will_show(known, 990)
    await metering.hear(registered(late))
    await metering.will_show(late, 975)
    assert await metering.corner.count(metering.corner.parked) == 0
    assert len((await books.stored(known)).usage) == 1


async def test_usage_that_was_parked_is_posted_once_when_it_is_put_back(
    metering: Metering, books: Books
) -> None:
    known, late = new_account_id(), new_account_id()
    await metering.hear(registered(known))
    await metering.hear(batch(record_for(known, 10), record_for(late, 20)))
    await metering.will_park(1)
    await metering.hear(registered(late))
    await metering.will_show(late, 1000)
    assert await replay(metering.connection, metering.publisher, metering.corner.service) == 1
    await metering.will_show(late, 980)
    assert (await books.stored(known)).balance == 990


async def test_usage_of_a_deleted_account_is_posted_and_delays_nobody(
    metering: Metering, books: Books
) -> None:
    """What ran when it was deleted was generated; the books say so."""
    deleted, other = new_account_id(), new_account_id()
    await metering.hear(registered(deleted), registered(other))
    await metering.will_show(deleted, 1000)
    await metering.hear(AccountDeleted(account_id=deleted))
    await metering.will_show(deleted, 0)
    await metering.hear(batch(record_for(deleted, 10), record_for(other, 20)))
    await metering.will_show(other, 980)
    assert (await books.stored(deleted)).balance == 990


async def test_an_event_that_is_no_batch_is_parked_and_the_batches_beside_it_are_posted(
    metering: Metering,
) -> None:
    account_id = new_account_id()
    await metering.hear(registered(account_id))
    await metering.will_show(account_id, 1000)
    good = event_of(record_for(account_id, 10))
    no_batch = good.model_copy(update={"id": uuid4(), "data": {"records": "none"}})
    await metering.hear_again(no_batch, good)
    await metering.will_show(account_id, 990)
    await metering.will_park(1)


async def test_a_bad_record_is_parked_though_metering_dies_between_commit_and_parking(
    books: Books, redis: Redis, amqp_url: str
) -> None:
    account_id = new_account_id()
    async with running_metering(books, redis, amqp_url, fate=dying_once_after_commit) as metering:
        await metering.hear(registered(account_id))
        await metering.hear(batch(record_for(account_id, 10), record_for(account_id, 5, request_id=uuid4())))
        await metering.will_show(account_id, 990)
        await metering.will_park(1)
    assert (await books.stored(account_id)).entries == [("grant", 1000), ("usage", -10)]


async def test_everything_shuffled_and_doubled_ends_in_the_same_books(
    metering: Metering, books: Books
) -> None:
    random = Random(11)  # noqa: S311
    accounts = [new_account_id() for _ in range(4)]
    records = [record_for(random.choice(accounts), random.randint(1, 9), revision=1) for _ in range(60)]
    corrections = [
        record_for(record.account_id, random.randint(1, 9), request_id=record.request_id)
        for record in records[::3]
    ]
    bad = [record_for(account_id, 3, request_id=uuid4()) for account_id in accounts]
    told = [*records, *corrections, *bad]
    random.shuffle(told)
    events = [registered(account_id) for account_id in accounts]
    envelopes = [wrap(event, source="test", subject=None, now=NOON) for event in events]
    envelopes += [event_of(*told[start : start + 7]) for start in range(0, len(told), 7)]
    for _ in range(2):
        random.shuffle(envelopes)
        await metering.hear_again(*envelopes)
    charged = {record.request_id: record for record in (*records, *corrections)}.values()
    for account_id in accounts:
        tokens = sum(record.tokens for record in charged if record.account_id == account_id)
        await metering.will_show(account_id, 1000 - tokens)
        assert (await books.stored(account_id)).balance == 1000 - tokens


async def test_what_is_posted_and_what_is_set_aside_is_counted(metering: Metering) -> None:
    account_id, before = new_account_id(), counted()
    await metering.hear(registered(account_id))
    await metering.will_show(account_id, 1000)
    await metering.hear(batch(record_for(account_id, 10), record_for(account_id, 5, request_id=uuid4())))
    await metering.will_park(1)
    assert counted() == (before[0] + 1, before[1] + 1)


def counted() -> tuple[float, float]:
    posted = REGISTRY.get_sample_value("promptly_metering_records_posted_total")
    poison = REGISTRY.get_sample_value("promptly_metering_records_set_aside_total", {"reason": "poison"})
    return posted or 0, poison or 0
