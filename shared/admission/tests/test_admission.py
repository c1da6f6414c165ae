"""Who is admitted, and for how many tokens."""

from datetime import UTC, datetime, timedelta

import pytest
from redis.asyncio import Redis

from shared.admission.decisions import (
    Admitted,
    CountNeeded,
    Decision,
    HoldRequest,
    Missing,
    PromptCount,
    Refusal,
    Refused,
    Unknown,
)
from shared.admission.desk import AdmissionDesk
from shared.admission.key_records import KeyState, put_key
from shared.admission.mirror import Snapshot, write_mirror
from shared.admission.tests.building import (
    ACCOUNT,
    DIGEST,
    FAR_FUTURE_MS,
    KEY,
    LONG_AGO_MS,
    NAMES,
    held_by,
    key_record,
    open_account,
    record_for,
    request_for,
    stored_in,
)
from shared.ids import new_request_id

BOUND = PromptCount.BOUND
EXHAUSTED = (Refusal.BALANCE_EXHAUSTED, 0)
HELD = (Refusal.BALANCE_HELD, 1)


async def admit(desk: AdmissionDesk, request: HoldRequest) -> Decision:
    return await desk.admit(request, ip_subject="192.0.2.1", ip_limit=1000)


def refusal_of(decision: Decision) -> tuple[Refusal, int]:
    """Why, and for how long; where the money refuses, the key's rate is known and told as well."""
    assert isinstance(decision, Refused)
    assert decision.rate is not None
    return decision.reason, decision.retry_after_seconds


async def test_an_admission_holds_prompt_and_completion(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=1000)
    request = request_for(10, 20)
    decision = await admit(desk, request)
    assert isinstance(decision, Admitted)
    assert (decision.account_id, decision.key_id) == (ACCOUNT, KEY)
    assert (decision.tokens_held, decision.tokens_completion) == (30, 20)
    assert abs(decision.admitted_at - datetime.now(UTC)) < timedelta(minutes=1)
    [hold] = (await stored_in(redis)).holds.values()
    assert (hold.model, hold.kind, hold.key_id) == (request.model, request.kind, KEY)


