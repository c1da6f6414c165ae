"""A connection to the relay serves several mails, and one that died costs none of them."""

from collections.abc import AsyncIterator

import pytest

from services.notifier.adapters import mailer_smtp
from services.notifier.adapters.mailer_smtp import SmtpMailer
from services.notifier.domain.delivery import Accepted, MailRefused, RelayFailed
from services.notifier.tests.smtp_server import HANG_UP, Mailbox, smtp_server
from services.notifier.tests.test_mailers import mailer, message
from tests.support.eventually import eventually


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with smtp_server() as mailbox:
        yield mailbox


@pytest.fixture
async def smtp(mailbox: Mailbox) -> AsyncIterator[SmtpMailer]:
    smtp = mailer(mailbox.port)
    yield smtp
    await smtp.close()


async def test_mails_in_a_row_share_a_connection(mailbox: Mailbox, smtp: SmtpMailer) -> None:
    for number in range(3):
        assert await smtp.send(message(f"{number}@example.com")) == Accepted()
    assert mailbox.recipients == [["0@example.com"], ["1@example.com"], ["2@example.com"]]
    assert len(mailbox.connections) == 1


async def test_after_a_refusal_the_connection_serves_the_next_mail(
    mailbox: Mailbox, smtp: SmtpMailer
) -> None:
    mailbox.replies_to_rcpt.append("550 5.1.1 no such user")
    assert await smtp.send(message("nobody@example.com")) == MailRefused(550)
    assert await smtp.send(message()) == Accepted()
    assert mailbox.recipients == [["ada@example.com"]]
    assert len(mailbox.connections) == 1


async def test_a_kept_connection_that_died_costs_no_mail(mailbox: Mailbox, smtp: SmtpMailer) -> None:
    assert await smtp.send(message()) == Accepted()
    mailbox.hang_up()
    assert await smtp.send(message()) == Accepted()
    assert len(mailbox.connections) == 2


async def test_a_dialogue_that_broke_is_not_continued(mailbox: Mailbox, smtp: SmtpMailer) -> None:
    mailbox.replies_to_data.append(HANG_UP)
    assert await smtp.send(message()) == RelayFailed(None)
    assert await smtp.send(message()) == Accepted()
    assert len(mailbox.connections) == 2


async def test_a_connection_ends_after_so_many_mails(
    mailbox: Mailbox, smtp: SmtpMailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer_smtp, "MAILS_PER_CONNECTION_MAX", 2)
    for _ in range(5):
        assert await smtp.send(message()) == Accepted()
    assert len(mailbox.connections) == 3


async def test_a_connection_that_nobody_needs_is_closed(
    mailbox: Mailbox, smtp: SmtpMailer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer_smtp, "KEPT_SECONDS", 0.05)
    assert await smtp.send(message()) == Accepted()

    async def is_closed() -> bool:
        return bool(mailbox.connections[0].is_closing())

    await eventually(is_closed, 2)
