"""The whole process on a real broker, database and mail server."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from services.notifier.tests.notifier_process import Issued, issue_key, serving, settings
from services.notifier.tests.smtp_server import HOLD, Mailbox, smtp_server
from shared.bus.connection import connect
from shared.bus.publisher import Publisher
from tests.support.eventually import eventually
from tests.support.servers import DatabaseFactory, ServiceDatabase
from tests.support.tcp_proxy import TcpProxy

LEAVES_WITHIN_SECONDS = 2.0
AFTER_AN_OUTAGE_SECONDS = 15.0
MOMENT_SECONDS = 0.1


@pytest.fixture(scope="module")
async def schema(database: DatabaseFactory) -> ServiceDatabase:
    return await database("notifier")


async def publish(amqp_url: str, issued: Issued) -> None:
    connection = await connect(amqp_url, "test")
    assert len(await Publisher(connection).publish([issued.envelope])) == 1
    await connection.close()


async def arrival(mailbox: Mailbox, issued: Issued, within_seconds: float = LEAVES_WITHIN_SECONDS) -> None:
    async def has_arrived() -> bool:
        return [issued.email] in mailbox.recipients

    await eventually(has_arrived, within_seconds)


async def state_of(schema: ServiceDatabase, issued: Issued) -> str | None:
    connection = await asyncpg.connect(schema.url)
    try:
        state: str | None = await connection.fetchval(
            "SELECT state FROM mails WHERE event_id = $1", issued.envelope.id
        )
        return state
    finally:
        await connection.close()


@pytest.mark.timing
async def test_a_key_mail_leaves_within_two_seconds(schema: ServiceDatabase, amqp_url: str) -> None:
    issued = issue_key()
    async with (
        smtp_server() as mailbox,
        serving(settings(schema.url, amqp_url=amqp_url, smtp_port=mailbox.port)) as client,
    ):
        assert (await client.get("/ready")).json() == {"status": "ready"}
        await publish(amqp_url, issued)
        await arrival(mailbox, issued)


@pytest.mark.timing
async def test_a_recipient_whose_server_stalls_holds_back_nobody_else(
    schema: ServiceDatabase, amqp_url: str
) -> None:
    stalling, other = issue_key(), issue_key()
    async with (
        smtp_server() as mailbox,
        serving(settings(schema.url, amqp_url=amqp_url, smtp_port=mailbox.port)),
    ):
        mailbox.replies_to_rcpt.append(HOLD)
        await publish(amqp_url, stalling)
        await mailbox.is_holding.wait()
        await publish(amqp_url, other)
        await arrival(mailbox, other)
        mailbox.released.set()
        await arrival(mailbox, stalling)


async def test_a_stop_finishes_the_dialogue_in_progress(schema: ServiceDatabase, amqp_url: str) -> None:
    issued = issue_key()
    async with smtp_server() as mailbox, AsyncExitStack() as process:
        await process.enter_async_context(
            serving(settings(schema.url, amqp_url=amqp_url, smtp_port=mailbox.port))
        )
        mailbox.replies_to_data.append(HOLD)
        await publish(amqp_url, issued)
        await mailbox.is_holding.wait()
        stopping = asyncio.create_task(process.aclose())
        done, _ = await asyncio.wait([stopping], timeout=MOMENT_SECONDS)
        assert not done
        mailbox.released.set()
        await stopping
    assert await state_of(schema, issued) == "sent"


async def test_an_outage_of_the_database_delays_a_mail_and_loses_none(
    schema: ServiceDatabase, amqp_url: str
) -> None:
    issued = issue_key()
    async with (
        smtp_server() as mailbox,
        TcpProxy(schema.url) as line,
        serving(settings(line.url, amqp_url=amqp_url, smtp_port=mailbox.port)) as client,
    ):
        await line.cut()
        await publish(amqp_url, issued)
        assert (await client.get("/ready")).json()["missing"] == ["postgres"]
        await line.mend()
        await arrival(mailbox, issued, within_seconds=AFTER_AN_OUTAGE_SECONDS)


async def test_a_relay_that_is_away_is_named(schema: ServiceDatabase, amqp_url: str) -> None:
    async with smtp_server() as gone:
        pass
    async with serving(settings(schema.url, amqp_url=amqp_url, smtp_port=gone.port)) as client:
        reply = await client.get("/ready")
        assert (reply.status_code, reply.json()["missing"]) == (503, ["smtp"])


async def test_without_smtp_the_key_is_in_a_file(
    schema: ServiceDatabase, amqp_url: str, tmp_path: Path
) -> None:
    issued = issue_key()
    without_smtp = settings(
        schema.url, amqp_url=amqp_url, smtp_port=587, smtp_host="", smtp_from="", mail_dir=tmp_path
    )
    async with serving(without_smtp) as client:
        assert (await client.get("/ready")).json() == {"status": "ready"}
        await publish(amqp_url, issued)
        file = tmp_path / f"{issued.envelope.id}.eml"

        async def is_written() -> bool:
            return file.exists()

        await eventually(is_written, LEAVES_WITHIN_SECONDS)
        assert issued.key.encode() in file.read_bytes()
