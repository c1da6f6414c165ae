"""Which tokens go first, and what counts as a balance."""

from datetime import timedelta

from services.metering.domain.balances import balance_of
from services.metering.domain.grants import in_burn_order
from services.metering.tests.building import NOON, TRIAL_END, grant_of


def test_what_ends_soonest_burns_first_and_what_never_ends_last() -> None:
    paid, trial, gift = grant_of(1), grant_of(1, expires_at=TRIAL_END), grant_of(1, expires_at=NOON)
    assert in_burn_order([paid, trial, gift]) == [gift, trial, paid]


def test_among_grants_that_end_alike_the_oldest_burns_first() -> None:
    old, new = grant_of(1, created_at=NOON), grant_of(1, created_at=NOON + timedelta(days=1))
    assert in_burn_order([new, old]) == [old, new]


def test_a_grant_that_has_ended_is_not_available_even_before_its_expiry_is_posted() -> None:
    grants = [grant_of(70), grant_of(30, expires_at=TRIAL_END)]
    assert balance_of(grants, TRIAL_END - timedelta(seconds=1)).available == 100
    assert balance_of(grants, TRIAL_END).available == 70


def test_the_trial_ends_when_the_first_of_its_tokens_do() -> None:
    later = TRIAL_END + timedelta(days=1)
    grants = [grant_of(5, expires_at=later), grant_of(7, expires_at=TRIAL_END), grant_of(0, expires_at=NOON)]
    balance = balance_of(grants, NOON - timedelta(days=1))
    assert (balance.trial, balance.trial_expires_at) == (12, TRIAL_END)


def test_without_trial_tokens_there_is_no_trial_end() -> None:
    assert balance_of([grant_of(5), grant_of(0, expires_at=TRIAL_END)], NOON).trial_expires_at is None
