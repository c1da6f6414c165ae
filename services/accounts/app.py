"""The composition root of accounts: opens what it needs, wires the use cases, starts the loops."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import asyncpg
from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.staticfiles import StaticFiles

from services.accounts.adapters.key_desk_redis import KeyDesk, KeyLimits
from services.accounts.adapters.ledger_http import Ledger
from services.accounts.adapters.registration_limit_redis import RegistrationLimit
from services.accounts.domain.trials import TrialTerms
from services.accounts.entrypoints.dashboard import Dashboard
from services.accounts.entrypoints.error_pages import show_errors_as_pages
from services.accounts.entrypoints.internal import internal_routes
from services.accounts.entrypoints.landing import Landing
from services.accounts.entrypoints.pages import STATIC_FOLDER, Pages
from services.accounts.entrypoints.registration import Registration
from services.accounts.settings import AccountsSettings
from services.accounts.use_cases.identify import Identify
from services.accounts.use_cases.list_accounts import ListAccounts
from services.accounts.use_cases.mirror_keys import MirrorKeys
from services.accounts.use_cases.open_dashboard import OpenDashboard
from services.accounts.use_cases.refill_key import RefillKey
from services.accounts.use_cases.register import KeySecrets, Register
from shared import postgres, redis_client
from shared.background import Background
from shared.bus import connection as bus
from shared.bus.publisher import Publisher
from shared.http.internal import InternalClient
from shared.http.shell import Readiness, create_app
from shared.migrations import check_schema
from shared.outbox import OutboxRelay
from shared.postgres import Pool

SERVICE = "accounts"
MIGRATIONS = Path(__file__).parent / "migrations"
DATABASE_DOWN = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.InterfaceError,
)


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the use cases work with."""

    pool: Pool
    redis: Redis
    relay: OutboxRelay
    mirror: MirrorKeys
    ledger: Ledger


def build_app(settings: AccountsSettings) -> FastAPI:
    readiness, pages = Readiness(), Pages(settings.base_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            pool = await postgres.open_pool(settings.database_url, service=SERVICE)
            stack.push_async_callback(pool.close)
            await check_schema(pool, MIGRATIONS)
            redis = redis_client.open_redis(settings.redis_url)
            stack.push_async_callback(redis.aclose)
            readiness.add("postgres", partial(postgres.answers, pool))
            readiness.add("redis", partial(redis_client.answers, redis))
            relay = await _relay(settings, pool, readiness, stack)
            mirror = MirrorKeys(pool, KeyDesk(redis, _limits(settings)))
            await mirror.begin_anew()
            ledger = Ledger(
                await stack.enter_async_context(
                    InternalClient(settings.metering_url, settings.internal_token)
                )
            )
            _add_routes(app, settings, pages, _Opened(pool, redis, relay, mirror, ledger))
            background = await stack.enter_async_context(Background())
            background.start("outbox_relay", relay.run)
            background.start("key_mirror", mirror.run)
            yield

    app = create_app(SERVICE, lifespan=lifespan, readiness=readiness)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER))
    show_errors_as_pages(app, pages, dependency_down=DATABASE_DOWN)
    return app


async def _relay(
    settings: AccountsSettings, pool: Pool, readiness: Readiness, stack: AsyncExitStack
) -> OutboxRelay:
    connection = await bus.connect(settings.amqp_url, f"{SERVICE}-publisher")
    stack.push_async_callback(connection.close)
    readiness.add("rabbitmq", partial(bus.answers, connection))
    return OutboxRelay(pool, Publisher(connection))


def _limits(settings: AccountsSettings) -> KeyLimits:
    return KeyLimits(
        requests_per_minute=settings.inference_user_rate_limit,
        requests_concurrent=settings.inference_concurrency_limit,
    )


def _add_routes(app: FastAPI, settings: AccountsSettings, pages: Pages, opened: _Opened) -> None:
    pepper = settings.key_pepper.get_secret_value().encode()
    trial_terms = TrialTerms(settings.trial_tokens, settings.trial_expiry_days)
    register = Register(
        opened.pool,
        RegistrationLimit(opened.redis, settings.registration_rate_limit),
        opened.mirror,
        opened.relay,
        KeySecrets(pepper, settings.sealing_public_key),
        trial_terms,
    )
    identify = Identify(opened.pool, pepper)
    open_dashboard = OpenDashboard(identify, opened.ledger)
    app.router.routes += [
        *Landing(pages, trial_terms).routes(),
        *Registration(pages, register, settings.trusted_proxies).routes(),
        *Dashboard(pages, open_dashboard).routes(),
    ]
    app.include_router(
        internal_routes(
            RefillKey(opened.pool, opened.mirror.desk),
            identify,
            ListAccounts(opened.pool),
            settings.internal_token,
        )
    )
