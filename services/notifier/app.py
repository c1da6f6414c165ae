"""The notifier put together: what it opens, what runs in it, and, in reverse, how it stops."""

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI

from services.notifier.adapters.letters_jinja import Letters
from services.notifier.adapters.mailer_directory import DirectoryMailer
from services.notifier.adapters.mailer_smtp import Relay, SmtpMailer
from services.notifier.adapters.mails_postgres import MailTable
from services.notifier.domain.letter import parse_sender
from services.notifier.entrypoints.deliveries import Deliveries
from services.notifier.entrypoints.events import Events
from services.notifier.entrypoints.housekeeping import keep_house
from services.notifier.entrypoints.internal import internal_routes
from services.notifier.settings import NotifierSettings
from services.notifier.use_cases import measure
from services.notifier.use_cases.deliver_mail import Letterhead, MailDelivery, Mailer
from services.notifier.use_cases.see_mails import SeeMails
from services.notifier.use_cases.watch_door import MailDoorWatch
from shared import postgres
from shared.background import Background
from shared.bus import connection as bus
from shared.bus.consumer import Consumer
from shared.bus.measure import read_queues
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.http.shell import Readiness, create_app
from shared.migrations import check_schema
from shared.postgres import Pool

SERVICE = "notifier"
MIGRATIONS = Path(__file__).parent / "migrations"


def build_app(settings: NotifierSettings) -> FastAPI:
    readiness = Readiness()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            pool = await postgres.open_pool(settings.database_url, service=SERVICE)
            stack.push_async_callback(pool.close)
            await check_schema(pool, MIGRATIONS)
            readiness.add("postgres", partial(postgres.answers, pool))
            mailer, letterhead = mailer_of(settings), letterhead_of(settings)
            stack.push_async_callback(mailer.close)
            door = MailDoorWatch(mailer, letterhead.sender, time.monotonic)
            readiness.add("smtp" if settings.smtp_host else "mail_dir", door.probe)
            deliveries = Deliveries(_delivery(settings, pool, mailer, letterhead))
            mails = SeeMails(pool, utc_now, wake=deliveries.wake)
            app.include_router(
                internal_routes(
                    mails, door, has_relay=bool(settings.smtp_host), tokens=settings.internal_token
                )
            )
            readiness.readings.add("mails", partial(measure.read_mails, pool))
            consumer = await _consumer(settings, stack, readiness, _events(settings, pool, deliveries))
            background = await stack.enter_async_context(Background())
            background.start("mail_door", door.run)
            background.start("deliveries", deliveries.run)
            background.start("housekeeping", partial(keep_house, pool, mails))
            background.start("consumer", consumer.run)
            yield

    return create_app(SERVICE, lifespan=lifespan, readiness=readiness)


def mailer_of(settings: NotifierSettings) -> Mailer:
    if not settings.smtp_host:
        assert settings.mail_dir is not None, "the settings saw to it"
        return DirectoryMailer(settings.mail_dir)
    relay = Relay(
        host=settings.smtp_host,
        port=settings.smtp_port,
        tls=settings.tls,
        own_name=letterhead_of(settings).sender.domain,
        user=settings.smtp_user or None,
        password=settings.smtp_password.get_secret_value() or None,
    )
    return SmtpMailer(relay, tls_context=ssl.create_default_context())


def letterhead_of(settings: NotifierSettings) -> Letterhead:
    host = urlsplit(settings.base_url).hostname or "localhost"
    sender = parse_sender(settings.smtp_from or f"noreply@{host}", default_name=settings.site_name)
    return Letterhead(sender, host)


def _delivery(settings: NotifierSettings, pool: Pool, mailer: Mailer, letterhead: Letterhead) -> MailDelivery:
    return MailDelivery(
        MailTable(pool),
        Letters(settings.base_url, settings.site_name),
        mailer,
        letterhead=letterhead,
        private_keys=_private_keys(settings),
    )


def _events(settings: NotifierSettings, pool: Pool, deliveries: Deliveries) -> Events:
    return Events(pool, private_keys=_private_keys(settings), wake=deliveries.wake)


def _private_keys(settings: NotifierSettings) -> list[str]:
    return [key.get_secret_value() for key in settings.sealing_private_key]


async def _consumer(
    settings: NotifierSettings, stack: AsyncExitStack, readiness: Readiness, events: Events
) -> Consumer:
    """Consuming and publishing (copies for retry) on a connection each, as shared.bus asks."""
    incoming = await bus.connect(settings.amqp_url, f"{SERVICE}-consumer")
    stack.push_async_callback(incoming.close)
    outgoing = await bus.connect(settings.amqp_url, f"{SERVICE}-publisher")
    stack.push_async_callback(outgoing.close)
    readiness.add("rabbitmq", partial(bus.answers, incoming))
    readiness.readings.add("queues", partial(read_queues, incoming, SERVICE))
    return Consumer(incoming, Publisher(outgoing), SERVICE, events.handle)
