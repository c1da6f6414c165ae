"""The decisions: whose trial it is, what a balance says, how high a bar stands."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.accounts.domain.dashboard import DAYS_SHOWN, Balance, TrialState, UsageDay, chart_of, round_up
from services.accounts.domain.packs import PACKS
from services.accounts.domain.trials import TrialTerms, address_hash_of, expires_at, mailbox_of

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
TODAY = NOW.date()


@pytest.mark.parametrize(
    ("email", "mailbox"),
    [
        ("Ada@example.com", "ada@example.com"),
        ("ada+promptly+2@example.com", "ada@example.com"),
        ("a.da@example.com", "a.da@example.com"),
        ("A.d.a+x@gmail.com", "ada@gmail.com"),
        ("ada@googlemail.com", "ada@gmail.com"),
        ("+only@example.com", "+only@example.com"),
    ],
)
def test_addresses_of_one_mailbox_are_alike(email: str, mailbox: str) -> None:
    assert mailbox_of(email) == mailbox


def test_what_is_remembered_of_a_trial_needs_the_pepper() -> None:
    one, other = address_hash_of("a@example.com", b"1" * 32), address_hash_of("a@example.com", b"2" * 32)
    assert one != other
    assert len(one) == 64


def test_a_trial_ends_so_many_days_after_it_began() -> None:
    assert expires_at(TrialTerms(tokens=1, days=7), begins_at=NOW) == datetime(2026, 11, 30, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("trial", "ends_at", "state"),
    [
        (0, None, TrialState.NONE),
        (10, NOW + timedelta(seconds=1), TrialState.RUNNING),
        (0, NOW + timedelta(seconds=1), TrialState.USED_UP),
        (10, NOW, TrialState.ENDED),
    ],
)
def test_the_state_of_a_trial(trial: int, ends_at: datetime | None, state: TrialState) -> None:
    assert Balance(trial, 0, trial, ends_at, 0).trial_state(NOW) is state


def test_the_price_list() -> None:
    assert [(pack.pack_id, pack.price, pack.price_per_million) for pack in PACKS] == [
        ("starter", "$0.50", "$0.10"),
        ("standard", "$2.00", "$0.08"),
        ("pro", "$6.00", "$0.06"),
    ]


def test_the_chart_has_every_day_oldest_first_and_no_other() -> None:
    stale = UsageDay(TODAY - timedelta(days=DAYS_SHOWN), 1, 1, 1)
    bars = chart_of([UsageDay(TODAY, 1, 30, 70), stale], today=TODAY).bars
    assert len(bars) == DAYS_SHOWN
    assert (bars[0].usage.day, bars[-1].usage.day) == (date(2026, 10, 25), TODAY)
    assert (bars[-1].prompt_height, bars[-1].completion_height) == (30, 70)
    assert sum(bar.usage.tokens for bar in bars) == 100


@pytest.mark.parametrize(
    ("busiest", "top"), [(0, 10), (10, 10), (11, 20), (21, 50), (999, 1000), (1001, 2000)]
)
def test_the_scale_ends_at_a_round_number(busiest: int, top: int) -> None:
    assert round_up(busiest) == top


def test_a_chart_without_usage_is_flat() -> None:
    assert {bar.prompt_height + bar.completion_height for bar in chart_of([], today=TODAY).bars} == {0}


counts = st.integers(min_value=0, max_value=2**53)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=DAYS_SHOWN))
def test_bars_stay_in_the_chart_and_are_seen_when_there_is_usage(tokens: list[tuple[int, int]]) -> None:
    usage = [UsageDay(TODAY - timedelta(days=age), 1, *each) for age, each in enumerate(tokens)]
    for bar in chart_of(usage, today=TODAY).bars:
        assert bar.prompt_height >= 0
        assert bar.completion_height >= 0
        assert (bar.prompt_height + bar.completion_height > 0) == (bar.usage.tokens > 0)
        assert bar.prompt_height + bar.completion_height <= 100
