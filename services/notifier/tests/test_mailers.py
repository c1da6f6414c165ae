"""Handing a mail over, to real SMTP servers of every temper and to a folder."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest

from services.notifier.adapters import mailer_smtp
from services.notifier.adapters.mailer_directory import DirectoryMailer
from services.notifier.adapters.mailer_smtp import Relay, SmtpMailer
from services.notifier.domain.delivery import Accepted, MailRefused, RelayFailed
from services.notifier.domain.letter import Letter, compose, parse_sender
from services.notifier.domain.relay_faults import RelayUnusable, TlsMode
from services.notifier.tests.smtp_server import (
    HANG_UP,
    HOLD,
    HOST,
    PASSWORD,
    USER,
    Certificate,
    Mailbox,
    authenticator,
    make_certificate,
    smtp_server,
)

TIMEOUT_SECONDS = 0.3
SENDER = parse_sender("keys@promptly.test", default_name="Promptly")


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with smtp_server() as mailbox:
        yield mailbox


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


def message(recipient: str = "ada@example.com") -> EmailMessage:
    return compose(
        Letter("Hello", "Hello\n", "<p>Hello</p>"),
        sender=SENDER,
        recipient=recipient,
        message_id="1@promptly.test",
        now=datetime(2026, 11, 23, 12, tzinfo=UTC),
    )


def mailer(
    port: int,
    tls: TlsMode = TlsMode.NONE,
    *,
    context: ssl.SSLContext | None = None,
    password: bytes | None = None,
) -> SmtpMailer:
    relay = Relay(
        HOST,
        port,
        tls,
        own_name="promptly.test",
        user=USER.decode() if password else None,
        password=password.decode() if password else None,
    )
    return SmtpMailer(
        relay, tls_context=context or ssl.create_default_context(), timeout_seconds=TIMEOUT_SECONDS
    )


def files_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_an_accepted_mail_reaches_its_one_recipient(mailbox: Mailbox) -> None:
    assert await mailer(mailbox.port).send(message()) == Accepted()
    assert mailbox.recipients == [["ada@example.com"]]
    assert mailbox.mails[0]["Subject"] == "Hello"


@pytest.mark.parametrize("reply", ["550 5.1.1 no such user", "451 4.7.1 greylisted"])
async def test_a_refused_recipient_is_known_by_its_code(mailbox: Mailbox, reply: str) -> None:
    mailbox.replies_to_rcpt.append(reply)
    assert await mailer(mailbox.port).send(message()) == MailRefused(int(reply[:3]))
    assert mailbox.mails == []


@pytest.mark.parametrize("reply", ["554 5.7.1 looks like spam", "452 4.3.1 disk full"])
async def test_refused_content_is_known_by_its_code(mailbox: Mailbox, reply: str) -> None:
    mailbox.replies_to_data.append(reply)
    assert await mailer(mailbox.port).send(message()) == MailRefused(int(reply[:3]))


async def test_a_refused_sender_is_the_relays_word_about_us(mailbox: Mailbox) -> None:
    mailbox.replies_to_mail.append("553 5.7.1 not your address")
    assert await mailer(mailbox.port).send(message()) == RelayFailed(553)


async def test_a_connection_that_ends_after_the_content_counts_as_not_sent(mailbox: Mailbox) -> None:
    mailbox.replies_to_data.append(HANG_UP)
    assert await mailer(mailbox.port).send(message()) == RelayFailed(None)


async def test_silence_ends_in_time(mailbox: Mailbox) -> None:
    mailbox.replies_to_rcpt.append(HOLD)
    assert await mailer(mailbox.port).send(message()) == RelayFailed(None)


async def test_a_tarpit_that_answers_just_in_time_ends_in_time(
    mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailer_smtp, "DIALOGUE_TIMEOUT_SECONDS", 1.4 * TIMEOUT_SECONDS)
    mailbox.tarpit_seconds = 0.8 * TIMEOUT_SECONDS
    assert await mailer(mailbox.port).send(message()) == RelayFailed(None)
    assert mailbox.mails == []


async def test_a_closed_port_is_no_error_of_the_mail() -> None:
    async with smtp_server() as gone:
        pass
    assert await mailer(gone.port).send(message()) == RelayFailed(None)
    with pytest.raises(RelayUnusable, match="SMTP_HOST, SMTP_PORT"):
        await mailer(gone.port).check(SENDER)


async def test_starttls_is_used_and_the_password_told(certificate: Certificate) -> None:
    async with smtp_server(
        tls_context=certificate.server, auth_required=True, authenticator=authenticator
    ) as mailbox:
        starttls = mailer(mailbox.port, TlsMode.STARTTLS, context=certificate.believer, password=PASSWORD)
        assert await starttls.send(message()) == Accepted()
        await starttls.check(SENDER)
    assert len(mailbox.mails) == 1


async def test_a_wrong_password_is_not_the_mails_fault(certificate: Certificate) -> None:
    async with smtp_server(
        tls_context=certificate.server, auth_required=True, authenticator=authenticator
    ) as mailbox:
        starttls = mailer(mailbox.port, TlsMode.STARTTLS, context=certificate.believer, password=b"wrong")
        assert isinstance(await starttls.send(message()), RelayFailed)
    assert mailbox.mails == []


async def test_a_certificate_that_nobody_vouches_for_gets_no_mail(certificate: Certificate) -> None:
    async with smtp_server(tls_context=certificate.server) as mailbox:
        assert await mailer(mailbox.port, TlsMode.STARTTLS).send(message()) == RelayFailed(None)
    assert mailbox.mails == []


async def test_required_starttls_is_never_left_out(mailbox: Mailbox) -> None:
    assert await mailer(mailbox.port, TlsMode.STARTTLS).send(message()) == RelayFailed(None)
    assert mailbox.mails == []


async def test_implicit_tls_begins_with_the_connection(certificate: Certificate) -> None:
    async with smtp_server(implicit_tls=certificate.server) as mailbox:
        implicit = mailer(mailbox.port, TlsMode.IMPLICIT, context=certificate.believer)
        assert await implicit.send(message()) == Accepted()


async def test_without_a_relay_a_mail_is_a_file_for_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    assert await DirectoryMailer(folder).send(message()) == Accepted()
    [file] = files_in(folder)
    assert file.name == "1.eml"
    assert message_from_bytes(file.read_bytes(), policy=policy.default)["Subject"] == "Hello"
    assert file.stat().st_mode & 0o077 == 0


async def test_a_repeated_mail_replaces_its_file(tmp_path: Path) -> None:
    for _ in range(2):
        assert await DirectoryMailer(tmp_path).send(message()) == Accepted()
    assert len(files_in(tmp_path)) == 1


async def test_a_folder_that_cannot_be_written_is_no_error_of_the_mail(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    impossible = DirectoryMailer(tmp_path / "file" / "mail")
    assert await impossible.send(message()) == RelayFailed(None)
    with pytest.raises(OSError):
        await impossible.check(SENDER)
