"""What the operator's panel asks of the notifier, over internal HTTP, and what Prometheus reads."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from services.notifier.tests.notifier_process import Issued, issue_key, serving, settings
from services.notifier.tests.smtp_server import Mailbox, smtp_server
from shared.bus.connection import connect
from shared.bus.publisher import Publisher
from shared.contracts.internal.notifier import MailDoor, MailSeen, MailsReply
from tests.support.eventually import eventually
from tests.support.servers import DatabaseFactory, ServiceDatabase

INTERNAL = {"Authorization": "Bearer an-internal-token"}
WITHIN_SECONDS = 5.0


@pytest.fixture(scope="module")
async def schema(database: DatabaseFactory) -> ServiceDatabase:
    return await database("notifier")


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with smtp_server() as mailbox:
        yield mailbox


@pytest.fixture
async def client(
    schema: ServiceDatabase, amqp_url: str, mailbox: Mailbox
) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(settings(schema.url, amqp_url=amqp_url, smtp_port=mailbox.port)) as client:
        client.headers.update(INTERNAL)
        yield client


async def publish(amqp_url: str, *issued: Issued) -> None:
    connection = await connect(amqp_url, "test")
    assert len(await Publisher(connection).publish([each.envelope for each in issued])) == len(issued)
    await connection.close()


async def mails_of(client: httpx.AsyncClient, issued: Issued) -> list[MailSeen]:
    reply = await client.get(f"/internal/accounts/{issued.envelope.subject}/mails")
    return list(MailsReply.model_validate(reply.json()).mails)


async def until(client: httpx.AsyncClient, issued: Issued, state: str) -> None:
    async def has_come() -> bool:
        return [mail.state for mail in await mails_of(client, issued)] == [state]

    await eventually(has_come, WITHIN_SECONDS)


async def test_a_refused_mail_is_listed_sent_again_and_then_done(
    client: httpx.AsyncClient, mailbox: Mailbox, amqp_url: str
) -> None:
    issued = issue_key()
    mailbox.replies_to_rcpt.append(f"550 5.1.1 <{issued.email}> unknown")
    await publish(amqp_url, issued)
    await until(client, issued, "refused")
    listed = await client.get("/internal/mails/failed")
    assert issued.envelope.id.hex in listed.text.replace("-", "")
    assert issued.email not in listed.text
    [mail] = await mails_of(client, issued)
    resend = f"/internal/mails/{mail.mail_id}/resend"
    assert (await client.post(resend)).status_code == 202
    await until(client, issued, "sent")
    assert mailbox.recipients == [[issued.email]]
    again = await client.post(resend)
    assert (again.status_code, again.json()["error"]["code"]) == (409, "nothing_to_send")


async def test_an_unknown_mail_is_404_and_a_stranger_gets_nothing(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"/internal/mails/{uuid4()}/resend")).status_code == 404
    for path in ("/internal/mails/failed", "/internal/mail-door", "/internal/accounts/Ab3dE5gH/mails"):
        assert (await client.get(path, headers={"Authorization": "Bearer no"})).status_code == 403


async def test_metrics_count_what_waits_and_name_nobody(
    client: httpx.AsyncClient, mailbox: Mailbox, amqp_url: str
) -> None:
    issued = issue_key()
    mailbox.replies_to_rcpt.append("451 4.7.1 later")
    await publish(amqp_url, issued)

    async def was_put_off() -> bool:
        return [mail.last_reply for mail in await mails_of(client, issued)] == ["451"]

    await eventually(was_put_off, WITHIN_SECONDS)
    metrics = (await client.get("/metrics")).text
    assert 'promptly_notifier_mails{state="pending"} 1.0' in metrics
    assert 'promptly_notifier_attempts_total{kind="key_registered",outcome="retryat"}' in metrics
    assert issued.email not in metrics
    assert str(issued.envelope.subject) not in metrics


async def test_the_panel_hears_where_mails_go_and_what_is_wrong(
    schema: ServiceDatabase, amqp_url: str, tmp_path: Path
) -> None:
    async with AsyncExitStack() as stack:
        async with smtp_server() as gone:
            pass
        dead = settings(schema.url, amqp_url=amqp_url, smtp_port=gone.port)
        folder = settings(
            schema.url, amqp_url=amqp_url, smtp_port=587, smtp_host="", smtp_from="", mail_dir=tmp_path
        )
        doors = []
        for each in (dead, folder):
            client = await stack.enter_async_context(serving(each))
            reply = await client.get("/internal/mail-door", headers=INTERNAL)
            doors.append(MailDoor.model_validate(reply.json()))
    assert doors[0].goes_to == "smtp"
    assert "SMTP_HOST" in str(doors[0].fault)
    assert doors[1] == MailDoor(goes_to="folder")


async def test_a_dead_relay_holds_back_no_event_and_keeps_mails_in_the_table(
    schema: ServiceDatabase, amqp_url: str
) -> None:
    async with smtp_server() as gone:
        pass
    many = [issue_key() for _ in range(50)]
    async with serving(settings(schema.url, amqp_url=amqp_url, smtp_port=gone.port)) as client:
        client.headers.update(INTERNAL)
        await publish(amqp_url, *many)
        for issued in many:
            await until(client, issued, "waiting")
