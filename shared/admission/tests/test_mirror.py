"""How the ledger's balance reaches Redis without a token counted twice or not at all."""

import pytest
from redis.asyncio import Redis

from shared.admission.decisions import HoldRequest
from shared.admission.desk import AdmissionDesk
from shared.admission.mirror import Dropped, IsOpen, Snapshot, write_mirror
from shared.admission.tests.building import (
    ACCOUNT,
    FAR_FUTURE_MS,
    open_account,
    open_ids,
    record_for,
    request_for,
    stored_in,
)
from shared.contracts.gateway import REVISION_SERVED, REVISION_SWEPT


async def admitted(desk: AdmissionDesk) -> HoldRequest:
    request = request_for(10, 20)
    await desk.admit_again(request)
    return request


async def settled(desk: AdmissionDesk, request: HoldRequest, *, revision: int = REVISION_SERVED) -> None:
    record = record_for(request.request_id, 10, 5, revision=revision)
    await desk.settle(ACCOUNT, record, tokens_held=30)


async def test_open_ids_are_those_held_or_journalled(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    assert await open_ids(redis) == set()
    held, journalled = await admitted(desk), await admitted(desk)
    await settled(desk, journalled)
    assert await open_ids(redis) == {held.request_id, journalled.request_id}


async def test_a_posted_request_leaves_as_the_balance_falls(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=1000)
    request = await admitted(desk)
    await settled(desk, request)
    assert (
        await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), {request.request_id: REVISION_SERVED})
        == IsOpen()
    )
    stored = await stored_in(redis)
    assert (stored.account["posted"], stored.journalled, stored.journal) == ("985", 0, {})


@pytest.mark.parametrize("later", [Snapshot(3, 700, ()), Snapshot(3, 0, (("trial", 9, FAR_FUTURE_MS),))])
async def test_an_older_write_is_dropped(desk: AdmissionDesk, redis: Redis, later: Snapshot) -> None:
    await open_account(redis, posted=1000)
    request = await admitted(desk)
    await settled(desk, request)
    await write_mirror(redis, ACCOUNT, later, {})
    before = await stored_in(redis)
    assert (
        await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), {request.request_id: REVISION_SERVED})
        == Dropped()
    )
    assert await stored_in(redis) == before


async def test_a_write_of_the_same_version_brings_the_ids_the_first_one_missed(
    desk: AdmissionDesk, redis: Redis
) -> None:
    await open_account(redis, posted=1000)
    request = await admitted(desk)
    await settled(desk, request)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), {})
    assert (
        await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), {request.request_id: REVISION_SERVED})
        == IsOpen()
    )
    assert (await stored_in(redis)).journal == {}


async def test_what_settles_between_reading_and_writing_stays(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=1000)
    earlier, meanwhile = await admitted(desk), await admitted(desk)
    await settled(desk, earlier)
    posted = {
        request_id: REVISION_SERVED
        for request_id in await open_ids(redis)
        if request_id == earlier.request_id
    }
    await settled(desk, meanwhile)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), posted)
    stored = await stored_in(redis)
    assert (stored.journal, stored.journalled) == ({meanwhile.request_id: (2, 15)}, 15)
    stored.assert_counters_are_sums()


async def test_a_corrected_charge_stays_until_its_correction_is_posted(
    desk: AdmissionDesk, redis: Redis
) -> None:
    await open_account(redis)
    request = await admitted(desk)
    await settled(desk, request, revision=REVISION_SWEPT)
    await settled(desk, request, revision=REVISION_SERVED)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), {request.request_id: REVISION_SWEPT})
    assert (await stored_in(redis)).journal == {request.request_id: (2, 15)}
    await write_mirror(redis, ACCOUNT, Snapshot(3, 985, ()), {request.request_id: REVISION_SERVED})
    assert (await stored_in(redis)).journal == {}


async def test_a_hold_whose_request_is_posted_ends(desk: AdmissionDesk, redis: Redis) -> None:
    """Redis came back from an older file, or the ledger itself lowered the balance under a hold."""
    await open_account(redis, posted=1000)
    request = await admitted(desk)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), {request.request_id: REVISION_SERVED})
    stored = await stored_in(redis)
    assert (stored.held, stored.running, stored.holds) == (0, 0, {})
    stored.assert_counters_are_sums()


async def test_requests_of_zero_tokens_leave_too(desk: AdmissionDesk, redis: Redis) -> None:
    """A hold of nothing, and a charge of nothing: minus zero is no integer in Redis."""
    await open_account(redis)
    held, journalled = request_for(0, 0), await admitted(desk)
    await desk.admit_again(held)
    await desk.settle(ACCOUNT, record_for(journalled.request_id, 0, 0), tokens_held=30)
    posted = {held.request_id: REVISION_SERVED, journalled.request_id: REVISION_SERVED}
    assert await write_mirror(redis, ACCOUNT, Snapshot(2, 1000, ()), posted) == IsOpen()
    assert await open_ids(redis) == set()
    (await stored_in(redis)).assert_counters_are_sums()


async def test_a_request_that_is_not_open_changes_nothing(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    posted = {request_for().request_id: REVISION_SERVED}
    assert await write_mirror(redis, ACCOUNT, Snapshot(2, 985, ()), posted) == IsOpen()
    (await stored_in(redis)).assert_counters_are_sums()


async def test_the_set_of_grants_is_replaced(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=0, grants=(("a", 5, FAR_FUTURE_MS), ("b", 6, FAR_FUTURE_MS)))
    await write_mirror(redis, ACCOUNT, Snapshot(2, 1, (("b", 4, FAR_FUTURE_MS), ("c", 2, 77))), {})
    account = (await stored_in(redis)).account
    grants = {name: value for name, value in account.items() if name.startswith("grant:")}
    assert grants == {"grant:b": f"4:{FAR_FUTURE_MS}", "grant:c": "2:77"}
