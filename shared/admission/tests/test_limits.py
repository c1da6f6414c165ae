"""Requests per minute by key and by address, and how many may run at once. Waiting is shown by moving
the window's entries into the past, not by waiting."""

from typing import Any

import pytest
from redis.asyncio import Redis

from shared.admission.decisions import (
    Admitted,
    Authenticated,
    Decision,
    RateState,
    Refusal,
    Refused,
    Unknown,
)
from shared.admission.desk import AdmissionDesk
from shared.admission.key_records import KeyState, put_key
from shared.admission.keys import ip_window_of
from shared.admission.lua import SCRIPTS_FOLDER
from shared.admission.tests.building import (
    ACCOUNT,
    DIGEST,
    NAMES,
    key_record,
    open_account,
    request_for,
    stored_in,
)
from shared.ids import new_request_id

RATE = NAMES.rate(DIGEST)
ADDRESS = "192.0.2.7"
LONG_WINDOW_MS = 86_400_000
"""Nothing leaves this window by itself while a test runs."""


@pytest.fixture
def patient_desk(redis: Redis) -> AdmissionDesk:
    return AdmissionDesk(redis, window_ms=LONG_WINDOW_MS)


def refusal_in(decision: Decision | Authenticated) -> Refused:
    assert isinstance(decision, Refused), decision
    return decision


async def admit(desk: AdmissionDesk) -> Decision:
    return await desk.admit_again(request_for(1, 1))


async def wait(redis: Redis, window: str, milliseconds: int) -> None:
    entries: Any = await redis.zrange(window, 0, -1, withscores=True)
    await redis.zadd(window, {member: score - milliseconds for member, score in entries})


async def test_no_more_than_the_limit_are_admitted_in_a_window(
    patient_desk: AdmissionDesk, redis: Redis
) -> None:
    await open_account(redis, limit_per_minute=3)
    remaining = [
        d.rate.remaining for d in [await admit(patient_desk) for _ in range(3)] if isinstance(d, Admitted)
    ]
    assert remaining == [2, 1, 0]
    refused = refusal_in(await admit(patient_desk))
    assert (refused.reason, refused.rate and refused.rate.remaining) == (Refusal.KEY_RATE, 0)


async def test_refused_requests_do_not_count(patient_desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, limit_per_minute=1)
    await admit(patient_desk)
    for _ in range(5):
        refusal_in(await admit(patient_desk))
    assert await redis.zcard(RATE) == 1


async def test_a_place_is_free_one_millisecond_after_the_window(redis: Redis) -> None:
    desk = AdmissionDesk(redis, window_ms=LONG_WINDOW_MS)
    await open_account(redis, limit_per_minute=1)
    await admit(desk)
    await wait(redis, RATE, LONG_WINDOW_MS - 5_000)
    refusal_in(await admit(desk))
    await wait(redis, RATE, 5_001)
    assert isinstance(await admit(desk), Admitted)


@pytest.mark.parametrize(("age_ms", "full"), [(59_999, 1), (60_000, 1), (60_001, 0)])
async def test_an_entry_counts_for_the_whole_window(redis: Redis, age_ms: int, full: int) -> None:
    """To the millisecond, because time stands still inside a script."""
    script = (
        (SCRIPTS_FOLDER / "prelude.lua").read_text()
        + """
        redis.call('ZADD', KEYS[1], now_ms() - ARGV[1], 'an earlier request')
        return read_window(KEYS[1], 'this request', 1, 60000, now_ms()).full and 1 or 0"""
    )
    assert await redis.eval(script, 1, RATE, str(age_ms)) == full


async def test_who_waits_as_told_gets_in(patient_desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, limit_per_minute=2)
    await admit(patient_desk)
    await wait(redis, RATE, 40_000_000)
    await admit(patient_desk)
    told = refusal_in(await admit(patient_desk)).retry_after_seconds
    assert 46_399 <= told <= 46_401
    await wait(redis, RATE, told * 1000 - 2_000)
    refusal_in(await admit(patient_desk))
    await wait(redis, RATE, 2_000)
    assert isinstance(await admit(patient_desk), Admitted)
    refusal_in(await admit(patient_desk))


async def test_a_lowered_limit_waits_for_as_many_as_needed(patient_desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, limit_per_minute=3)
    for _ in range(3):
        await admit(patient_desk)
        await wait(redis, RATE, 10_000_000)
    await redis.hset(NAMES.key(DIGEST), "limit_per_minute", 1)
    told = refusal_in(await admit(patient_desk)).retry_after_seconds
    assert 76_399 <= told <= 76_401
    await wait(redis, RATE, told * 1000)
    assert isinstance(await admit(patient_desk), Admitted)


