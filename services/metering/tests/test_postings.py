"""What a batch of usage does to one account, decided without a database."""

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

from services.metering.domain.daily_totals import DailyChange, Day
from services.metering.domain.entries import EntryKind
from services.metering.domain.grants import Grant
from services.metering.domain.postings import Book, Posted, Posting, post
from services.metering.tests.building import NOON, TRIAL_END, as_posted, grant_of, record_for

TRIAL = grant_of(100, expires_at=TRIAL_END)
PAID = grant_of(500)
NOONS_DAY = Day(NOON.date(), record_for().model, record_for().key_id)


def taken_from(posting: Posting) -> dict[UUID, int]:
    return {entry.grant_id: -entry.tokens for entry in posting.entries}


def posted_before(tokens: int, taken: dict[Grant, int], *, revision: int = 1) -> Posted:
    by_id = {grant.grant_id: part for grant, part in taken.items()}
    return as_posted(record_for(tokens=tokens, revision=revision), by_id)


def test_a_charge_above_the_trial_takes_the_rest_from_paid_tokens() -> None:
    posting = post([record_for(tokens=130)], Book((PAID, TRIAL)))
    assert taken_from(posting) == {TRIAL.grant_id: 100, PAID.grant_id: 30}


def test_a_request_admitted_before_the_trials_end_burns_the_trial_whenever_it_is_posted() -> None:
    in_time = record_for(tokens=10, admitted_at=TRIAL_END - timedelta(milliseconds=1))
    late = record_for(tokens=10, admitted_at=TRIAL_END)
    assert taken_from(post([in_time], Book((TRIAL, PAID)))) == {TRIAL.grant_id: 10}
    assert taken_from(post([late], Book((TRIAL, PAID)))) == {PAID.grant_id: 10}


def test_what_no_grant_can_pay_is_uncollected_and_not_a_debt() -> None:
    posting = post([record_for(tokens=130)], Book((TRIAL,)))
    assert taken_from(posting) == {TRIAL.grant_id: 100}
    assert posting.tokens_uncollected == 30


def test_a_request_that_cost_nothing_leaves_a_usage_row_and_no_entry() -> None:
    posting = post([record_for(tokens=0)], Book((TRIAL,)))
    assert (posting.entries, len(posting.usage)) == ((), 1)
    assert posting.daily == {NOONS_DAY: DailyChange(1, 0, 0)}


def test_of_two_revisions_in_one_batch_only_the_higher_counts() -> None:
    swept = record_for(tokens=10, revision=1)
    served = record_for(tokens=30, revision=2, request_id=swept.request_id)
    for records in ([swept, served], [served, swept]):
        posting = post(records, Book((TRIAL,)))
        assert [row.record for row in posting.usage] == [served]
        assert taken_from(posting) == {TRIAL.grant_id: 30}


def test_a_higher_revision_takes_only_the_difference() -> None:
    served = record_for(tokens=30, revision=2)
    book = Book((TRIAL,), {served.request_id: posted_before(12, {TRIAL: 12})})
    [entry] = post([served], book).entries
    assert (entry.kind, entry.tokens) == (EntryKind.CORRECTION, -18)


def test_a_lower_correction_gives_back_to_the_grants_it_was_taken_from_last_taken_first() -> None:
    served = record_for(tokens=90, revision=2)
    book = Book((TRIAL, PAID), {served.request_id: posted_before(130, {TRIAL: 100, PAID: 30})})
    assert taken_from(post([served], book)) == {PAID.grant_id: -30, TRIAL.grant_id: -10}


def test_what_a_correction_gives_back_another_request_of_the_batch_can_use() -> None:
    corrected = record_for(tokens=10, revision=2)
    other = record_for(tokens=30, admitted_at=NOON + timedelta(seconds=1))
    empty = replace(TRIAL, remaining=0)
    book = Book((empty,), {corrected.request_id: posted_before(100, {TRIAL: 100})})
    posting = post([corrected, other], book)
    assert [entry.tokens for entry in posting.entries] == [90, -30]
    assert posting.tokens_uncollected == 0


def test_a_correction_collects_what_was_owed_before_when_there_is_money_now() -> None:
    served = record_for(tokens=120, revision=2)
    book = Book((PAID,), {served.request_id: posted_before(130, {TRIAL: 100})})
    posting = post([served], book)
    assert (taken_from(posting), posting.tokens_uncollected) == ({PAID.grant_id: 20}, 0)


def test_an_equal_or_lower_revision_changes_nothing() -> None:
    again = record_for(tokens=30, revision=2)
    for revision in (2, 3):
        book = Book((TRIAL,), {again.request_id: posted_before(30, {TRIAL: 30}, revision=revision)})
        assert post([again], book) == Posting((), (), {})


def test_a_correction_counts_the_request_once_in_its_day() -> None:
    served = record_for(tokens=30, revision=2)
    book = Book((TRIAL,), {served.request_id: posted_before(12, {TRIAL: 12})})
    assert post([served], book).daily == {NOONS_DAY: DailyChange(0, 6, 12)}
