"""What is wrong between us and the relay has a name and a remedy: at start, in readiness, and in `make mail-test`."""

import os
import sys
from asyncio import create_subprocess_exec
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from services.notifier.domain.relay_faults import RelayUnusable, Step, TlsMode
from services.notifier.tests.notifier_process import PRIVATE_KEY
from services.notifier.tests.smtp_server import (
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
from services.notifier.tests.test_mailers import SENDER, mailer
from services.notifier.use_cases import watch_door
from services.notifier.use_cases.watch_door import (
    FALSE_SECONDS,
    TRUE_SECONDS,
    UNKNOWN,
    MailDoorClosed,
    MailDoorWatch,
)
from tests.support.eventually import eventually

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


async def step_of_fault(mailbox: Mailbox, tls: TlsMode, **options: object) -> RelayUnusable:
    with pytest.raises(RelayUnusable) as caught:
        await mailer(mailbox.port, tls, **options).check(SENDER)  # type: ignore[arg-type]
    return caught.value


async def test_a_certificate_that_is_not_trusted_is_named(certificate: Certificate) -> None:
    async with smtp_server(tls_context=certificate.server) as mailbox:
        fault = await step_of_fault(mailbox, TlsMode.STARTTLS)
    assert fault.step is Step.CERTIFICATE
    async with smtp_server(implicit_tls=certificate.server) as mailbox:
        fault = await step_of_fault(mailbox, TlsMode.IMPLICIT)
    assert fault.step is Step.CERTIFICATE


async def test_a_relay_without_starttls_is_named() -> None:
    async with smtp_server() as mailbox:
        assert (await step_of_fault(mailbox, TlsMode.STARTTLS)).step is Step.STARTTLS


async def test_a_refused_login_is_named_with_its_settings(certificate: Certificate) -> None:
    async with smtp_server(
        tls_context=certificate.server, auth_required=True, authenticator=authenticator
    ) as mailbox:
        fault = await step_of_fault(
            mailbox, TlsMode.STARTTLS, context=certificate.believer, password=b"wrong"
        )
    assert (fault.step, fault.code) == (Step.LOGIN, 535)
    assert "SMTP_PASSWORD" in str(fault)
    assert "wrong" not in str(fault)


async def test_a_refused_sender_is_named() -> None:
    async with smtp_server() as mailbox:
        mailbox.replies_to_mail.append("553 5.7.1 not your address")
        fault = await step_of_fault(mailbox, TlsMode.NONE)
    assert (fault.step, fault.code) == (Step.SENDER, 553)


async def test_the_door_is_not_tried_again_with_every_question() -> None:
    now = 0.0
    async with smtp_server() as mailbox:
        door = MailDoorWatch(mailer(mailbox.port), SENDER, lambda: now)
        for _ in range(3):
            await door.probe()
        assert len(mailbox.connections) == 1
        now += TRUE_SECONDS
        mailbox.replies_to_mail.append("553 5.7.1 not your address")
        for _ in range(2):
            with pytest.raises(MailDoorClosed, match="SMTP_FROM"):
                await door.probe()
        assert len(mailbox.connections) == 2
        now += FALSE_SECONDS
        assert await door.fault() is None


async def test_a_silent_relay_keeps_nobody_waiting_who_asks_for_the_door(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_door, "PATIENCE_SECONDS", 0.05)
    now = 0.0
    async with smtp_server() as mailbox:
        door = MailDoorWatch(mailer(mailbox.port), SENDER, lambda: now)
        mailbox.replies_to_mail.append(HOLD)
        assert await door.fault() == UNKNOWN
        assert await door.fault() == UNKNOWN
        assert len(mailbox.connections) == 1
        assert await eventually(lambda: _named(door))


async def _named(door: MailDoorWatch) -> bool:
    return await door.fault() != UNKNOWN


async def mail_test(**settings: str) -> tuple[int, str]:
    needed = {
        "INTERNAL_TOKEN": "an-internal-token",
        "DATABASE_URL": "postgresql://unused@127.0.0.1/unused",
        "AMQP_URL": "amqp://unused@127.0.0.1/",
        "SEALING_PRIVATE_KEY": PRIVATE_KEY,
        "BASE_URL": "https://promptly.test",
    }
    path = {"PATH": os.environ["PATH"]}
    command = (sys.executable, "-m", "services.notifier", "mail-test", "ada@example.com")
    process = await create_subprocess_exec(
        *command, cwd=ROOT, env=path | needed | settings, stdout=PIPE, stderr=PIPE
    )
    output, errors = await process.communicate()
    assert process.returncode is not None
    return process.returncode, (output + errors).decode()


async def test_mail_test_sends_one_mail_and_says_how_far_it_came() -> None:
    async with smtp_server() as mailbox:
        code, told = await mail_test(
            SMTP_HOST=HOST,
            SMTP_PORT=str(mailbox.port),
            SMTP_FROM="keys@promptly.test",
            SITE_NAME="Ada's Models",
        )
    assert (code, len(mailbox.mails)) == (0, 1)
    assert mailbox.mails[0]["Subject"] == "A test mail from Ada's Models"
    assert "accepted for ada@example.com" in told


async def test_mail_test_names_the_remedy_and_fails() -> None:
    async with smtp_server(auth_require_tls=False, authenticator=authenticator) as mailbox:
        code, told = await mail_test(
            SMTP_HOST=HOST,
            SMTP_PORT=str(mailbox.port),
            SMTP_FROM="keys@promptly.test",
            SMTP_USER=USER.decode(),
            SMTP_PASSWORD="wrong",
        )
    assert (code, mailbox.mails) == (1, [])
    assert "check SMTP_USER and SMTP_PASSWORD" in told
    assert PASSWORD.decode() not in told


async def test_mail_test_says_that_a_recipient_is_refused() -> None:
    async with smtp_server() as mailbox:
        mailbox.replies_to_rcpt.append("550 5.1.1 no such user")
        code, told = await mail_test(
            SMTP_HOST=HOST, SMTP_PORT=str(mailbox.port), SMTP_FROM="keys@promptly.test"
        )
    assert code == 1
    assert "550" in told
