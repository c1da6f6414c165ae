"""What billing does with each event it receives: it keeps nothing of a person yet, so it has nothing to forget."""

import structlog

from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope

log = structlog.get_logger()


async def handle(envelope: Envelope) -> None:
    event = unwrap(envelope)
    log.info("event_needs_nothing", type=event.TYPE, subject=envelope.subject)
