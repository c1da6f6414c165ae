"""The notifier put together: what it opens, what runs in it, and, in reverse, how it stops."""

import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI

from services.notifier.adapters.letters_jinja import SITE_NAME, Letters
from services.notifier.adapters.mailer_directory import DirectoryMailer
from services.notifier.adapters.mailer_smtp import Relay, SmtpMailer
from services.notifier.adapters.mails_postgres import MailTable
from services.notifier.domain.letter import parse_sender
from services.notifier.entrypoints.deliveries import Deliveries
from services.notifier.entrypoints.events import Events
from services.notifier.settings import NotifierSettings
from services.notifier.use_cases.deliver_mail import Letterhead, MailDelivery, Mailer
from shared import postgres
from shared.background import Background
from shared.bus import connection as bus
from shared.bus.consumer import Consumer
from shared.bus.publisher import Publisher
from shared.http.shell import Readiness, create_app
from shared.migrations import check_schema
from shared.postgres import Pool

SERVICE = "notifier"
MIGRATIONS = Path(__file__).parent / "migrations"


def build_app(settings: NotifierSettings) -> FastAPI:
    readiness = Readiness()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            pool = await postgres.open_pool(settings.database_url, service=SERVICE)
            stack.push_async_callback(pool.close)
            await check_schema(pool, MIGRATIONS)
            readiness.add("postgres", partial(postgres.answers, pool))
            deliveries = Deliveries(_delivery(settings, pool, readiness))
            consumer = await _consumer(settings, stack, readiness, Events(pool, wake=deliveries.wake))
            background = await stack.enter_async_context(Background())
            background.start("deliveries", deliveries.run)
            background.start("consumer", consumer.run)
            yield

    return create_app(SERVICE, lifespan=lifespan, readiness=readiness)


def _delivery(settings: NotifierSettings, pool: Pool, readiness: Readiness) -> MailDelivery:
    host = urlsplit(settings.base_url).hostname or "localhost"
    sender = parse_sender(settings.smtp_from or f"noreply@{host}", default_name=SITE_NAME)
    mailer: Mailer
    if settings.smtp_host:
        mailer = SmtpMailer(
            _relay(settings, own_name=sender.domain), tls_context=ssl.create_default_context()
        )
        readiness.add("smtp", mailer.probe)
    else:
        assert settings.mail_dir is not None, "the settings saw to it"
        mailer = DirectoryMailer(settings.mail_dir)
        readiness.add("mail_dir", mailer.probe)
    return MailDelivery(
        MailTable(pool),
        Letters(settings.base_url),
        mailer,
        letterhead=Letterhead(sender, host),
        private_key=settings.sealing_private_key.get_secret_value(),
    )


def _relay(settings: NotifierSettings, *, own_name: str) -> Relay:
    return Relay(
        host=settings.smtp_host,
        port=settings.smtp_port,
        tls=settings.tls,
        own_name=own_name,
        user=settings.smtp_user or None,
        password=settings.smtp_password.get_secret_value() or None,
    )


async def _consumer(
    settings: NotifierSettings, stack: AsyncExitStack, readiness: Readiness, events: Events
) -> Consumer:
    """Consuming and publishing (copies for retry) on a connection each, as shared.bus asks."""
    incoming = await bus.connect(settings.amqp_url, f"{SERVICE}-consumer")
    stack.push_async_callback(incoming.close)
    outgoing = await bus.connect(settings.amqp_url, f"{SERVICE}-publisher")
    stack.push_async_callback(outgoing.close)
    readiness.add("rabbitmq", partial(bus.answers, incoming))
    return Consumer(incoming, Publisher(outgoing), SERVICE, events.handle)
