"""The delay before a crashed process is started again."""

from deploy.local.restarts import DELAY_SECONDS_MAX, STABLE_AFTER_SECONDS, Restarts


def test_each_crash_in_a_row_waits_longer_up_to_a_bound() -> None:
    restarts, delays = Restarts(), []
    for _ in range(10):
        restarts = restarts.after_crash(ran_seconds=0.1)
        delays.append(restarts.delay_seconds)
    assert delays[:3] == [0.5, 1.0, 2.0]
    assert delays == sorted(delays)
    assert delays[-1] == DELAY_SECONDS_MAX


def test_a_crash_after_a_good_while_starts_from_the_shortest_delay() -> None:
    restarts = Restarts(total=7, in_a_row=7).after_crash(ran_seconds=STABLE_AFTER_SECONDS)
    assert restarts == Restarts(total=8, in_a_row=1)


def test_what_never_crashed_does_not_wait() -> None:
    assert Restarts().delay_seconds == 0
