"""From the bus to the use case of each event type. What is committed here is mirrored at once."""

from collections.abc import Callable

from services.metering.use_cases.close_account import close_account
from services.metering.use_cases.grant_trial import grant_trial
from services.metering.use_cases.post_usage import post_usage
from shared.bus.consumer import Handle
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted, AccountRegistered
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope
from shared.contracts.gateway import UsageRecorded
from shared.errors import Poison
from shared.postgres import Pool


def event_handler(pool: Pool, *, on_commit: Callable[[], None]) -> Handle:
    """Raises Poison for a type that metering does not handle: parked, it waits for the code that does."""

    async def handle(envelope: Envelope) -> None:
        match unwrap(envelope):
            case AccountRegistered() as event:
                await grant_trial(pool, envelope.id, event, utc_now())
            case AccountDeleted() as event:
                await close_account(pool, envelope.id, event, utc_now())
            case UsageRecorded() as event:
                await post_usage(pool, envelope.id, event, utc_now())
            case _:
                raise Poison(f"metering does not handle {envelope.type}.")
        on_commit()

    return handle
