"""What the notifier does with each event it receives."""

from collections.abc import Callable

import structlog

from services.notifier.use_cases.forget_person import forget_person
from services.notifier.use_cases.request_key_mail import request_key_mail
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted, KeyIssued
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope
from shared.postgres import Pool

log = structlog.get_logger()


class Events:
    """`wake` tells the deliveries that a mail is owed."""

    def __init__(self, pool: Pool, *, wake: Callable[[], None]) -> None:
        self._pool = pool
        self._wake = wake

    async def handle(self, envelope: Envelope) -> None:
        match unwrap(envelope):
            case KeyIssued() as issued:
                await request_key_mail(
                    self._pool,
                    issued,
                    event_id=envelope.id,
                    request_id=envelope.requestid,
                    now=utc_now(),
                )
                self._wake()
            case AccountDeleted() as deleted:
                await forget_person(self._pool, deleted, event_id=envelope.id)
            case event:
                log.info("event_has_no_mail", type=event.TYPE)
