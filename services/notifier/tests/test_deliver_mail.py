"""One mail's way through the table and a real SMTP server: what is sent, kept, erased and sent again."""

import logging
from collections.abc import AsyncIterator
from datetime import timedelta

import asyncpg
import pytest
import structlog

from services.notifier.adapters.mails_postgres import LEASE, MailTable
from services.notifier.domain.delivery import RetryAt, Sent
from services.notifier.tests.notifier_parts import Notifier
from services.notifier.tests.notifier_process import Issued, issue_key
from services.notifier.tests.smtp_server import HANG_UP, smtp_server
from shared.clock import utc_now
from shared.contracts.accounts import AccountDeleted
from shared.contracts.envelope import Envelope, wrap
from shared.postgres import Pool, open_pool
from shared.sealing import new_key_pair
from tests.support.servers import DatabaseFactory

THE_SERVERS_OWN = "mail.log"
"""aiosmtpd's logger."""
SOON = timedelta(seconds=40)
"""After the first pause, jitter and all."""


@pytest.fixture(scope="module")
async def pool(database: DatabaseFactory) -> AsyncIterator[Pool]:
    pool = await open_pool((await database("notifier")).url, service="notifier")
    yield pool
    await pool.close()


@pytest.fixture
async def notifier(pool: Pool) -> AsyncIterator[Notifier]:
    await pool.execute("DELETE FROM mails")
    async with smtp_server() as mailbox:
        yield Notifier(pool, mailbox, utc_now() + timedelta(seconds=1))


def deleted(issued: Issued) -> Envelope:
    account_id = str(issued.envelope.subject)
    return wrap(AccountDeleted(account_id=account_id), source="accounts", subject=account_id, now=utc_now())


async def test_an_issued_key_is_mailed_and_its_sealed_copy_erased(notifier: Notifier) -> None:
    issued = issue_key()
    await notifier.receive(issued.envelope)
    assert await notifier.deliver()
    [mail] = notifier.mailbox.mails
    assert issued.key in str(mail.get_body(("plain",)))
    assert mail["Message-ID"] == f"<{issued.envelope.id}@promptly.test>"
    assert notifier.mailbox.recipients == [[issued.email]]
    row = await notifier.row(issued)
    assert (row["state"], row["sealed_secret"], row["sent_at"]) == ("sent", None, notifier.now)
    assert not await notifier.deliver()


async def test_an_event_delivered_twice_is_one_mail(notifier: Notifier) -> None:
    issued = issue_key()
    await notifier.receive(issued.envelope)
    await notifier.receive(issued.envelope)
    assert await notifier.deliver()
    assert not await notifier.deliver()
    assert len(notifier.mailbox.mails) == 1


async def test_a_greylisted_mail_comes_again(notifier: Notifier) -> None:
    notifier.mailbox.replies_to_rcpt.append("451 4.7.1 come back later")
    issued = issue_key()
    await notifier.receive(issued.envelope)
    assert await notifier.deliver()
    assert not await notifier.deliver()
    row = await notifier.row(issued)
    assert (row["state"], row["last_code"], row["sealed_secret"] is None) == ("pending", 451, False)
    notifier.now += SOON
    assert await notifier.deliver()
    assert (await notifier.row(issued))["state"] == "sent"


async def test_a_refused_mail_is_never_tried_again(notifier: Notifier) -> None:
    notifier.mailbox.replies_to_rcpt.append("550 5.1.1 no such user")
    issued = issue_key()
    await notifier.receive(issued.envelope)
    assert await notifier.deliver()
    notifier.now += timedelta(days=2)
    assert not await notifier.deliver()
    row = await notifier.row(issued)
    assert (row["state"], row["last_code"]) == ("refused", 550)


async def test_a_mail_to_no_address_is_refused_without_a_dialogue(notifier: Notifier) -> None:
    issued = issue_key(email="nobody\r\nBcc: eve@example.com")
    await notifier.receive(issued.envelope)
    assert await notifier.deliver()
    row = await notifier.row(issued)
    assert (row["state"], row["last_code"], notifier.mailbox.mails) == ("refused", None, [])


async def test_a_relay_that_hangs_up_after_the_content_gets_the_same_mail_again(notifier: Notifier) -> None:
    notifier.mailbox.replies_to_data.append(HANG_UP)
    await notifier.receive(issue_key().envelope)
    assert await notifier.deliver()
    notifier.now += SOON
    assert await notifier.deliver()
    first, second = notifier.mailbox.mails
    assert first["Message-ID"] == second["Message-ID"]


