"""An account that Redis lost: what is closed, what still works meanwhile, and what opens it."""

import pytest
from redis.asyncio import Redis

from shared.admission.confirmations import confirmed_by_the_ledger
from shared.admission.decisions import Admitted, CallKind, HoldRequest, Missing, Settled, Unknown
from shared.admission.desk import AdmissionDesk
from shared.admission.key_records import KeyState, put_key
from shared.admission.mirror import (
    WAIT_BEFORE_OPENING_MS,
    Absent,
    Closed,
    IsClosed,
    IsOpen,
    KeepDraining,
    Open,
    OpenDrained,
    OpenNew,
    Snapshot,
    begin_pass,
    write_mirror,
)
from shared.admission.sweep import Swept, sweep
from shared.admission.tests.building import (
    ACCOUNT,
    ADMITTED_AT,
    DIGEST,
    KEY,
    NAMES,
    checkpoint_for,
    key_record,
    open_account,
    record_for,
    request_for,
    stored_in,
)

LEDGER = Snapshot(1, 1000, ())


async def closed(redis: Redis) -> Closed:
    """Lost and written again, with its key."""
    await open_account(redis)
    await redis.flushdb()
    await put_key(redis, key_record())
    assert await write_mirror(redis, ACCOUNT, LEDGER, {}) == IsClosed(WAIT_BEFORE_OPENING_MS)
    return await read_closed(redis)


async def waited_for(redis: Redis) -> Closed:
    await closed(redis)
    await redis.hincrby(NAMES.account, "opens_at", -WAIT_BEFORE_OPENING_MS)
    return await read_closed(redis)


async def read_closed(redis: Redis) -> Closed:
    account = (await begin_pass(redis, ACCOUNT)).account
    assert isinstance(account, Closed)
    return account


async def absent(redis: Redis) -> Absent:
    account = (await begin_pass(redis, ACCOUNT)).account
    assert isinstance(account, Absent)
    return account


async def test_a_new_account_is_open_at_once(redis: Redis) -> None:
    opening = OpenNew(await absent(redis))
    assert await write_mirror(redis, ACCOUNT, LEDGER, {}, opening=opening) == IsOpen()
    assert (await begin_pass(redis, ACCOUNT)).account == Open()


async def test_a_new_account_opens_though_another_pass_came_first(redis: Redis) -> None:
    """That pass knew only that somebody else had been told that the account is new."""
    opening = OpenNew(await absent(redis))
    await write_mirror(redis, ACCOUNT, LEDGER, {})
    assert await write_mirror(redis, ACCOUNT, LEDGER, {}, opening=opening) == IsOpen()


async def test_a_new_account_that_was_long_on_its_way_is_closed(redis: Redis) -> None:
    """Meanwhile another pass may have opened it, and Redis may have lost it."""
    then = Absent((await absent(redis)).at_ms - WAIT_BEFORE_OPENING_MS)
    written = await write_mirror(redis, ACCOUNT, LEDGER, {}, opening=OpenNew(then))
    assert written == IsClosed(WAIT_BEFORE_OPENING_MS)


async def test_a_closed_account_admits_nobody_and_shows_nothing(desk: AdmissionDesk, redis: Redis) -> None:
    account = await closed(redis)
    assert 0 < account.opens_in_ms <= WAIT_BEFORE_OPENING_MS
    assert await desk.admit_again(request_for()) == Unknown(Missing.ACCOUNT)
    assert await desk.balance(ACCOUNT) is None


async def test_a_pass_that_began_after_the_wait_opens_it(desk: AdmissionDesk, redis: Redis) -> None:
    account = await waited_for(redis)
    assert account.opens_in_ms == 0
    assert await write_mirror(redis, ACCOUNT, LEDGER, {}) == IsClosed(0)
    assert await write_mirror(redis, ACCOUNT, LEDGER, {}, opening=OpenDrained(account)) == IsOpen()
    assert isinstance(await desk.admit_again(request_for()), Admitted)


async def test_the_first_drain_stays(redis: Redis) -> None:
    account = await waited_for(redis)
    for sequences in ({"a": 1}, {"a": 7}):
        written = await write_mirror(redis, ACCOUNT, LEDGER, {}, opening=KeepDraining(account, sequences))
        assert written == IsClosed(0)
    assert (await read_closed(redis)).drain == {"a": 1}
    await redis.hset(NAMES.account, "epoch", "the run before")
    await write_mirror(redis, ACCOUNT, LEDGER, {})
    assert (await read_closed(redis)).drain is None


async def test_an_opening_is_of_one_closing_only(redis: Redis) -> None:
    before = await waited_for(redis)
    later = await waited_for(redis)
    await redis.hincrby(NAMES.account, "opens_at", before.opens_at_ms - later.opens_at_ms - 1)
    assert await write_mirror(redis, ACCOUNT, LEDGER, {}, opening=OpenDrained(before)) == IsClosed(0)


