"""What an attempt means for its mail: RFC 5321's replies, our schedule, and the end of patience."""

from datetime import UTC, datetime, timedelta

import pytest

from services.notifier.domain.delivery import (
    Accepted,
    Attempt,
    GivenUp,
    MailRefused,
    Outcome,
    Refused,
    RelayFailed,
    RetryAt,
    Sent,
    decide,
)

REQUESTED_AT = datetime(2026, 11, 23, 12, tzinfo=UTC)


def decided(attempt: Attempt, *, attempts: int = 1, after_seconds: float = 0, jitter: float = 0) -> Outcome:
    now = REQUESTED_AT + timedelta(seconds=after_seconds)
    return decide(attempt, attempts=attempts, requested_at=REQUESTED_AT, now=now, jitter=jitter)


def test_an_accepted_mail_is_sent() -> None:
    assert decided(Accepted()) == Sent()


@pytest.mark.parametrize("code", [500, 550, 552, 554])
def test_a_mail_refused_with_5yz_is_not_tried_again(code: int) -> None:
    assert decided(MailRefused(code)) == Refused(code)


@pytest.mark.parametrize(
    "attempt",
    [
        MailRefused(421),
        MailRefused(451),
        MailRefused(252),
        RelayFailed(None),
        RelayFailed(454),
        RelayFailed(535),
        RelayFailed(550),
    ],
)
def test_everything_else_is_tried_again(attempt: MailRefused | RelayFailed) -> None:
    assert decided(attempt) == RetryAt(REQUESTED_AT + timedelta(seconds=30), attempt.code)


@pytest.mark.parametrize(
    ("attempts", "delay_seconds"), [(1, 30), (2, 120), (3, 600), (4, 1800), (5, 3600), (6, 3600), (20, 3600)]
)
def test_the_pauses_grow_to_an_hour(attempts: int, delay_seconds: int) -> None:
    assert decided(RelayFailed(None), attempts=attempts) == RetryAt(
        REQUESTED_AT + timedelta(seconds=delay_seconds), None
    )


def test_mails_that_failed_together_come_back_apart() -> None:
    assert decided(RelayFailed(None), jitter=0.5) == RetryAt(REQUESTED_AT + timedelta(seconds=33), None)


def test_after_a_day_a_mail_is_given_up() -> None:
    almost_a_day = 23 * 3600 + 1
    assert decided(MailRefused(451), attempts=26, after_seconds=almost_a_day) == GivenUp(451)
    assert isinstance(decided(MailRefused(451), attempts=26, after_seconds=almost_a_day - 1), RetryAt)
