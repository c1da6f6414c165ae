"""Purchases after they are paid: reversed, frozen, released, as the provider's latest state has it.

Events come in any order and again: of each of the two things (how much is to be reversed, is it frozen) the
latest revision counts. What is to be reversed and is not yet is *owed*.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from services.metering.domain.entries import Entry, EntryKind
from services.metering.domain.grants import Grant, take_paid


@dataclass(frozen=True, slots=True)
class Purchase:
    """`tokens` and `grant_id` are None until it is paid; `tokens_reversed` is what entries have taken so far."""

    purchase_id: str
    grant_id: UUID | None = None
    tokens: int | None = None
    tokens_to_reverse: int = 0
    reversal_revision: int = 0
    tokens_reversed: int = 0
    is_frozen: bool = False
    freeze_revision: int = 0

    @property
    def owed(self) -> int:
        """Negative where too much is reversed: a refund that failed."""
        if self.tokens is None:
            return 0
        return min(self.tokens_to_reverse, self.tokens) - self.tokens_reversed

    def paid(self, grant_id: UUID, tokens: int) -> "Purchase":
        return replace(self, grant_id=grant_id, tokens=tokens)

    def reversed_to(self, tokens: int, revision: int) -> "Purchase":
        """`tokens` is the total; within one revision the larger one. It ends a freeze."""
        changed = self._with_freeze(revision, is_frozen=False)
        if (revision, tokens) <= (self.reversal_revision, self.tokens_to_reverse):
            return changed
        return replace(changed, tokens_to_reverse=tokens, reversal_revision=revision)

    def frozen(self, revision: int) -> "Purchase":
        return self._with_freeze(revision, is_frozen=True)

    def released(self, revision: int) -> "Purchase":
        return self._with_freeze(revision, is_frozen=False)

    def _with_freeze(self, revision: int, *, is_frozen: bool) -> "Purchase":
        if revision < self.freeze_revision:
            return self
        return replace(self, is_frozen=is_frozen, freeze_revision=revision)


def collect(purchase: Purchase, grants: Iterable[Grant], *, at_most: int) -> list[Entry]:
    """What can be taken now of what it owes: from its own grant first, frozen or not, then from paid tokens."""
    tokens = min(purchase.owed, at_most)
    grants = list(grants)
    own = [grant for grant in grants if grant.grant_id == purchase.grant_id]
    others = [grant for grant in grants if grant.grant_id != purchase.grant_id and not grant.is_frozen]
    taken = take_paid(own, tokens)
    taken |= take_paid(others, tokens - sum(taken.values()))
    return [_reversal(purchase, grant_id, -part) for grant_id, part in taken.items()]


def give_back(purchase: Purchase, taken: Mapping[UUID, int]) -> list[Entry]:
    """What was reversed too much, to the grants it was taken from: `taken`, the last one first."""
    left, entries = -purchase.owed, []
    for grant_id, tokens in reversed(list(taken.items())):
        part = min(left, tokens)
        if part > 0:
            left -= part
            entries.append(_reversal(purchase, grant_id, part))
    return entries


def after(purchase: Purchase, entries: Iterable[Entry]) -> Purchase:
    """With these entries posted."""
    return replace(
        purchase, tokens_reversed=purchase.tokens_reversed - sum(entry.tokens for entry in entries)
    )


def spent_from(grants: Iterable[Grant], entries: Iterable[Entry]) -> list[Grant]:
    """The grants with these entries posted."""
    changes: dict[UUID, int] = {}
    for entry in entries:
        changes[entry.grant_id] = changes.get(entry.grant_id, 0) + entry.tokens
    return [replace(grant, remaining=grant.remaining + changes.get(grant.grant_id, 0)) for grant in grants]


def _reversal(purchase: Purchase, grant_id: UUID, tokens: int) -> Entry:
    return Entry(EntryKind.REVERSAL, grant_id, tokens, purchase_id=purchase.purchase_id)
