"""What notifier answers to the others over internal HTTP, both ends from the same classes."""

from typing import Literal

from pydantic import AwareDatetime

from shared.contracts.internal.message import Message


class MailSeen(Message):
    """A mail's state. `state`: waiting, sending, sent, refused. No text of it, no secret."""

    mail_id: str
    account_id: str
    kind: str
    state: str
    attempts: int
    last_reply: str | None
    created_at: AwareDatetime
    ended_at: AwareDatetime | None


class MailsReply(Message):
    """`GET /internal/accounts/{account_id}/mails` and `GET /internal/mails?state=refused`: newest first, at most 100.
    `POST /internal/mails/{mail_id}/resend`: 202; 404 unknown; 409 when there is nothing left to send (its key is erased)."""

    mails: tuple[MailSeen, ...]


class MailDoor(Message):
    """`GET /internal/mail-door`: where mails go. With `folder` the operator has not set SMTP yet."""

    goes_to: Literal["smtp", "folder"]