async def test_a_mail_is_given_up_after_a_day(notifier: Notifier) -> None:
    issued = issue_key()
    await notifier.receive(issued.envelope)
    notifier.mailbox.replies_to_rcpt.extend(["451 4.7.1 later"] * 2)
    assert await notifier.deliver()
    notifier.now += timedelta(hours=24)
    assert await notifier.deliver()
    row = await notifier.row(issued)
    assert (row["state"], row["last_code"]) == ("given_up", 451)
    notifier.now += timedelta(days=1)
    assert not await notifier.deliver()


async def test_a_crash_while_sending_sends_again_when_the_lease_ends(notifier: Notifier) -> None:
    issued = issue_key()
    await notifier.receive(issued.envelope)
    assert await MailTable(notifier.pool).claim_due(notifier.now)  # and the process is gone
    assert (await notifier.row(issued))["state"] == "sending"
    assert not await notifier.deliver()
    notifier.now += LEASE
    with structlog.testing.capture_logs() as logs:
        assert await notifier.deliver()
    assert "mail_may_be_a_duplicate" in {entry["event"] for entry in logs}
    assert (await notifier.row(issued))["state"] == "sent"


async def test_an_outcome_that_comes_after_its_lease_changes_nothing(notifier: Notifier) -> None:
    table, issued = MailTable(notifier.pool), issue_key()
    await notifier.receive(issued.envelope)
    stalled = await table.claim_due(notifier.now)
    assert stalled is not None
    notifier.now += LEASE
    assert await notifier.deliver()
    await table.record(stalled, RetryAt(notifier.now, None), notifier.now)
    assert (await notifier.row(issued))["state"] == "sent"


async def test_an_acceptance_counts_however_late_it_is_told(notifier: Notifier) -> None:
    table, issued = MailTable(notifier.pool), issue_key()
    await notifier.receive(issued.envelope)
    stalled = await table.claim_due(notifier.now)
    assert stalled is not None
    notifier.now += LEASE
    assert await table.claim_due(notifier.now)
    await table.record(stalled, Sent(), notifier.now)
    assert (await notifier.row(issued))["sealed_secret"] is None


async def test_a_key_sealed_to_another_notifier_waits_for_the_right_private_key(notifier: Notifier) -> None:
    issued = issue_key()
    await notifier.receive(issued.envelope)
    _, wrong_private_key = new_key_pair()
    assert await notifier.deliver(private_keys=[wrong_private_key])
    assert (await notifier.row(issued))["state"] == "pending"
    notifier.now += SOON
    assert await notifier.deliver()
    assert (await notifier.row(issued))["state"] == "sent"


async def test_a_forgotten_account_is_owed_nothing_and_known_nowhere(notifier: Notifier) -> None:
    refused, mailed, owed = issue_key(), issue_key(), issue_key()
    notifier.mailbox.replies_to_rcpt.append("550 5.1.1 no such user")
    for ended in (refused, mailed):
        await notifier.receive(ended.envelope)
        assert await notifier.deliver()
    assert (await notifier.row(refused))["sealed_secret"]  # for who sends it again
    await notifier.receive(owed.envelope)
    for issued in (refused, mailed, owed):
        await notifier.receive(deleted(issued))
    assert not await notifier.deliver()
    for ended in (refused, mailed):
        row = await notifier.row(ended)
        assert (row["recipient"], row["sealed_secret"]) == (None, None)
    assert await notifier.count() == 2


async def test_a_mail_asked_for_after_its_account_was_forgotten_is_not_kept(notifier: Notifier) -> None:
    issued = issue_key()
    await notifier.receive(deleted(issued))
    await notifier.receive(issued.envelope)
    assert await notifier.count() == 0


async def test_neither_key_nor_address_reaches_the_logs(
    notifier: Notifier, caplog: pytest.LogCaptureFixture
) -> None:
    issued = issue_key()
    notifier.mailbox.replies_to_rcpt.extend([f"451 4.7.1 <{issued.email}> later"])
    with caplog.at_level(logging.DEBUG), structlog.testing.capture_logs() as logs:
        await notifier.receive(issued.envelope)
        assert await notifier.deliver()
        notifier.now += SOON
        assert await notifier.deliver()
    assert [entry["outcome"] for entry in logs if entry["event"] == "mail_attempted"] == ["RetryAt", "Sent"]
    told = repr(logs) + "".join(
        record.getMessage() for record in caplog.records if record.name != THE_SERVERS_OWN
    )
    assert issued.key not in told
    assert issued.email not in told


async def test_the_table_refuses_a_sent_mail_that_keeps_its_key(notifier: Notifier) -> None:
    await notifier.receive(issue_key().envelope)
    with pytest.raises(asyncpg.CheckViolationError, match="sent_mail_has_no_secret"):
        await notifier.pool.execute("UPDATE mails SET state = 'sent', sent_at = now()")
