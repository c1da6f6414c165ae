"""Deliver the mail that is due: claim it, write it, hand it over, record what came of it.

The claim is committed before the dialogue begins, so that a crash anywhere leaves a mail that is sent again
when its lease ends: a duplicate with the same Message-ID is better than silence. A key or link is in clear only
here, between unsealing and handing over.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from typing import Protocol

import structlog

from services.notifier.adapters.letters_jinja import Letters
from services.notifier.adapters.mails_postgres import MailTable
from services.notifier.domain.delivery import Attempt, GivenUp, Outcome, Refused, RelayFailed, Sent, decide
from services.notifier.domain.letter import Unmailable, compose
from services.notifier.domain.mail import ClaimedMail
from services.notifier.use_cases import measure
from shared import faults
from shared.clock import utc_now
from shared.sealing import CannotUnseal, unseal_with_any
from shared.tracing import spans

log = structlog.get_logger()


class Mailer(Protocol):
    """Hands one mail over; the relay's answer is a value, not an error."""

    async def send(self, message: EmailMessage) -> Attempt: ...

    async def check(self, sender: Address) -> None:
        """As far as a mail would go, without one. Raises RelayUnusable or OSError."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Letterhead:
    """Who writes: the sender, and the host name that makes Message-IDs ours."""

    sender: Address
    host: str


class MailDelivery:
    """one of `private_keys` opens what accounts sealed; `clock` tells the time."""

    def __init__(
        self,
        mails: MailTable,
        letters: Letters,
        mailer: Mailer,
        *,
        letterhead: Letterhead,
        private_keys: Sequence[str],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._mails = mails
        self._letters = letters
        self._mailer = mailer
        self._letterhead = letterhead
        self._private_keys = private_keys
        self._clock = clock

    async def deliver_next(self, *, jitter: float) -> bool:
        """False when nothing is due. Raises only what the database raises."""
        claimed = await self._mails.claim_due(self._clock())
        if claimed is None:
            return False
        with (
            structlog.contextvars.bound_contextvars(request_id=claimed.request_id),
            spans.step("mail", claimed.request_id) as span,
        ):
            outcome = await self._deliver(claimed, jitter)
            span.note(outcome=type(outcome).__name__, account_id=claimed.mail.account_id)
        return True

    async def _deliver(self, claimed: ClaimedMail, jitter: float) -> Outcome:
        if claimed.was_interrupted:
            measure.POSSIBLE_DUPLICATES.inc()
            log.warning("mail_may_be_a_duplicate", event_id=str(claimed.mail.event_id))
        outcome = await self._attempt(claimed, jitter)
        now = self._clock()
        await self._mails.record(claimed, outcome, now)
        measure.count(claimed, outcome, now)
        _tell(claimed, outcome)
        return outcome

    async def _attempt(self, claimed: ClaimedMail, jitter: float) -> Outcome:
        if claimed.mail.is_too_late(self._clock()):
            return GivenUp(code=None)
        try:
            attempt = await self._mailer.send(self._write(claimed))
            faults.reached("mail_accepted")
        except Unmailable:
            return Refused(code=None)
        except CannotUnseal:
            log.error("sealed_to_another_key", remedy="set SEALING_PRIVATE_KEY to match accounts")
            attempt = RelayFailed(code=None)
        return decide(
            attempt,
            attempts=claimed.attempts,
            requested_at=claimed.requested_at,
            now=self._clock(),
            jitter=jitter,
        )

    def _write(self, claimed: ClaimedMail) -> EmailMessage:
        mail = claimed.mail
        secret = (
            None if mail.sealed_secret is None else unseal_with_any(self._private_keys, mail.sealed_secret)
        )
        return compose(
            self._letters.write(mail, secret),
            sender=self._letterhead.sender,
            recipient=claimed.recipient,
            message_id=f"{mail.event_id}@{self._letterhead.host}",
            now=self._clock(),
        )


def _tell(claimed: ClaimedMail, outcome: Outcome) -> None:
    log.info(
        "mail_attempted",
        event_id=str(claimed.mail.event_id),
        account_id=claimed.mail.account_id,
        kind=claimed.mail.kind,
        outcome=type(outcome).__name__,
        attempts=claimed.attempts,
        code=None if isinstance(outcome, Sent) else outcome.code,
    )
