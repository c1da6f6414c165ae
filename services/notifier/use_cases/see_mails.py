"""What the operator may see of the mails, and do: ask for one again that ended badly; and how long they are kept."""

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from services.notifier.adapters import mail_lists_postgres as lists
from shared.contracts.internal.notifier import MailSeen
from shared.errors import Kind, PromptlyError
from shared.ids import AccountId
from shared.postgres import Pool

KEEP = timedelta(days=90)
"""Mails that ended: long enough to answer "did it arrive?", and no longer, because they hold addresses."""

log = structlog.get_logger()


class UnknownMail(PromptlyError):
    """No mail has this id."""

    kind = Kind.NOT_FOUND
    code = "unknown_mail"


class NothingToSend(PromptlyError):
    """The mail is under way, was accepted, or its person or secret is erased."""

    kind = Kind.CONFLICT
    code = "nothing_to_send"


class SeeMails:
    """`wake` tells the deliveries that a mail is owed."""

    def __init__(self, pool: Pool, clock: Callable[[], datetime], *, wake: Callable[[], None]) -> None:
        self._pool = pool
        self._clock = clock
        self._wake = wake

    async def of_account(self, account_id: AccountId) -> list[MailSeen]:
        return await lists.list_of_account(self._pool, account_id)

    async def ended_badly(self) -> list[MailSeen]:
        return await lists.list_ended_badly(self._pool)

    async def resend(self, mail_id: UUID) -> None:
        """Raises UnknownMail, NothingToSend."""
        if not await lists.ask_again(self._pool, mail_id, self._clock()):
            if not await lists.is_known(self._pool, mail_id):
                raise UnknownMail("There is no such mail.")
            raise NothingToSend(
                "This mail is under way, has been accepted, or there is nothing left of it to send: "
                "for a key, issue a new one."
            )
        log.info("mail_asked_for_again", event_id=str(mail_id))
        self._wake()

    async def prune(self) -> int:
        """A bounded number; ask again until it is 0."""
        return await lists.prune(self._pool, self._clock(), keep=KEEP)
