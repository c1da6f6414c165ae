"""Which usage records can be posted at all, by what they say themselves; the rest is for a human."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Self
from uuid import UUID

from shared.contracts.gateway import UsageRecord
from shared.errors import Poison, PromptlyError
from shared.ids import first_uuid7_at

AHEAD_MAX = timedelta(days=1)
"""Clocks differ, but not by more: an id from beyond would lie in a partition that is not there yet."""
TOKENS_MAX = 10**9
"""Of one count: far more than any model takes, and thousands of them still add up."""
UUID_VERSION = 7

Refused = dict[UsageRecord, PromptlyError]
"""Records that are not posted, each with the reason: Poison (never) or NotYet."""


@dataclass(frozen=True, slots=True)
class Acceptance:
    """`oldest` and `newest` bound the request ids that the ledger keeps."""

    oldest: UUID
    newest: UUID

    @classmethod
    def at(cls, now: datetime, retention: timedelta) -> Self:
        return cls(first_uuid7_at(now - retention), first_uuid7_at(now + AHEAD_MAX))

    def refused(self, records: Iterable[UsageRecord]) -> Refused:
        reasons = ((record, self._reason_against(record)) for record in records)
        return {record: Poison(reason) for record, reason in reasons if reason is not None}

    def _reason_against(self, record: UsageRecord) -> str | None:
        if record.request_id.version != UUID_VERSION:
            return f"Request {record.request_id} has an id without a time."
        if record.request_id < self.oldest:
            return f"Request {record.request_id} is older than the retention."
        if record.request_id >= self.newest:
            return f"Request {record.request_id} is from the future."
        if max(record.tokens_prompt, record.tokens_completion, record.tokens_cached) > TOKENS_MAX:
            return f"Request {record.request_id} counts more than {TOKENS_MAX} tokens."
        return None


def without(refused: Refused, records: Sequence[UsageRecord]) -> Sequence[UsageRecord]:
    return [record for record in records if record not in refused] if refused else records
