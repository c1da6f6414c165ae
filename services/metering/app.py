"""The composition root: what metering is made of, and in which order it starts and stops."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from redis.asyncio import Redis

from services.metering.adapters.signing_key_nacl import SigningKey
from services.metering.domain.batches import Gap
from services.metering.entrypoints.account_routes import account_routes
from services.metering.entrypoints.changes import changes_routes
from services.metering.entrypoints.events import event_handler
from services.metering.entrypoints.internal import internal_routes
from services.metering.entrypoints.ledger_routes import ledger_routes
from services.metering.entrypoints.schedules import Schedule
from services.metering.entrypoints.usage_routes import usage_routes
from services.metering.settings import MeteringSettings
from services.metering.use_cases import measure
from services.metering.use_cases.adjust_balance import give_up_stuck_lowerings
from services.metering.use_cases.announce_balances import announce_balances
from services.metering.use_cases.audit.keep_auditing import ScheduledAudit
from services.metering.use_cases.audit.run_audit import Sources
from services.metering.use_cases.collect_debts import collect_debts
from services.metering.use_cases.expire_grants import expire_grants
from services.metering.use_cases.follow_batches import follow_batches
from services.metering.use_cases.give_up_batches import give_up_batches
from services.metering.use_cases.keep_house import keep_house
from services.metering.use_cases.mirror_accounts import mirror_changed_accounts
from services.metering.use_cases.read_receipts import Receipts
from services.metering.use_cases.sum_up_accounts import Summaries
from services.metering.use_cases.sweep_stale_holds import sweep_stale_holds
from shared import postgres, redis_client
from shared.background import Background
from shared.bus import connection as bus
from shared.bus.consumer import Consumer
from shared.bus.measure import read_queues
from shared.bus.publisher import Publisher
from shared.clock import utc_now
from shared.http.internal import InternalClient
from shared.http.shell import Readiness, create_app
from shared.migrations import check_schema
from shared.outbox import OutboxRelay, read_outbox
from shared.postgres import Pool

SERVICE = "metering"
MIGRATIONS = Path(__file__).parent / "migrations"
MIRROR_EVERY_SECONDS = 0.5
"""Each commit is mirrored at once; this is for what failed, for another replica's crash in between, and for what
an operator writes in SQL (operator.credit), which is to be in Redis within a second."""
MIRROR_REST_SECONDS = 0.2
"""Under load one pass carries what many commits changed; without it, mirroring would take the time of posting."""
COLLECT_EVERY_SECONDS = 1.0
EXPIRE_EVERY_SECONDS = 5.0
GIVE_UP_EVERY_SECONDS = 10.0
ANNOUNCE_EVERY_SECONDS = 2.0
SWEEP_EVERY_SECONDS = 5.0
FOLLOW_EVERY_SECONDS = 1.0
MESSAGES_IN_HAND_MAX = 64
"""Several batches of usage, however small the messages are; of the largest, 12 MB."""
KEEP_HOUSE_EVERY_SECONDS = 3600.0
SUM_UP_EVERY_SECONDS = 2.0
AUDIT_IS_DUE_EVERY_SECONDS = 30.0
"""How often it is looked whether an audit is due, and what the last one said."""


def build_app(settings: MeteringSettings) -> FastAPI:
    readiness = Readiness()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            pool = await postgres.open_pool(settings.database_url, service=SERVICE)
            stack.push_async_callback(pool.close)
            await check_schema(pool, MIGRATIONS)
            redis = redis_client.open_redis(settings.redis_url)
            stack.push_async_callback(redis.aclose)
            consuming = await bus.connect(settings.amqp_url, f"{SERVICE}-consumer")
            stack.push_async_callback(consuming.close)
            publishing = await bus.connect(settings.amqp_url, f"{SERVICE}-publisher")
            stack.push_async_callback(publishing.close)
            readiness.add("postgres", partial(postgres.answers, pool))
            readiness.add("redis", partial(redis_client.answers, redis))
            readiness.add("rabbitmq", partial(bus.answers, consuming))
            readiness.readings.add("queues", partial(read_queues, consuming, SERVICE))
            readiness.readings.add("outbox", partial(read_outbox, pool))
            receipts = Receipts(pool, _signing_key(settings))
            app.include_router(internal_routes(pool, redis, settings.internal_token))
            app.include_router(usage_routes(pool, receipts, settings.internal_token))
            app.include_router(ledger_routes(pool, settings.internal_token))
            app.include_router(account_routes(pool, settings.internal_token))
            mirror = _mirror(pool, redis)
            changes = changes_routes(pool, redis, settings.internal_token, on_commit=mirror.kick)
            app.include_router(changes)
            background = await stack.enter_async_context(Background())
            publisher = Publisher(publishing)
            background.start("outbox_relay", OutboxRelay(pool, publisher).run)
            for schedule in _changes_by_themselves(settings, pool, redis):
                background.start(schedule.name, schedule.run)
            _start(background, settings, pool, redis, consuming, publisher, mirror)
            background.start("audit", (await _audit_schedule(stack, settings, pool, redis)).run)
            yield

    return create_app(SERVICE, lifespan=lifespan, readiness=readiness)


@asynccontextmanager
async def audit_sources(settings: MeteringSettings) -> AsyncIterator[Sources]:
    """For an audit by a process of its own. Raises SchemaMismatch."""
    async with AsyncExitStack() as stack:
        pool = await postgres.open_pool(settings.database_url, service=f"{SERVICE}-audit")
        stack.push_async_callback(pool.close)
        await check_schema(pool, MIGRATIONS)
        redis = redis_client.open_redis(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        yield await _sources(stack, settings, pool, redis)


async def give_up_missing(settings: MeteringSettings) -> list[Gap]:
    """Beside the running service."""
    pool = await postgres.open_pool(settings.database_url, service=f"{SERVICE}-give-up")
    try:
        return await give_up_batches(pool, utc_now())
    finally:
        await pool.close()


async def _sources(stack: AsyncExitStack, settings: MeteringSettings, pool: Pool, redis: Redis) -> Sources:
    accounts, billing = [
        await stack.enter_async_context(InternalClient(url, settings.internal_token))
        for url in (settings.accounts_url, settings.billing_url)
    ]
    return Sources(
        pool,
        redis,
        settings.amqp_url,
        accounts,
        billing,
        settings.llama_base_url,
        settings.llama_api_key.get_secret_value(),
    )


async def _audit_schedule(
    stack: AsyncExitStack, settings: MeteringSettings, pool: Pool, redis: Redis
) -> Schedule:
    every = timedelta(seconds=settings.audit_every_seconds)
    sources = await _sources(stack, settings, pool, redis)
    audit = ScheduledAudit(sources, every=every, started_at=utc_now())
    look_every_seconds = min(AUDIT_IS_DUE_EVERY_SECONDS, settings.audit_every_seconds)
    return Schedule("audit", audit.tick, every_seconds=look_every_seconds)


def _start(
    background: Background,
    settings: MeteringSettings,
    pool: Pool,
    redis: Redis,
    consuming: bus.Connection,
    publisher: Publisher,
    mirror: Schedule,
) -> None:
    """Stopped in reverse: first no more messages, then the mirror of what they changed."""
    sweep = Schedule("sweep", partial(sweep_stale_holds, redis), every_seconds=SWEEP_EVERY_SECONDS)
    batches = Schedule("batches", partial(_follow_batches, pool, redis), every_seconds=FOLLOW_EVERY_SECONDS)
    house = Schedule(
        "house",
        partial(_keep_house, pool, settings.usage_retention),
        every_seconds=KEEP_HOUSE_EVERY_SECONDS,
    )
    handle = event_handler(pool, usage_retention=settings.usage_retention, on_commit=mirror.kick)
    consumer = Consumer(consuming, publisher, SERVICE, handle, prefetch=MESSAGES_IN_HAND_MAX)
    summaries = Schedule("summaries", Summaries(pool).renew, every_seconds=SUM_UP_EVERY_SECONDS)
    background.start("mirror", mirror.run)
    background.start("sweep", sweep.run)
    background.start("batches", batches.run)
    background.start("summaries", summaries.run)
    background.start("house", house.run)
    background.start("consumer", consumer.run)


def _mirror(pool: Pool, redis: Redis) -> Schedule:
    return Schedule(
        "mirror",
        partial(mirror_changed_accounts, pool, redis),
        every_seconds=MIRROR_EVERY_SECONDS,
        rest_seconds=MIRROR_REST_SECONDS,
        observe_lag=measure.MIRROR_LAG.observe,
    )


def _changes_by_themselves(settings: MeteringSettings, pool: Pool, redis: Redis) -> list[Schedule]:
    """What the ledger does because of time, or once nobody is in the way any more."""

    async def collect() -> None:
        await collect_debts(pool, redis, utc_now())

    async def give_up() -> None:
        await give_up_stuck_lowerings(pool, utc_now())

    async def announce() -> None:
        trial_ending = timedelta(days=settings.trial_ending_days)
        await announce_balances(
            pool, utc_now(), threshold=settings.balance_low_tokens, trial_ending=trial_ending
        )

    return [
        Schedule("collect", collect, every_seconds=COLLECT_EVERY_SECONDS),
        Schedule("expire", partial(expire_grants, pool, redis), every_seconds=EXPIRE_EVERY_SECONDS),
        Schedule("give_up", give_up, every_seconds=GIVE_UP_EVERY_SECONDS),
        Schedule("announce", announce, every_seconds=ANNOUNCE_EVERY_SECONDS),
    ]


async def _follow_batches(pool: Pool, redis: Redis) -> None:
    await follow_batches(pool, redis, utc_now())


async def _keep_house(pool: Pool, retention: timedelta) -> None:
    await keep_house(pool, utc_now(), retention=retention)


def _signing_key(settings: MeteringSettings) -> SigningKey | None:
    seed = settings.receipt_signing_key
    return None if seed is None else SigningKey(seed.get_secret_value())
