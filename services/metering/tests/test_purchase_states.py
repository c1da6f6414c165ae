"""The state of a purchase from its events alone: the latest revision of each thing, whatever came before."""

from collections.abc import Callable
from functools import reduce
from itertools import permutations
from uuid import UUID

import pytest

from services.metering.domain.grants import Grant
from services.metering.domain.purchases import Purchase, after, collect, give_back, spent_from
from services.metering.tests.building import NOON, grant_of

OWN = UUID(int=1)
Change = Callable[[Purchase], Purchase]

STORY: list[Change] = [
    lambda purchase: purchase.paid(OWN, 500),
    lambda purchase: purchase.frozen(2),
    lambda purchase: purchase.reversed_to(200, 3),
    lambda purchase: purchase.frozen(4),
    lambda purchase: purchase.released(5),
    lambda purchase: purchase.reversed_to(100, 6),
]


def told(changes: tuple[Change, ...] | list[Change]) -> Purchase:
    return reduce(lambda purchase, change: change(purchase), changes, Purchase("p"))


@pytest.mark.parametrize("length", range(1, len(STORY) + 1))
def test_every_order_of_a_story_has_one_end(length: int) -> None:
    story = STORY[:length]
    for order in permutations(story):
        assert told(order) == told(story)
        assert told((*order, *order)) == told(story)


def test_within_one_revision_the_larger_reversal_counts_and_the_later_word_on_a_freeze() -> None:
    """From a producer that does not count its changes."""
    assert told([lambda p: p.reversed_to(300, 0), lambda p: p.reversed_to(100, 0)]).tokens_to_reverse == 300
    assert told([lambda p: p.released(0), lambda p: p.frozen(0)]).is_frozen


def test_nothing_is_owed_before_it_is_paid() -> None:
    assert told([lambda p: p.reversed_to(300, 3)]).owed == 0
    assert told([lambda p: p.reversed_to(300, 3), STORY[0]]).owed == 300


def own(remaining: int, *, is_frozen: bool = False) -> Grant:
    return Grant(OWN, remaining, None, NOON, is_frozen)


def taken_by(purchase: Purchase, *grants: Grant, at_most: int = 1000) -> dict[UUID, int]:
    return {entry.grant_id: -entry.tokens for entry in collect(purchase, grants, at_most=at_most)}


def test_a_reversal_takes_its_own_grant_first_also_frozen_and_then_paid_tokens_only() -> None:
    purchase = Purchase("p", OWN, 500, tokens_to_reverse=500)
    trial, other = grant_of(70, expires_at=NOON), grant_of(90)
    frozen = Grant(UUID(int=2), 80, None, NOON, is_frozen=True)
    assert taken_by(purchase, trial, frozen, other, own(400, is_frozen=True)) == {
        OWN: 400,
        other.grant_id: 90,
    }


def test_no_more_is_taken_than_nobody_uses() -> None:
    purchase = Purchase("p", OWN, 500, tokens_to_reverse=500)
    assert taken_by(purchase, own(400), at_most=150) == {OWN: 150}
    assert taken_by(purchase, own(400), at_most=-20) == {}


def test_what_was_reversed_too_much_goes_back_where_it_came_from() -> None:
    purchase = Purchase("p", OWN, 500, tokens_to_reverse=100, tokens_reversed=450)
    other = UUID(int=2)
    entries = give_back(purchase, {OWN: 300, other: 150})
    assert [(entry.grant_id, entry.tokens) for entry in entries] == [(other, 150), (OWN, 200)]
    assert after(purchase, entries).owed == 0


def test_several_reversals_share_what_is_there() -> None:
    grants = [own(100)]
    first = collect(Purchase("p", OWN, 500, tokens_to_reverse=60), grants, at_most=100)
    assert [grant.remaining for grant in spent_from(grants, first)] == [40]