async def test_a_repeated_admission_answers_the_same_hold(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    request = request_for()
    first, second = await admit(desk, request), await admit(desk, request)
    assert isinstance(first, Admitted)
    assert isinstance(second, Admitted)
    assert second.admitted_at == first.admitted_at
    assert (second.rate.remaining, held_by(second)) == (first.rate.remaining, held_by(first))
    stored = await stored_in(redis)
    assert (stored.held, stored.running) == (30, 1)


async def test_a_request_that_ended_is_not_admitted_again(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    settled, released = request_for(), request_for()
    await admit(desk, settled)
    await desk.settle(ACCOUNT, record_for(settled.request_id, 1, 1), tokens_held=30)
    await desk.release(ACCOUNT, released.request_id)
    for request in (settled, released):
        assert await admit(desk, request) == Refused(Refusal.ENDED, 0, None)
    assert (await stored_in(redis)).held == 0


async def test_an_unknown_key_is_not_refused_but_unknown(desk: AdmissionDesk) -> None:
    assert await admit(desk, request_for()) == Unknown(Missing.KEY)


async def test_an_unknown_account_is_not_zero(desk: AdmissionDesk, redis: Redis) -> None:
    await put_key(redis, key_record())
    assert await admit(desk, request_for()) == Unknown(Missing.ACCOUNT)
    assert await desk.balance(ACCOUNT) is None


@pytest.mark.parametrize(
    ("name", "missing"), [(NAMES.key(DIGEST), Missing.KEY), (NAMES.account, Missing.ACCOUNT)]
)
async def test_a_record_of_another_epoch_is_missing(
    desk: AdmissionDesk, redis: Redis, name: str, missing: Missing
) -> None:
    await open_account(redis)
    await redis.hset(name, "epoch", "the run before")
    assert await admit(desk, request_for()) == Unknown(missing)


async def test_a_key_of_another_account_is_unknown(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    await redis.hset(NAMES.key(DIGEST), "account", "other000")
    assert await admit(desk, request_for()) == Unknown(Missing.KEY)


async def test_a_revoked_key_is_refused(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis)
    await put_key(redis, key_record(state=KeyState.REVOKED, version=2))
    assert await admit(desk, request_for()) == Refused(Refusal.KEY_REVOKED, 0, None)
    answer = await desk.authenticate(new_request_id(), DIGEST, ACCOUNT, ip_subject="192.0.2.1", ip_limit=1000)
    assert answer == Refused(Refusal.KEY_REVOKED, 0, None)


async def test_the_last_token_can_be_spent(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=30)
    assert held_by(await admit(desk, request_for(10, 20))) == 30


async def test_a_completion_is_clamped_to_the_money(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=25)
    decision = await admit(desk, request_for(10, 20))
    assert isinstance(decision, Admitted)
    assert (decision.tokens_held, decision.tokens_completion) == (25, 15)


async def test_a_bound_that_does_not_fit_asks_for_the_count(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=25)
    assert await admit(desk, request_for(10, 20, prompt_count=BOUND)) == CountNeeded()
    assert held_by(await desk.admit_again(request_for(5, 20))) == 25


@pytest.mark.parametrize("posted", [-5, 0, 1])
async def test_who_cannot_pay_for_any_prompt_is_refused_uncounted(
    desk: AdmissionDesk, redis: Redis, posted: int
) -> None:
    """A refusal takes no place in the key's minute: whoever has spent everything could have the model server
    count prompts for ever, and would hear that it is down instead of 402."""
    await open_account(redis, posted=posted)
    assert refusal_of(await admit(desk, request_for(10, 20, prompt_count=BOUND))) == EXHAUSTED


async def test_without_room_for_one_token_the_balance_is_exhausted(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=10)
    assert refusal_of(await admit(desk, request_for(10, 20))) == EXHAUSTED
    assert held_by(await admit(desk, request_for(9, 20))) == 10


async def test_a_prompt_without_completion_needs_no_room_for_one(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=10)
    assert held_by(await admit(desk, request_for(10, 0))) == 10
    assert refusal_of(await admit(desk, request_for(10, 0))) == HELD


async def test_holds_of_others_are_waited_for(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=40)
    running = request_for(10, 20)
    await admit(desk, running)
    for waiting in (request_for(10, 20), request_for(10, 90), request_for(10, 20, prompt_count=BOUND)):
        assert refusal_of(await admit(desk, waiting)) == HELD
    await desk.release(ACCOUNT, running.request_id)
    assert held_by(await admit(desk, waiting)) == 30


async def test_what_is_settled_is_spent_before_it_is_posted(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=40)
    request = request_for(10, 20)
    await admit(desk, request)
    await desk.settle(ACCOUNT, record_for(request.request_id, 10, 20), tokens_held=30)
    assert held_by(await admit(desk, request_for(5, 20))) == 10
    assert refusal_of(await admit(desk, request_for(10, 20))) == EXHAUSTED


async def test_a_trial_counts_until_it_ends(desk: AdmissionDesk, redis: Redis) -> None:
    grants = (("gift", 5, FAR_FUTURE_MS), ("trial", 500, LONG_AGO_MS))
    await open_account(redis, posted=20, grants=grants)
    assert held_by(await admit(desk, request_for(10, 90))) == 25


async def test_a_debt_is_paid_first(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=-50, grants=(("trial", 70, FAR_FUTURE_MS),))
    assert held_by(await admit(desk, request_for(10, 90))) == 20
    await write_mirror(redis, ACCOUNT, Snapshot(2, -50, ()), {})
    assert refusal_of(await admit(desk, request_for(1, 1))) == EXHAUSTED


async def test_large_balances_stay_exact(desk: AdmissionDesk, redis: Redis) -> None:
    large = 2**53 - 1
    await open_account(redis, posted=large)
    request = request_for(10, large - 11)
    assert held_by(await admit(desk, request)) == large - 1
    view = await desk.balance(ACCOUNT)
    assert view is not None
    assert (view.available, view.held) == (1, large - 1)
    await desk.settle(ACCOUNT, record_for(request.request_id, 0, large - 1), tokens_held=large - 1)
    (await stored_in(redis)).assert_counters_are_sums()
    assert held_by(await admit(desk, request_for(0, 1))) == 1


async def test_a_refusal_leaves_nothing_behind(desk: AdmissionDesk, redis: Redis) -> None:
    await open_account(redis, posted=10)
    before = set(await redis.keys("{*"))
    assert refusal_of(await admit(desk, request_for(10, 20))) == EXHAUSTED
    assert await admit(desk, request_for(10, 20, prompt_count=BOUND)) == CountNeeded()
    assert set(await redis.keys("{*")) == before
    assert (await stored_in(redis)).held == 0
