"""An account of the ledger as Redis is told of it."""

from datetime import UTC, datetime, timedelta

from services.metering.adapters.snapshots_postgres import AccountSnapshot
from shared.admission.mirror import Snapshot

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def as_mirrored(account: AccountSnapshot) -> Snapshot:
    """Grants that have ended are among them: whether one has, Redis's clock decides."""
    posted = sum(grant.remaining for grant in account.grants if grant.expires_at is None)
    ending = [
        (str(grant.grant_id), grant.remaining, (grant.expires_at - UNIX_EPOCH) // MILLISECOND)
        for grant in account.grants
        if grant.expires_at is not None
    ]
    return Snapshot(account.version, posted, ending)
