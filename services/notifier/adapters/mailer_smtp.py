"""SMTP dialogues, one mail with one recipient each, over aiosmtplib; every wait in them is bounded.

A connection that has done its work is kept for a moment and used again after RSET, which also shows that it still
lives: nothing of a mail has been said by then. What a refusal means for the mail is decided in domain/delivery.py.
Whatever happens after the relay took the content no longer says anything about the mail.
"""

import asyncio
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage

import structlog
from aiosmtplib import SMTP, SMTPDataError, SMTPException, SMTPRecipientRefused, SMTPResponseException

from services.notifier.domain.delivery import Accepted, Attempt, MailRefused, RelayFailed
from services.notifier.domain.relay_faults import RelayUnusable, Step, TlsMode

COMMAND_TIMEOUT_SECONDS = 20.0
"""For the connection and for each reply: enough for a busy relay, little for a dead one."""
DIALOGUE_TIMEOUT_SECONDS = 60.0
"""For the whole of it, against a relay that answers each command just in time."""
QUIT_TIMEOUT_SECONDS = 2.0
KEPT_SECONDS = 15.0
"""Longer than the pauses inside a burst, shorter than any relay's patience (RFC 5321: five minutes)."""
KEPT_MAX = 4
"""As many as dialogues at once (entrypoints/deliveries.py)."""
MAILS_PER_CONNECTION_MAX = 50
"""Relays count them, and some answer 4yz after a hundred."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Relay:
    """The server that takes our mails: how to reach it, enter it, and who we say we are."""

    host: str
    port: int
    tls: TlsMode
    own_name: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class Line:
    """An open connection. `mails` were handed over through it."""

    smtp: SMTP
    mails: int = 0


class SmtpMailer:
    """`tls_context` decides which certificates are believed."""

    def __init__(
        self, relay: Relay, *, tls_context: ssl.SSLContext, timeout_seconds: float = COMMAND_TIMEOUT_SECONDS
    ) -> None:
        self._relay = relay
        self._tls_context = tls_context
        self._timeout_seconds = timeout_seconds
        self._kept: list[Line] = []

    async def send(self, message: EmailMessage) -> Attempt:
        """Does not raise when the relay, the way to it or the recipient is the reason."""
        line: Line | None = None
        try:
            async with asyncio.timeout(DIALOGUE_TIMEOUT_SECONDS):
                line = await self._kept_line() or await self._new_line()
                await _hand_over(line.smtp, message)
        except (SMTPRecipientRefused, SMTPDataError) as error:
            self._keep(line)
            return MailRefused(error.code)
        except (RelayUnusable, SMTPException, OSError) as error:
            fault = error if isinstance(error, RelayUnusable) else _fault(Step.CONTENT, error)
            log.warning("smtp_relay_failed", step=fault.step, code=fault.code, remedy=fault.remedy)
            await _leave(line)
            return RelayFailed(fault.code)
        except BaseException:
            await _leave(line)
            raise
        line.mails += 1
        self._keep(line)
        return Accepted()

    async def check(self, sender: Address) -> None:
        """Goes as far as a mail would, without one. Raises RelayUnusable, which names the step and the remedy."""
        line: Line | None = None
        try:
            with _at(Step.CONNECT):
                async with asyncio.timeout(DIALOGUE_TIMEOUT_SECONDS):
                    line = await self._new_line()
                    with _at(Step.SENDER):
                        await line.smtp.mail(sender.addr_spec)
        finally:
            await _leave(line)

    async def close(self) -> None:
        while self._kept:
            await _leave(self._kept.pop())

    async def _kept_line(self) -> Line | None:
        """One that still answers; those that do not are forgotten."""
        while self._kept:
            line = self._kept.pop()
            try:
                await line.smtp.rset()
            except (SMTPException, OSError):
                line.smtp.close()
            except BaseException:
                line.smtp.close()
                raise
            else:
                return line
        return None

    async def _new_line(self) -> Line:
        """Connected, secured and logged in. Raises RelayUnusable."""
        relay = self._relay
        smtp = SMTP(
            hostname=relay.host,
            port=relay.port,
            local_hostname=relay.own_name,
            timeout=self._timeout_seconds,
            use_tls=relay.tls is TlsMode.IMPLICIT,
            start_tls=False,  # a step of its own, so that its failure has a name
            tls_context=self._tls_context,
        )
        try:
            with _at(Step.CONNECT):
                await smtp.connect()
            if relay.tls is TlsMode.STARTTLS:
                with _at(Step.STARTTLS):
                    await smtp.starttls(tls_context=self._tls_context)
            if relay.user and relay.password:
                with _at(Step.LOGIN):
                    await smtp.login(relay.user, relay.password)
        except BaseException:
            smtp.close()
            raise
        return Line(smtp)

    def _keep(self, line: Line | None) -> None:
        if line is None:
            return
        if line.mails >= MAILS_PER_CONNECTION_MAX or len(self._kept) >= KEPT_MAX:
            line.smtp.close()
            return
        self._kept.append(line)
        asyncio.get_running_loop().call_later(KEPT_SECONDS, self._forget, line, line.mails)

    def _forget(self, line: Line, mails: int) -> None:
        """Unless it was used again since."""
        if line in self._kept and line.mails == mails:
            self._kept.remove(line)
            line.smtp.close()


async def _hand_over(smtp: SMTP, message: EmailMessage) -> None:
    """Command by command, so that each refusal is known for what it refuses."""
    with _at(Step.SENDER):
        await smtp.mail(message["From"].addresses[0].addr_spec)
    await smtp.rcpt(message["To"].addresses[0].addr_spec)
    await smtp.data(message.as_bytes())


@contextmanager
def _at(step: Step) -> Iterator[None]:
    """What goes wrong inside went wrong at this step."""
    try:
        yield
    except (SMTPException, OSError) as error:
        raise _fault(step, error) from error


def _fault(step: Step, error: Exception) -> RelayUnusable:
    if isinstance(error, RelayUnusable):
        return error
    code = error.code if isinstance(error, SMTPResponseException) else None
    if isinstance(error, ssl.SSLError) or isinstance(error.__cause__, ssl.SSLError):
        return RelayUnusable(Step.CERTIFICATE, code)
    return RelayUnusable(step, code)


async def _leave(line: Line | None) -> None:
    """Politely if that is quick."""
    if line is None:
        return
    with suppress(SMTPException, OSError):
        if line.smtp.is_connected:
            await line.smtp.quit(timeout=QUIT_TIMEOUT_SECONDS)
    line.smtp.close()
