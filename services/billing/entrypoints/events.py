"""What billing does with each event it receives."""

import structlog

from services.billing.use_cases.forget_account import ForgetAccount
from shared.bus.consumer import Handle
from shared.contracts.accounts import AccountDeleted
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope

log = structlog.get_logger()


def event_handler(forget_account: ForgetAccount) -> Handle:
    async def handle(envelope: Envelope) -> None:
        match unwrap(envelope):
            case AccountDeleted() as deleted:
                await forget_account(deleted, event_id=envelope.id)
            case event:
                log.info("event_needs_nothing", type=event.TYPE, subject=envelope.subject)

    return handle
