"""An account of the ledger as Redis is told of it."""

from datetime import UTC, datetime, timedelta

from services.metering.adapters.snapshots_postgres import AccountSnapshot
from services.metering.domain.balances import spendable_paid
from shared.admission.mirror import Snapshot

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def as_mirrored(account: AccountSnapshot) -> Snapshot:
    """Grants that have ended are among them: whether one has, Redis's clock decides. What is owed or frozen is
    left out: below zero, nobody is admitted until it is paid."""
    posted = spendable_paid(account.grants) - account.owed
    ending = [
        (str(grant.grant_id), grant.remaining, (grant.expires_at - UNIX_EPOCH) // MILLISECOND)
        for grant in account.grants
        if grant.expires_at is not None
    ]
    return Snapshot(account.version, posted, ending)
