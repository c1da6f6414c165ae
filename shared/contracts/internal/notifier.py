"""What notifier answers to the others over internal HTTP, both ends from the same classes."""

from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.internal.message import Message

MAILS_PER_LIST_MAX = 100


class MailSeen(Message):
    """A mail's state. `state`: waiting, sending, sent, refused (5yz, or no address), given_up (after a day of trying).
    `last_reply`: the SMTP reply code of the last attempt, if there was a reply. No text of it, no secret, no address."""

    mail_id: str
    account_id: str
    kind: str
    state: str
    attempts: int
    last_reply: str | None
    created_at: AwareDatetime
    ended_at: AwareDatetime | None


class MailsReply(Message):
    """`GET /internal/accounts/{account_id}/mails`, and `GET /internal/mails/failed` (refused or given up): newest first,
    at most MAILS_PER_LIST_MAX. `POST /internal/mails/{mail_id}/resend`: 202; 404 unknown; 409 when there is nothing to
    send (it is under way, was accepted, or its person or secret is erased)."""

    mails: tuple[MailSeen, ...]


class MailDoor(Message):
    """`GET /internal/mail-door`: where mails go. With `folder` the operator has not set SMTP yet. `fault`: what is wrong
    with the way out now, with the remedy; None when it works."""

    goes_to: Literal["smtp", "folder"]
    fault: str | None = None
