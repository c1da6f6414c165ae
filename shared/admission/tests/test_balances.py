"""What /v1/balance shows."""

from datetime import UTC, datetime

from shared.admission.balances import BalanceView, view_of

NOW_MS = 1_800_000_000_000
ENDS_AT = datetime(2027, 1, 16, 8, 0, tzinfo=UTC)
ENDS_MS = int(ENDS_AT.timestamp() * 1000)


def view(*, posted: int, held: int = 0, journalled: int = 0, **grants: tuple[int, int]) -> BalanceView:
    record = {b"posted": posted, b"held": held, b"journalled": journalled}
    texts = {name: str(number).encode() for name, number in record.items()}
    texts |= {f"grant:{name}".encode(): b"%d:%d" % grant for name, grant in grants.items()}
    return view_of(texts, NOW_MS)


def test_a_fresh_trial_is_all_there_is() -> None:
    assert view(posted=0, trial=(100, ENDS_MS)) == BalanceView(100, 0, 100, ENDS_AT, 0, 0)


def test_what_is_held_is_not_available_but_not_spent() -> None:
    assert view(posted=50, held=30, trial=(100, ENDS_MS)) == BalanceView(120, 50, 100, ENDS_AT, 30, 0)


def test_what_is_settled_burns_the_trial_first() -> None:
    assert view(posted=50, journalled=30, trial=(100, ENDS_MS)) == BalanceView(120, 50, 70, ENDS_AT, 0, 0)
    assert view(posted=50, journalled=130, trial=(100, ENDS_MS)) == BalanceView(20, 20, 0, ENDS_AT, 0, 0)


def test_a_trial_that_ended_is_nothing() -> None:
    assert view(posted=50, trial=(100, NOW_MS)) == BalanceView(50, 50, 0, None, 0, 0)


def test_the_end_shown_is_the_soonest() -> None:
    shown = view(posted=0, trial=(5, ENDS_MS), gift=(7, ENDS_MS + 1), empty=(0, NOW_MS + 1))
    assert (shown.trial, shown.trial_expires_at) == (12, ENDS_AT)


def test_a_debt_is_shown_as_one_and_taken_from_a_trial() -> None:
    assert view(posted=-40) == BalanceView(0, 0, 0, None, 0, 40)
    assert view(posted=-40, trial=(100, ENDS_MS)) == BalanceView(60, 0, 100, ENDS_AT, 0, 40)


def test_nothing_is_shown_below_zero_while_the_ledger_catches_up() -> None:
    assert view(posted=10, journalled=30) == BalanceView(0, 0, 0, None, 0, 0)
