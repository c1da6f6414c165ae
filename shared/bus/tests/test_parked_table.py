"""What is parked, on a screen."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.bus.parked import Parked, ParkingPlace
from shared.bus.parked_table import age, table

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MESSAGE = Parked(
    "019a3f6e-7b1a-7c3d-8e2f-0123456789ab",
    "accounts.key_issued.v1",
    "Ab3dE5gH",
    "poison: cannot be opened",
    4,
    NOW - timedelta(hours=3),
)


def test_each_message_is_one_aligned_line() -> None:
    place = ParkingPlace("notifier.parked", 2, [MESSAGE, Parked("-", "-", "-", "delivery_limit", 0, None)])
    head, first, second = table([place], NOW).splitlines()
    assert head.split() == ["queue", "event", "type", "subject", "first", "seen", "age", "attempts", "reason"]
    assert "Ab3dE5gH  2026-11-23 09:00:00  3 h  4         poison: cannot be opened" in first
    assert {
        line.index(word) for line, word in ((head, "reason"), (first, "poison"), (second, "delivery"))
    } == {head.index("reason")}


def test_those_that_are_not_listed_are_counted() -> None:
    assert table([ParkingPlace("billing.parked", 9, [MESSAGE])], NOW).endswith(
        "billing.parked: 8 more are not listed.\n"
    )


def test_an_empty_place_is_told_in_a_sentence() -> None:
    assert table([ParkingPlace("billing.parked", 0, [])], NOW) == "Nothing is parked.\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "now"), (59, "59 s"), (61, "1 min"), (7_200, "2 h"), (200_000, "2 d")]
)
def test_an_age_is_told_in_its_largest_unit(seconds: float, text: str) -> None:
    assert age(seconds) == text
