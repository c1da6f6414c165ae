"""Less than nothing is free only where something was taken away under what runs on it, and then nobody is let in."""

from dataclasses import replace

from shared.admission.decisions import CallKind
from shared.admission.holds import Hold
from shared.admission.inspected import Inspected, Journalled
from shared.ids import AccountId, KeyId, RequestId
from tests.chaos.tests.green_world import IN_REDIS, ME
from tests.chaos.watching import Watched

GIVEN = replace(IN_REDIS, at_ms=1_000, posted=5_000, grants={})
FROZEN = replace(GIVEN, at_ms=1_050, posted=0)


def with_holds(seen: Inspected, *admitted_at_ms: int) -> Inspected:
    """Of 1,200 tokens each, and a charge of 100 that is not posted yet."""
    holds = {
        RequestId(f"at-{at}"): Hold(1_200, at, at, 0, 0, CallKind.STREAM, KeyId("key"), "chat", "model")
        for at in admitted_at_ms
    }
    journal = {RequestId("before"): Journalled(1, 100)}
    return replace(seen, holds=holds, held=1_200 * len(holds), journal=journal, journalled=100)


def uncovered(*looks: Inspected) -> list[str]:
    watched = Watched()
    for look in looks:
        watched.see({AccountId(ME): look})
    return watched.uncovered


def test_what_runs_when_its_purchase_is_frozen_had_its_cover() -> None:
    looks = [
        with_holds(GIVEN, 900, 950),
        with_holds(FROZEN, 900, 950),
        with_holds(replace(FROZEN, at_ms=1_100), 950),
    ]
    assert uncovered(*looks) == []


def test_who_was_let_in_just_before_it_was_frozen_had_cover() -> None:
    assert uncovered(GIVEN, with_holds(FROZEN, 1_020)) == []


def test_who_is_let_in_while_it_is_frozen_and_others_run_is_named() -> None:
    later = with_holds(replace(FROZEN, at_ms=1_100), 950, 1_080)
    assert uncovered(GIVEN, with_holds(FROZEN, 950), later) == [
        f"{ME}: at-1080 was let in where -1300 were free"
    ]


def test_who_is_let_in_when_it_is_released_has_cover() -> None:
    released = with_holds(replace(GIVEN, at_ms=1_100, posted=2_000), 950, 1_080)
    assert uncovered(with_holds(GIVEN, 950), with_holds(FROZEN, 950), released) == []


def test_more_let_in_than_was_free_is_named_where_nothing_was_taken_away() -> None:
    looks = [GIVEN, with_holds(replace(GIVEN, at_ms=1_050), 1_010, 1_020, 1_030, 1_035, 1_040)]
    assert uncovered(*looks) == [f"{ME}: -1100 were free in Redis, and nothing was taken away"]


def test_what_redis_lost_meanwhile_is_not_compared() -> None:
    closed = replace(FROZEN, state="closed")
    assert uncovered(GIVEN, closed, with_holds(FROZEN, 1_020)) == []


def test_the_least_that_was_free_is_kept() -> None:
    watched = Watched()
    for look in (GIVEN, with_holds(FROZEN, 950), GIVEN):
        watched.see({AccountId(ME): look})
    assert watched.lowest == {ME: -1_300}
