"""What the notifier does with each event it receives. Addresses come sealed, and are opened here."""

from collections.abc import Callable, Sequence

import structlog

from services.notifier.use_cases.forget_person import forget_person
from services.notifier.use_cases.request_mail import remember_address, request_mail
from shared.clock import utc_now
from shared.contracts.accounts import (
    AccountDeleted,
    AccountRegistered,
    Addressed,
    KeyIssued,
    RecoveryRequested,
)
from shared.contracts.billing import PurchaseCompleted, PurchaseReversed
from shared.contracts.catalogue import unwrap
from shared.contracts.envelope import Envelope, Event
from shared.contracts.metering import BalanceExhausted, BalanceLow, TrialEnding
from shared.postgres import Pool
from shared.sealing import CannotUnseal, unseal_with_any

log = structlog.get_logger()


class Events:
    """`wake` tells the deliveries that a mail is owed."""

    def __init__(self, pool: Pool, *, private_keys: Sequence[str], wake: Callable[[], None]) -> None:
        self._pool = pool
        self._private_keys = private_keys
        self._wake = wake

    async def handle(self, envelope: Envelope) -> None:
        match self._opened(unwrap(envelope)):
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

    def _opened(self, event: Event) -> Event:
        """With the address in clear, for this process only. Raises CannotUnseal: the message is tried again, then
        parked, until SEALING_PRIVATE_KEY is right and it is put back."""
        if not isinstance(event, Addressed) or not event.sealed_email:
            return event
        try:
            email = unseal_with_any(self._private_keys, event.sealed_email)
        except CannotUnseal:
            log.error("sealed_to_another_key", remedy="set SEALING_PRIVATE_KEY to match accounts")
            raise
        return event.model_copy(update={"email": email})
