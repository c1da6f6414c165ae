"""What a batch of usage records does to one account: entries, usage rows, daily totals.

A request is charged once. Its latest revision counts: a higher one posts the difference to what was
collected before, a lower or equal one posts nothing, so that neither doubling nor reordering changes the
outcome. What no grant can pay is uncollected: reported, never a debt.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.metering.domain.daily_totals import DailyChange, DailyChanges, Day, day_of, sum_by_day
from services.metering.domain.entries import Entry, EntryKind
from services.metering.domain.grants import Grant, in_burn_order
from shared.contracts.gateway import UsageRecord
from shared.ids import AccountId


@dataclass(frozen=True, slots=True)
class Posted:
    """A request as the ledger has it: its latest revision, and what it took from which grant."""

    request_id: UUID
    account_id: AccountId
    revision: int
    key_id: str
    model: str
    admitted_at: datetime
    tokens_prompt: int
    tokens_completion: int
    tokens_cached: int
    taken: Mapping[UUID, int]

    @property
    def tokens_collected(self) -> int:
        return sum(self.taken.values())


@dataclass(frozen=True, slots=True)
class Book:
    """What the ledger holds of one account, as far as a batch needs it: the grants that can pay or were
    taken from, and those of the batch's requests that are posted already."""

    grants: tuple[Grant, ...] = ()
    posted: Mapping[UUID, Posted] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PostedRecord:
    """A usage row to write."""

    record: UsageRecord
    tokens_uncollected: int


@dataclass(frozen=True, slots=True)
class Posting:
    """What to write for one account, in one transaction."""

    entries: tuple[Entry, ...]
    usage: tuple[PostedRecord, ...]
    daily: DailyChanges

    @property
    def tokens_uncollected(self) -> int:
        return sum(row.tokens_uncollected for row in self.usage)


def post(records: Iterable[UsageRecord], book: Book) -> Posting:
    """The order of `records` does not matter."""
    till = _Till(book.grants)
    entries: list[Entry] = []
    usage: list[PostedRecord] = []
    days: list[tuple[Day, DailyChange]] = []
    for record in _latest_revisions(records):
        earlier = book.posted.get(record.request_id)
        if earlier is not None and earlier.revision >= record.revision:
            continue
        taken = till.charge(record, earlier)
        entries += _entries(record, earlier, taken)
        usage.append(PostedRecord(record, record.tokens - _collected(earlier) - sum(taken.values())))
        days += _daily_changes(record, earlier)
    return Posting(tuple(entries), tuple(usage), sum_by_day(days))


class _Till:
    """The grants of one account while a batch is charged to them."""

    def __init__(self, grants: Iterable[Grant]) -> None:
        self._grants = in_burn_order(grants)
        self._remaining = {grant.grant_id: grant.remaining for grant in self._grants}

    def charge(self, record: UsageRecord, earlier: Posted | None) -> dict[UUID, int]:
        """What to take from each grant to reach the record's charge; negative is given back."""
        owed = record.tokens - _collected(earlier)
        if earlier is not None and owed < 0:
            return {grant_id: -tokens for grant_id, tokens in self._give_back(-owed, earlier.taken)}
        return dict(self._take(owed, record.admitted_at))

    def _take(self, tokens: int, admitted_at: datetime) -> Iterator[tuple[UUID, int]]:
        for grant in self._grants:
            part = min(tokens, self._remaining[grant.grant_id])
            if part > 0 and grant.is_valid(admitted_at):
                self._remaining[grant.grant_id] -= part
                tokens -= part
                yield grant.grant_id, part

    def _give_back(self, tokens: int, taken: Mapping[UUID, int]) -> Iterator[tuple[UUID, int]]:
        """Taken last, given back first: what stays is what the right charge would have taken."""
        for grant in reversed(self._grants):
            part = min(tokens, taken.get(grant.grant_id, 0))
            if part > 0:
                self._remaining[grant.grant_id] += part
                tokens -= part
                yield grant.grant_id, part


def _latest_revisions(records: Iterable[UsageRecord]) -> list[UsageRecord]:
    latest: dict[UUID, UsageRecord] = {}
    for record in records:
        known = latest.get(record.request_id)
        if known is None or known.revision < record.revision:
            latest[record.request_id] = record
    return sorted(latest.values(), key=lambda record: (record.admitted_at, record.request_id))


def _collected(earlier: Posted | None) -> int:
    return 0 if earlier is None else earlier.tokens_collected


def _entries(record: UsageRecord, earlier: Posted | None, taken: Mapping[UUID, int]) -> Iterator[Entry]:
    kind = EntryKind.USAGE if earlier is None else EntryKind.CORRECTION
    for grant_id, tokens in taken.items():
        yield Entry(kind, grant_id, -tokens, record.request_id, record.revision)


def _daily_changes(record: UsageRecord, earlier: Posted | None) -> Iterator[tuple[Day, DailyChange]]:
    yield _day(record), _counted(record)
    if earlier is not None:
        yield _day(earlier), -_counted(earlier)


def _day(request: UsageRecord | Posted) -> Day:
    return Day(day_of(request.admitted_at), request.model, request.key_id)


def _counted(request: UsageRecord | Posted) -> DailyChange:
    return DailyChange(1, request.tokens_prompt, request.tokens_completion, request.tokens_cached)