async def test_an_open_account_stays_open(redis: Redis) -> None:
    await open_account(redis)
    assert await write_mirror(redis, ACCOUNT, LEDGER, {}) == IsOpen()


async def test_a_lost_hold_comes_back_whole(desk: AdmissionDesk, redis: Redis) -> None:
    await closed(redis)
    request = request_for()
    reply = await desk.checkpoint([checkpoint_for(request.request_id, 10, 7)])
    assert reply.swept == ()
    stored = await stored_in(redis)
    stored.assert_counters_are_sums()
    hold = stored.holds[request.request_id]
    assert (hold.tokens, hold.tokens_prompt, hold.tokens_completion) == (30, 10, 7)
    assert (hold.kind, hold.key_id, hold.endpoint, hold.model) == (
        CallKind.STREAM,
        KEY,
        request.endpoint,
        request.model,
    )
    assert hold.admitted_at_ms == ADMITTED_AT.timestamp() * 1000


async def ends(desk: AdmissionDesk, redis: Redis, request: HoldRequest, how: str) -> None:
    match how:
        case "settled":
            record = record_for(request.request_id, 10, 5)
            assert await desk.settle(ACCOUNT, record, tokens_held=30) == Settled(15)
        case "released":
            await desk.release(ACCOUNT, request.request_id)
        case "swept":
            assert isinstance(await sweep(redis, ACCOUNT, request.request_id, 0.0), Swept)
        case _:
            await write_mirror(redis, ACCOUNT, LEDGER, {request.request_id: 1})


@pytest.mark.parametrize("how", ["settled", "released", "swept", "posted"])
async def test_what_ends_while_it_is_closed_does_not_come_back(
    desk: AdmissionDesk, redis: Redis, how: str
) -> None:
    await closed(redis)
    request = request_for()
    entry = checkpoint_for(request.request_id, 10, 7)
    assert (await desk.checkpoint([entry])).swept == ()
    await ends(desk, redis, request, how)
    assert (await desk.checkpoint([entry])).swept == (request.request_id,)
    stored = await stored_in(redis)
    assert stored.holds == {}
    stored.assert_counters_are_sums()


async def test_a_checkpoint_tells_whose_key_is_revoked_or_missing(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    request = request_for()
    await desk.admit_again(request)
    entry = checkpoint_for(request.request_id, 10, 7)
    reply = await desk.checkpoint([entry])
    assert (reply.swept, reply.revoked, reply.key_missing) == ((), (), ())
    await put_key(redis, key_record(state=KeyState.REVOKED, version=2))
    reply = await desk.checkpoint([entry])
    assert (reply.swept, reply.revoked, reply.key_missing) == ((), (request.request_id,), ())
    await redis.hset(NAMES.key(DIGEST), "epoch", "the run before")
    reply = await desk.checkpoint([entry])
    assert (reply.swept, reply.revoked, reply.key_missing) == ((), (), (request.request_id,))


async def test_a_settlement_is_confirmed_when_the_ledger_has_it(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    posted, waiting, unheard = request_for(), request_for(), request_for()
    for request in (posted, waiting):
        await desk.settle(ACCOUNT, record_for(request.request_id, 1, 1), tokens_held=30)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 998, ()), {posted.request_id: 2})
    ids = [request.request_id for request in (waiting, posted, unheard)]
    assert await confirmed_by_the_ledger(redis, {ACCOUNT: ids}) == {posted.request_id}
    assert await confirmed_by_the_ledger(redis, {}) == set()


async def test_a_swept_charge_is_no_confirmation_of_its_correction(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    request = request_for()
    await desk.settle(ACCOUNT, record_for(request.request_id, 1, 1, revision=1), tokens_held=30)
    await write_mirror(redis, ACCOUNT, Snapshot(2, 998, ()), {request.request_id: 1})
    assert await confirmed_by_the_ledger(redis, {ACCOUNT: [request.request_id]}) == set()


async def test_a_confirmation_can_be_asked_for_long_after_the_settlement(
    desk: AdmissionDesk, redis: Redis
) -> None:
    """Metering was away for so long that Redis has forgotten the end; the pass remembers it anew."""
    await open_account(redis)
    request = request_for()
    await desk.settle(ACCOUNT, record_for(request.request_id, 1, 1), tokens_held=30)
    await redis.delete(NAMES.done(request.request_id))
    await write_mirror(redis, ACCOUNT, Snapshot(2, 998, ()), {request.request_id: 2})
    assert await confirmed_by_the_ledger(redis, {ACCOUNT: [request.request_id]}) == {request.request_id}
