"""I2, I5, I6 and I18: what Redis holds of an account, against itself and against the ledger.

Redis was read first and the ledger after it, in one snapshot: a request that the snapshot has (`ended`, at its
revision) no longer counts as held or journalled, however Redis still shows it; that it goes is another matter,
for a second look a moment later.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.metering.domain.audit.facts import AccountFacts, GrantFacts, PurchaseFacts
from services.metering.domain.audit.findings import Check, Finding
from shared.admission.inspected import EndingGrant, Inspected
from shared.ids import RequestId

STALE_AFTER_SECONDS = 60
"""Twice as long as a hold may be silent before it is swept."""
LOWERING_SECONDS_MAX = 180
"""A deduction's hold that nobody finished is given up after a minute."""
UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

Ended = Mapping[UUID, int]
"""Request -> its latest posted revision."""


def uncovered(
    account: AccountFacts, grants: Sequence[GrantFacts], seen: Inspected, ended: Ended
) -> Iterator[Finding]:
    """I2: collected + held + journalled is at most what was given; what expired or was reversed is given no more."""
    held = sum(hold.tokens for request_id, hold in seen.holds.items() if UUID(request_id) not in ended)
    journalled = sum(
        settled.tokens for request_id, settled in seen.journal.items() if UUID(request_id) not in ended
    )
    left = sum(grant.entered for grant in grants)
    if held + journalled > left:
        text = f"{held} held and {journalled} journalled, but {left} are left of all that was given"
        yield Finding(Check.COVER, f"account {account.account_id}", text, account.account_id)


def unreadable(account: AccountFacts) -> Finding:
    subject = f"account {account.account_id} in Redis"
    return Finding(Check.HOLDS, subject, "its record, holds or journal cannot be read", account.account_id)


def bad_holds(
    account: AccountFacts, seen: Inspected, ended: Ended, *, silence_counts: bool
) -> Iterator[Finding]:
    """I5. `silence_counts`: Redis has been there long enough for every gateway to be heard."""

    def finding(subject: str, text: str) -> Finding:
        return Finding(Check.HOLDS, subject, text, account.account_id)

    held = sum(hold.tokens for hold in seen.holds.values())
    if seen.held != held:
        yield finding(f"held of {account.account_id}", f"{seen.held} held, its holds sum to {held}")
    if dict(seen.running) != (running := _running(seen)):
        yield finding(
            f"running of {account.account_id}", f"{dict(seen.running)} running, holds say {running}"
        )
    for request_id, hold in seen.holds.items():
        subject = f"hold {request_id}"
        if UUID(request_id) in ended:
            yield finding(subject, f"{hold.tokens} tokens of a request that is posted")
        elif request_id in seen.unleased:
            yield finding(subject, f"{hold.tokens} tokens without a lease: no sweep finds it")
        elif silence_counts and (silent := _silent_seconds(seen, request_id)) is not None:
            yield finding(subject, f"{hold.tokens} tokens, last heard of {silent:.0f} s ago")


def _running(seen: Inspected) -> dict[str, int]:
    return {key_id: count for key_id, count in seen.running_counted.items() if count}


def _silent_seconds(seen: Inspected, request_id: RequestId) -> float | None:
    """None while all is well. A deduction's hold is never heard of: it counts from its beginning."""
    hold = seen.holds[request_id]
    if hold.heartbeat_at_ms > seen.at_ms:
        age = (seen.at_ms - hold.admitted_at_ms) / 1000
        return age if age > LOWERING_SECONDS_MAX else None
    silent = (seen.at_ms - hold.heartbeat_at_ms) / 1000
    return silent if silent > STALE_AFTER_SECONDS else None


def bad_journal(account: AccountFacts, seen: Inspected, ended: Ended) -> Iterator[Finding]:
    """I6."""
    journalled = sum(settled.tokens for settled in seen.journal.values())
    if seen.journalled != journalled:
        text = f"{seen.journalled} journalled, its journal sums to {journalled}"
        yield Finding(Check.JOURNAL, f"journalled of {account.account_id}", text, account.account_id)
    for request_id, settled in seen.journal.items():
        if ended.get(UUID(request_id), 0) >= settled.revision:
            text = f"{settled.tokens} tokens that are posted are still taken off what is available"
            yield Finding(Check.JOURNAL, f"journal {request_id}", text, account.account_id)


def unlike_a_rebuild(
    account: AccountFacts,
    grants: Sequence[GrantFacts],
    purchases: Sequence[PurchaseFacts],
    seen: Inspected,
    *,
    mirrored_before: int,
) -> Iterator[Finding]:
    """I18. `mirrored_before`: the version that Redis was known to have before it was read."""
    posted, ending = _rebuilt(account, grants, purchases)
    text = None
    if seen.version > account.version:
        text = f"Redis has version {seen.version}, the ledger {account.version}"
    elif seen.version < mirrored_before:
        text = f"Redis has version {seen.version} and was told {mirrored_before}"
    elif seen.version == account.version and (seen.posted, dict(seen.grants)) != (posted, ending):
        text = f"Redis has {_told(seen.posted, seen.grants)}, a rebuild gives {_told(posted, ending)}"
    if text is not None:
        yield Finding(Check.REBUILD, f"mirror of {account.account_id}", text, account.account_id)


def is_comparable(account: AccountFacts, seen: Inspected) -> bool:
    """It was not changed in between."""
    return seen.state == "absent" or seen.version == account.version


def _rebuilt(
    account: AccountFacts, grants: Sequence[GrantFacts], purchases: Sequence[PurchaseFacts]
) -> tuple[int, dict[str, EndingGrant]]:
    """What a mirror pass would write, from the entries alone."""
    if account.is_closed:
        return 0, {}
    open_grants = [grant for grant in grants if not grant.is_closed and grant.entered > 0]
    paid = sum(grant.entered for grant in open_grants if grant.expires_at is None and not grant.is_frozen)
    ending = {
        str(grant.grant_id): EndingGrant(grant.entered, (grant.expires_at - UNIX_EPOCH) // MILLISECOND)
        for grant in open_grants
        if grant.expires_at is not None
    }
    return paid - sum(purchase.owed for purchase in purchases), ending


def _told(posted: int, grants: Mapping[str, EndingGrant]) -> str:
    ending = "".join(f" + {grant.tokens} in {grant_id}" for grant_id, grant in sorted(grants.items()))
    return f"{posted}{ending}"
