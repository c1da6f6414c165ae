"""Any usage, in any order, doubled and corrected: a plain model of the ledger says what must come out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from random import Random
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from services.metering.domain.daily_totals import DailyChange
from services.metering.domain.grants import Grant
from services.metering.domain.postings import Book, Posted, Posting, post
from services.metering.tests.building import NOON, as_posted, record_for
from shared.contracts.gateway import UsageRecord

REQUESTS = [UUID(int=number) for number in range(6)]
hours = st.integers(min_value=0, max_value=48).map(lambda hours: NOON + timedelta(hours=hours))
grants_of_an_account = st.lists(
    st.builds(
        Grant,
        grant_id=st.uuids(),
        remaining=st.integers(min_value=0, max_value=200),
        expires_at=st.none() | hours,
        created_at=st.just(NOON),
    ),
    max_size=4,
    unique_by=lambda grant: grant.grant_id,
)
admissions = st.lists(hours, min_size=len(REQUESTS), max_size=len(REQUESTS))


@st.composite
def histories(draw: st.DrawFn) -> list[UsageRecord]:
    """Records of few requests, so that repeats and corrections abound; one request has one admission, and a
    revision of it one content."""
    admitted_at = dict(zip(REQUESTS, draw(admissions), strict=True))
    drawn = draw(
        st.dictionaries(
            st.tuples(st.sampled_from(REQUESTS), st.integers(min_value=1, max_value=3)),
            st.integers(min_value=0, max_value=150),
        )
    )
    records = [
        record_for(
            tokens=tokens, request_id=request_id, revision=revision, admitted_at=admitted_at[request_id]
        )
        for (request_id, revision), tokens in drawn.items()
    ]
    return records + draw(st.lists(st.sampled_from(records), max_size=5)) if records else []


class PlainLedger:
    """Applies postings the way the database does, and remembers everything."""

    def __init__(self, grants: Sequence[Grant]) -> None:
        self.grants = {grant.grant_id: grant for grant in grants}
        self.posted: dict[UUID, Posted] = {}
        self.days = DailyChange()
        self.uncollected: dict[UUID, int] = {}

    def post(self, records: Sequence[UsageRecord]) -> Posting:
        posting = post(records, Book(tuple(self.grants.values()), self.posted))
        for row in posting.usage:
            self._remember(row.record, posting)
            self.uncollected[row.record.request_id] = row.tokens_uncollected
        for entry in posting.entries:
            grant = self.grants[entry.grant_id]
            self.grants[entry.grant_id] = replace(grant, remaining=grant.remaining + entry.tokens)
        for change in posting.daily.values():
            self.days += change
        return posting

    def _remember(self, record: UsageRecord, posting: Posting) -> None:
        earlier = self.posted.get(record.request_id)
        taken = dict(earlier.taken) if earlier else {}
        for entry in posting.entries:
            if entry.request_id == record.request_id:
                taken[entry.grant_id] = taken.get(entry.grant_id, 0) - entry.tokens
        self.posted[record.request_id] = as_posted(record, taken)

    @property
    def remaining(self) -> int:
        return sum(grant.remaining for grant in self.grants.values())

    @property
    def collected(self) -> int:
        return sum(posted.tokens_collected for posted in self.posted.values())


def latest(records: Sequence[UsageRecord]) -> dict[UUID, UsageRecord]:
    by_revision = sorted(records, key=lambda record: record.revision)
    return {record.request_id: record for record in by_revision}


def in_batches(records: Sequence[UsageRecord], cuts: Sequence[int]) -> Iterator[Sequence[UsageRecord]]:
    bounds = [0, *sorted(cut % (len(records) + 1) for cut in cuts), len(records)]
    for start, end in pairwise(bounds):
        yield records[start:end]


@settings(deadline=None)
@given(grants_of_an_account, histories(), st.lists(st.integers(min_value=0), max_size=4))
def test_entries_always_sum_to_what_the_grants_lost(
    grants: list[Grant], records: list[UsageRecord], cuts: list[int]
) -> None:
    ledger = PlainLedger(grants)
    granted = ledger.remaining
    for part in in_batches(records, cuts):
        ledger.post(part)
        assert granted == ledger.collected + ledger.remaining
        assert all(grant.remaining >= 0 for grant in ledger.grants.values())
        assert all(part >= 0 for posted in ledger.posted.values() for part in posted.taken.values())


@settings(deadline=None)
@given(grants_of_an_account, histories(), st.lists(st.integers(min_value=0), max_size=4))
def test_each_request_is_charged_its_latest_revision_or_the_rest_is_uncollected(
    grants: list[Grant], records: list[UsageRecord], cuts: list[int]
) -> None:
    ledger = PlainLedger(grants)
    for part in in_batches(records, cuts):
        ledger.post(part)
    for request_id, record in latest(records).items():
        assert ledger.posted[request_id].tokens_collected + ledger.uncollected[request_id] == record.tokens


@settings(deadline=None)
@given(grants_of_an_account, histories(), st.lists(st.integers(min_value=0), max_size=4))
def test_daily_totals_are_the_sums_of_the_latest_revisions(
    grants: list[Grant], records: list[UsageRecord], cuts: list[int]
) -> None:
    ledger = PlainLedger(grants)
    for part in in_batches(records, cuts):
        ledger.post(part)
    counted = latest(records).values()
    assert ledger.days == DailyChange(
        len(counted),
        sum(record.tokens_prompt for record in counted),
        sum(record.tokens_completion for record in counted),
    )


@settings(deadline=None)
@given(grants_of_an_account, histories())
def test_posting_everything_again_changes_nothing(grants: list[Grant], records: list[UsageRecord]) -> None:
    ledger = PlainLedger(grants)
    ledger.post(records)
    assert ledger.post(records) == Posting((), (), {})


@settings(deadline=None)
@given(grants_of_an_account, histories(), st.randoms(use_true_random=False))
def test_the_order_inside_a_batch_is_irrelevant(
    grants: list[Grant], records: list[UsageRecord], random: Random
) -> None:
    shuffled = list(records)
    random.shuffle(shuffled)
    book = Book(tuple(grants))
    assert post(shuffled, book) == post(records, book)


@settings(deadline=None)
@given(
    grants_of_an_account, histories(), st.randoms(use_true_random=False), st.lists(st.integers(min_value=0))
)
def test_the_order_of_batches_is_irrelevant_for_the_totals(
    grants: list[Grant], records: list[UsageRecord], random: Random, cuts: list[int]
) -> None:
    """Of requests without corrections: what one gives back, another may have needed meanwhile."""
    uncorrected = list(latest(records).values())
    at_once, piecemeal = PlainLedger(grants), PlainLedger(grants)
    at_once.post(uncorrected)
    random.shuffle(uncorrected)
    for part in in_batches(uncorrected, cuts):
        piecemeal.post(part)
    assert (at_once.collected, at_once.days) == (piecemeal.collected, piecemeal.days)


@settings(deadline=None)
@given(histories(), st.randoms(use_true_random=False), st.lists(st.integers(min_value=0)))
def test_with_enough_tokens_the_totals_do_not_depend_on_the_order_of_corrections(
    records: list[UsageRecord], random: Random, cuts: list[int]
) -> None:
    plenty = [Grant(UUID(int=1), 10_000, None, NOON)]
    at_once, piecemeal = PlainLedger(plenty), PlainLedger(plenty)
    at_once.post(records)
    random.shuffle(records)
    for part in in_batches(records, cuts):
        piecemeal.post(part)
    assert (at_once.collected, at_once.days) == (piecemeal.collected, piecemeal.days)
