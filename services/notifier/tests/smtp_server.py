"""A real SMTP server for tests (aiosmtpd), which can be told to refuse, to keep silent and to hang up."""

import asyncio
import ssl
import subprocess
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult

HOST = "127.0.0.1"
HANG_UP = "hang up"
HOLD = "hold"
OK = "250 OK"
USER, PASSWORD = b"promptly", b"correct horse"


@dataclass
class Mailbox:
    """What arrived, and what to answer next: a reply line, HANG_UP, or HOLD until `released`; by default OK."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    replies_to_rcpt: deque[str] = field(default_factory=deque)
    replies_to_data: deque[str] = field(default_factory=deque)
    replies_to_mail: deque[str] = field(default_factory=deque)
    is_holding: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)
    tarpit_seconds: float = 0.0
    """Before each answer."""
    port: int = 0
    connections: list[Any] = field(default_factory=list)
    """All transports that were ever opened."""

    def hang_up(self) -> None:
        for transport in self.connections:
            transport.abort()

    async def handle_MAIL(  # noqa: N802
        self, server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        envelope.mail_from = address
        return await self._answer(server, self.replies_to_mail)

    async def handle_RCPT(  # noqa: N802
        self, server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        answer = await self._answer(server, self.replies_to_rcpt)
        if answer == OK:
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        """What is answered with HANG_UP was delivered all the same: that is what SMTP cannot rule out."""
        hangs_up = list(self.replies_to_data)[:1] == [HANG_UP]
        answer = await self._answer(server, self.replies_to_data)
        if hangs_up or answer == OK:
            self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
            self.recipients.append(list(envelope.rcpt_tos))
        return answer

    async def _answer(self, server: Any, replies: deque[str]) -> str:
        await asyncio.sleep(self.tarpit_seconds)
        reply = replies.popleft() if replies else OK
        if reply == HANG_UP:
            server.transport.abort()
        if reply == HOLD:
            self.is_holding.set()
            await self.released.wait()
            return OK
        return reply


@asynccontextmanager
async def smtp_server(
    *, implicit_tls: ssl.SSLContext | None = None, **options: Any
) -> AsyncIterator[Mailbox]:
    """On a free port, until the block ends."""
    mailbox = Mailbox()
    loop = asyncio.get_running_loop()

    class Counted(SMTP):
        def connection_made(self, transport: Any) -> None:
            mailbox.connections.append(transport)
            super().connection_made(transport)

    server = await loop.create_server(
        lambda: Counted(mailbox, hostname="relay.test", loop=loop, **options), HOST, 0, ssl=implicit_tls
    )
    mailbox.port = server.sockets[0].getsockname()[1]
    async with server:
        yield mailbox


def authenticator(*credentials: Any) -> AuthResult:
    login = credentials[-1]
    # handled=False: the server itself answers 535
    return AuthResult(success=(login.login, login.password) == (USER, PASSWORD), handled=False)


@dataclass(frozen=True)
class Certificate:
    """Self-signed for 127.0.0.1: bad for everybody who was not told to believe it."""

    server: ssl.SSLContext
    believer: ssl.SSLContext


def make_certificate(folder: Path) -> Certificate:
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subject = ("-subj", "/CN=relay.test", "-addext", f"subjectAltName=IP:{HOST}")
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    files = ("-keyout", str(key), "-out", str(certificate))
    subprocess.run(("openssl", "req", "-x509", *curve, *subject, *files), check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    return Certificate(server, ssl.create_default_context(cafile=str(certificate)))
