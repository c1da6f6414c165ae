"""What the notifier does with each event it receives."""

from collections.abc import Callable

import structlog

from services.notifier.use_cases.forget_person import forget_person
from services.notifier.use_cases.request_mail import remember_address, request_mail
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted, AccountRegistered, KeyIssued, RecoveryRequested
from shared.contracts.billing import PurchaseCompleted, PurchaseReversed
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope
from shared.contracts.metering import BalanceExhausted, BalanceLow, TrialEnding
from shared.postgres import Pool

log = structlog.get_logger()


class Events:
    """`wake` tells the deliveries that a mail is owed."""

    def __init__(self, pool: Pool, *, wake: Callable[[], None]) -> None:
        self._pool = pool
        self._wake = wake

    async def handle(self, envelope: Envelope) -> None:
        match unwrap(envelope):
            case (
                KeyIssued()
                | RecoveryRequested()
                | PurchaseCompleted()
                | PurchaseReversed()
                | BalanceLow()
                | BalanceExhausted()
                | TrialEnding()
            ) as event:
                await request_mail(
                    self._pool,
                    event,
                    event_id=envelope.id,
                    request_id=envelope.requestid,
                    now=utc_now(),
                )
                self._wake()
            case AccountRegistered() as registered:
                await remember_address(self._pool, registered, event_id=envelope.id)
            case AccountDeleted() as deleted:
                await forget_person(self._pool, deleted, event_id=envelope.id)
            case event:
                log.info("event_has_no_mail", type=event.TYPE)