async def test_the_reset_is_when_the_window_is_empty(patient_desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    first = await admit(patient_desk)
    assert isinstance(first, Admitted)
    assert (first.rate.limit, first.rate.reset_seconds) == (60, (LONG_WINDOW_MS + 1) / 1000)


async def test_a_key_runs_only_so_many_at_once(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, limit_concurrent=2)
    running = [request_for(1, 1), request_for(1, 1)]
    for request in running:
        assert isinstance(await desk.admit_again(request), Admitted)
    refused = refusal_in(await admit(desk))
    assert (refused.reason, refused.retry_after_seconds) == (Refusal.KEY_CONCURRENCY, 1)
    await desk.release(ACCOUNT, running[0].request_id)
    assert isinstance(await admit(desk), Admitted)


async def test_the_address_is_refused_first_and_holds_nothing(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    await desk.admit_address(new_request_id(), ip_subject=ADDRESS, ip_limit=1)
    refused = refusal_in(await desk.admit(request_for(), ip_subject=ADDRESS, ip_limit=1))
    assert refused.reason is Refusal.IP_RATE
    assert refused.retry_after_seconds in (60, 61)
    stored = await stored_in(redis)
    assert (stored.held, stored.running, stored.published) == (0, 0, 0)
    assert await redis.zcard(RATE) == 0


async def test_a_look_tells_the_keys_rate_and_counts_for_the_address_only(
    desk: AdmissionDesk, redis: Redis
) -> None:
    await open_account(redis)
    for _ in range(2):
        seen = await desk.look(new_request_id(), DIGEST, ACCOUNT, ip_subject=ADDRESS, ip_limit=2)
        assert seen == RateState(limit=60, remaining=60, reset_seconds=0)
    refused = await desk.look(new_request_id(), DIGEST, ACCOUNT, ip_subject=ADDRESS, ip_limit=2)
    assert isinstance(refused, Refused)
    assert refused.reason is Refusal.IP_RATE


async def test_who_has_no_known_key_is_told_the_rate_of_the_address(
    desk: AdmissionDesk, redis: Redis
) -> None:
    unknown = await desk.admit(request_for(), ip_subject=ADDRESS, ip_limit=9)
    assert isinstance(unknown, Unknown)
    await open_account(redis)
    await put_key(redis, key_record(state=KeyState.REVOKED, version=2))
    looked = await desk.look(new_request_id(), DIGEST, ACCOUNT, ip_subject=ADDRESS, ip_limit=9)
    revoked = refusal_in(await desk.admit(request_for(), ip_subject=ADDRESS, ip_limit=9))
    nobody = await desk.admit_address(new_request_id(), ip_subject=ADDRESS, ip_limit=9)
    told = [unknown.rate, looked, revoked.rate, nobody]
    assert [rate.remaining for rate in told if isinstance(rate, RateState)] == [8, 7, 6, 5]


async def test_the_address_is_refused_before_an_unknown_key(desk: AdmissionDesk) -> None:
    first = await desk.admit(request_for(), ip_subject=ADDRESS, ip_limit=1)
    assert isinstance(first, Unknown)
    second = await desk.admit(request_for(), ip_subject=ADDRESS, ip_limit=1)
    assert refusal_in(second).reason is Refusal.IP_RATE


async def test_a_repeat_counts_once_for_the_address(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    request = request_for()
    for _ in range(3):
        assert isinstance(await desk.admit(request, ip_subject=ADDRESS, ip_limit=1), Admitted)
    assert await redis.zcard(ip_window_of(ADDRESS)) == 1


async def test_a_call_without_a_hold_counts_for_key_and_address(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, limit_per_minute=1)

    async def authenticate(ip_limit: int) -> Refusal | None:
        answer = await desk.authenticate(
            new_request_id(), DIGEST, ACCOUNT, ip_subject=ADDRESS, ip_limit=ip_limit
        )
        return answer.reason if isinstance(answer, Refused) else None

    assert [await authenticate(2) for _ in range(3)] == [None, Refusal.KEY_RATE, Refusal.IP_RATE]
    await redis.delete(RATE)
    assert await authenticate(2) is Refusal.IP_RATE
    assert await redis.zcard(RATE) == 0


async def test_a_release_may_give_the_place_back(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    kept, given_back = request_for(), request_for()
    for request in (kept, given_back):
        await desk.admit_again(request)
    await desk.release(ACCOUNT, kept.request_id)
    await desk.release_refused(ACCOUNT, given_back.request_id, DIGEST)
    assert await redis.zrange(RATE, 0, -1) == [kept.request_id.encode()]


async def test_windows_do_not_stay_for_ever(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    await desk.admit(request_for(), ip_subject=ADDRESS, ip_limit=9)
    for window in (RATE, ip_window_of(ADDRESS)):
        assert 59_000 < await redis.pttl(window) <= 60_001
