"""From the bus to the use case of each event type. What is committed here is mirrored at once.

Usage is handled in batches, everything else one by one.
"""

from collections.abc import Callable, Sequence
from datetime import timedelta

from services.metering.entrypoints.usage_batches import usage_batches
from services.metering.use_cases.change_purchase import (
    credit_purchase,
    freeze_purchase,
    release_purchase,
    reverse_purchase,
)
from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.grant_trial import grant_trial
from shared.bus.consumer import Handle
from shared.bus.failures import Leftover
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted, AccountRegistered
from shared.contracts.billing import (
    PurchaseCompleted,
    PurchaseFrozen,
    PurchaseReleased,
    PurchaseReversed,
)
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope
from shared.contracts.gateway import UsageRecorded
from shared.errors import Poison
from shared.postgres import Pool


def event_handler(pool: Pool, *, usage_retention: timedelta, on_commit: Callable[[], None]) -> Handle:
    """Raises Poison for a type that metering does not handle: parked, it waits for the code that does."""
    usage = usage_batches(pool, retention=usage_retention, on_commit=on_commit)

    async def handle(envelope: Envelope) -> Sequence[Leftover]:
        if envelope.type == UsageRecorded.TYPE:
            return await usage(envelope)
        match unwrap(envelope):
            case AccountRegistered() as event:
                await grant_trial(pool, envelope.id, event, utc_now())
            case AccountDeleted() as event:
                await close_account(pool, envelope.id, event, utc_now())
            case PurchaseCompleted() as event:
                await credit_purchase(pool, envelope.id, event, utc_now())
            case PurchaseReversed() as event:
                await reverse_purchase(pool, envelope.id, event, utc_now())
            case PurchaseFrozen() as event:
                await freeze_purchase(pool, envelope.id, event, utc_now())
            case PurchaseReleased() as event:
                await release_purchase(pool, envelope.id, event, utc_now())
            case _:
                raise Poison(f"metering does not handle {envelope.type}.")
        on_commit()
        return ()

    return handle
