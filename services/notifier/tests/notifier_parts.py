"""The notifier's parts without its loops, on a real database and mail server, under a clock of the test."""

import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.notifier.adapters.letters_jinja import Letters
from services.notifier.adapters.mailer_smtp import Relay, SmtpMailer
from services.notifier.adapters.mails_postgres import MailTable
from services.notifier.domain.letter import parse_sender
from services.notifier.domain.relay_faults import TlsMode
from services.notifier.entrypoints.events import Events
from services.notifier.tests.notifier_process import PRIVATE_KEY, Issued
from services.notifier.tests.smtp_server import HOST, Mailbox
from services.notifier.use_cases.deliver_mail import Letterhead, MailDelivery
from shared.contracts.envelope import Envelope
from shared.postgres import Pool


@dataclass
class Notifier:
    """`now` is what its clock says."""

    pool: Pool
    mailbox: Mailbox
    now: datetime

    async def receive(self, envelope: Envelope) -> None:
        events = Events(self.pool, private_keys=(PRIVATE_KEY,), wake=lambda: None)
        await events.handle(envelope)

    async def deliver(self, *, private_keys: Sequence[str] = (PRIVATE_KEY,)) -> bool:
        sender = parse_sender("keys@promptly.test", default_name="Promptly")
        relay = Relay(HOST, self.mailbox.port, TlsMode.NONE, own_name="promptly.test")
        mailer = SmtpMailer(relay, tls_context=ssl.create_default_context())
        delivery = MailDelivery(
            MailTable(self.pool),
            Letters("https://promptly.test"),
            mailer,
            letterhead=Letterhead(sender, "promptly.test"),
            private_keys=private_keys,
            clock=lambda: self.now,
        )
        try:
            return await delivery.deliver_next(jitter=0)
        finally:
            await mailer.close()

    async def row(self, issued: Issued) -> dict[str, Any]:
        row = await self.pool.fetchrow(
            "SELECT state, recipient, sealed_secret, attempts, last_code, sent_at FROM mails WHERE event_id = $1",
            issued.envelope.id,
        )
        assert row is not None
        return dict(row)

    async def count(self) -> int:
        count: int = await self.pool.fetchval("SELECT count(*) FROM mails")
        return count
