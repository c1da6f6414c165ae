"""I13: what ends first was burned first, recomputed by replaying an account's entries in the order of posting.

A grant that was ever frozen may have been passed over while it was: for it nothing is claimed.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from uuid import UUID

from services.metering.domain.audit.facts import EntryFacts, GrantFacts
from services.metering.domain.audit.findings import Check, Finding
from services.metering.domain.grants import NEVER


class Replay:
    """One account's grants while its entries are posted once more."""

    def __init__(self, grants: Iterable[GrantFacts], ever_frozen: Collection[UUID]) -> None:
        self._order = sorted(
            grants, key=lambda grant: (grant.expires_at or NEVER, grant.created_at, grant.grant_id)
        )
        self._rank = {grant.grant_id: rank for rank, grant in enumerate(self._order)}
        self._left = dict.fromkeys(self._rank, 0)
        self._ever_frozen = ever_frozen
        self._taken: dict[UUID, dict[UUID, int]] = {}
        """Of the requests that took from several grants: only they can be given back in a wrong order."""

    def post(self, together: Sequence[EntryFacts]) -> Iterator[Finding]:
        """Entries that follow each other and are of one request and revision, or of none."""
        request_id = together[0].request_id
        if request_id is not None:
            yield from self._misburnt(request_id, together)
        for entry in together:
            self._left[entry.grant_id] = self._left.get(entry.grant_id, 0) + entry.tokens
        if request_id is not None and (len(together) > 1 or request_id in self._taken):
            taken = self._taken.setdefault(request_id, {})
            for entry in together:
                taken[entry.grant_id] = taken.get(entry.grant_id, 0) - entry.tokens

    def _misburnt(self, request_id: UUID, together: Sequence[EntryFacts]) -> Iterator[Finding]:
        skipped = self._skipped(together) or self._kept(request_id, together)
        if skipped is not None:
            first = together[0]
            yield Finding(
                Check.BURN_ORDER,
                f"request {request_id} revision {first.revision}",
                f"entry {first.entry_id}: {skipped}",
                first.account_id,
            )

    def _skipped(self, together: Sequence[EntryFacts]) -> str | None:
        """An earlier grant, valid at the admission, that still had tokens when a later one was taken from."""
        admitted_at = together[0].admitted_at
        taken = {entry.grant_id: -entry.tokens for entry in together if entry.tokens < 0}
        if not taken or admitted_at is None:
            return None
        last = max(self._rank[grant_id] for grant_id in taken)
        for grant in self._order[:last]:
            left = self._left[grant.grant_id] - taken.get(grant.grant_id, 0)
            is_valid = grant.expires_at is None or grant.expires_at > admitted_at
            if left > 0 and is_valid and grant.grant_id not in self._ever_frozen:
                return f"took from {self._order[last].source} while {grant.source} still had {left}"
        return None

    def _kept(self, request_id: UUID, together: Sequence[EntryFacts]) -> str | None:
        """Given back to an earlier grant while it kept what it took from a later one."""
        taken = dict(self._taken.get(request_id, {}))
        for entry in together:
            taken[entry.grant_id] = taken.get(entry.grant_id, 0) - entry.tokens
        given = [self._rank[entry.grant_id] for entry in together if entry.tokens > 0]
        kept = [self._rank[grant_id] for grant_id, tokens in taken.items() if tokens > 0]
        if given and kept and min(given) < max(kept):
            return (
                f"gave back to {self._order[min(given)].source}, not first to {self._order[max(kept)].source}"
            )
        return None
