"""One SMTP dialogue per mail with one recipient, over aiosmtplib; every wait in it is bounded.

What a refusal means for the mail is decided in domain/delivery.py. Whatever happens after the relay took the
content (QUIT, the end of the connection) no longer says anything about the mail.
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from email.message import EmailMessage
from enum import StrEnum

import structlog
from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientRefused, SMTPResponseException

from services.notifier.domain.delivery import Accepted, Attempt, MailRefused, RelayFailed

COMMAND_TIMEOUT_SECONDS = 20.0
"""For the connection and for each reply: enough for a busy relay, little for a dead one."""
DIALOGUE_TIMEOUT_SECONDS = 60.0
"""For the whole of it, against a relay that answers each command just in time."""
QUIT_TIMEOUT_SECONDS = 2.0

log = structlog.get_logger()


class TlsMode(StrEnum):
    NONE = "none"
    STARTTLS = "starttls"
    IMPLICIT = "implicit"


@dataclass(frozen=True, slots=True)
class Relay:
    """The server that takes our mails: how to reach it, enter it, and who we say we are."""

    host: str
    port: int
    tls: TlsMode
    own_name: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


class SmtpMailer:
    """`tls_context` decides which certificates are believed."""

    def __init__(
        self, relay: Relay, *, tls_context: ssl.SSLContext, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
    ) -> None:
        self._relay = relay
        self._tls_context = tls_context
        self._timeout_seconds = timeout_seconds

    async def send(self, message: EmailMessage) -> Attempt:
        """Does not raise when the relay, the way to it or the recipient is the reason."""
        smtp = self._client(self._relay.user, self._relay.password)
        try:
            async with asyncio.timeout(DIALOGUE_TIMEOUT_SECONDS):
                await smtp.connect()
                await _hand_over(smtp, message)
        except (SMTPRecipientRefused, SMTPDataError) as error:
            return MailRefused(error.code)
        except (SMTPException, OSError) as error:
            code = error.code if isinstance(error, SMTPResponseException) else None
            log.warning("smtp_relay_failed", error=type(error).__name__, code=code)
            return RelayFailed(code)
        finally:
            await _leave(smtp)
        return Accepted()

    async def probe(self) -> None:
        """Raises unless the relay greets us, over TLS where that is set. Does not log in."""
        smtp = self._client(user=None, password=None)
        try:
            await smtp.connect()
        finally:
            await _leave(smtp)

    def _client(self, user: str | None, password: str | None) -> SMTP:
        return SMTP(
            hostname=self._relay.host,
            port=self._relay.port,
            username=user,
            password=password,
            local_hostname=self._relay.own_name,
            timeout=self._timeout_seconds,
            use_tls=self._relay.tls is TlsMode.IMPLICIT,
            start_tls=self._relay.tls is TlsMode.STARTTLS,
            tls_context=self._tls_context,
        )


async def _hand_over(smtp: SMTP, message: EmailMessage) -> None:
    """Command by command, so that each refusal is known for what it refuses."""
    await smtp.mail(message["From"].addresses[0].addr_spec)
    await smtp.rcpt(message["To"].addresses[0].addr_spec)
    await smtp.data(message.as_bytes())


async def _leave(smtp: SMTP) -> None:
    """Politely if that is quick."""
    with suppress(SMTPException, OSError):
        if smtp.is_connected:
            await smtp.quit(timeout=QUIT_TIMEOUT_SECONDS)
    smtp.close()
