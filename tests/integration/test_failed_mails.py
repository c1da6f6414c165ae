"""The operator's panel and the real notifier understand each other: failed mails, resend, where mails go.

Each side's own tests speak to a stand-in of the other, and so would not notice a path that only one of them knows.
"""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import asyncpg
import pytest
from pydantic import SecretStr

from services.accounts.adapters.mails_http import Mails
from services.notifier.app import build_app
from services.notifier.tests.notifier_process import settings
from shared.http.internal import InternalClient
from shared.ids import AccountId
from tests.support.in_process import loopback_socket, serving
from tests.support.servers import DatabaseFactory, ServiceDatabase

ACCOUNT = AccountId("Ab3dE5gH")


@pytest.fixture
async def schema(database: DatabaseFactory) -> ServiceDatabase:
    return await database("notifier")


@pytest.fixture
async def mails(schema: ServiceDatabase, amqp_url: str, tmp_path: Path) -> AsyncIterator[Mails]:
    """As accounts asks, of a notifier without a mail server."""
    no_relay = {"smtp_host": "", "smtp_from": "", "mail_dir": tmp_path}
    app = build_app(settings(schema.url, amqp_url=amqp_url, smtp_port=587, **no_relay))
    async with (
        serving(app, loopback_socket()) as url,
        InternalClient(url, (SecretStr("an-internal-token"),)) as client,
    ):
        yield Mails(client)


async def refuse_one(schema: ServiceDatabase) -> UUID:
    mail_id = uuid4()
    connection = await asyncpg.connect(schema.owner_url)
    await connection.execute(
        """
        INSERT INTO mails (event_id, account_id, recipient, kind, state, last_code, next_attempt_at, requested_at,
                           created_at)
        VALUES ($1, $2, 'ada@example.com', 'balance_exhausted', 'refused', 550, now(), now(), now())
        """,
        mail_id,
        ACCOUNT,
    )
    await connection.close()
    return mail_id


async def test_a_failed_mail_is_listed_for_the_operator_and_sent_again(
    mails: Mails, schema: ServiceDatabase
) -> None:
    assert await mails.list_refused() == ()
    mail_id = await refuse_one(schema)
    [listed] = await mails.list_refused()
    assert (listed.mail_id, listed.last_reply) == (str(mail_id), "550")
    await mails.resend(listed.mail_id)
    assert await mails.list_refused() == ()
    assert [each.mail_id for each in await mails.list_of(ACCOUNT)] == [str(mail_id)]


async def test_the_operator_hears_that_mails_go_to_a_folder(mails: Mails) -> None:
    assert await mails.go_to_a_folder()
    assert (await mails.door()).fault is None
