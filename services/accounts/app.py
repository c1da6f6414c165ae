"""The composition root of accounts: opens what it needs, wires the use cases, starts the loops."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from fastapi import FastAPI
from redis.asyncio import Redis
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from services.accounts.adapters.api_http import Api
from services.accounts.adapters.attempts_redis import Attempts
from services.accounts.adapters.key_desk_redis import KeyDesk, KeyLimits
from services.accounts.adapters.ledger_http import Ledger
from services.accounts.adapters.mail_domains_dns import MailDomains
from services.accounts.adapters.mails_http import Mails
from services.accounts.adapters.sales_http import Sales
from services.accounts.domain.trials import TrialTerms
from services.accounts.entrypoints.admin_door import AdminDoor
from services.accounts.entrypoints.admin_forms import AdminForms
from services.accounts.entrypoints.admin_pages import AdminPages
from services.accounts.entrypoints.dashboard import Dashboard
from services.accounts.entrypoints.error_pages import show_errors_as_pages
from services.accounts.entrypoints.holders import Holders
from services.accounts.entrypoints.internal import internal_routes
from services.accounts.entrypoints.keys import Keys
from services.accounts.entrypoints.pages import STATIC_FOLDER, Pages
from services.accounts.entrypoints.public_pages import PublicPages
from services.accounts.entrypoints.registration import Registration
from services.accounts.entrypoints.status_page import StatusPage
from services.accounts.entrypoints.usage_pages import UsagePages
from services.accounts.settings import AccountsSettings
from services.accounts.use_cases import measure
from services.accounts.use_cases.admit_operator import AdmitOperator
from services.accounts.use_cases.audit import Audit
from services.accounts.use_cases.change_users import ChangeUsers
from services.accounts.use_cases.close_accounts import CloseAccounts
from services.accounts.use_cases.find_users import FindUsers
from services.accounts.use_cases.forget import Forget
from services.accounts.use_cases.identify import Identify
from services.accounts.use_cases.limit_admin_keys import LimitAdminKeys
from services.accounts.use_cases.limit_registrations import WINDOW_SECONDS, LimitRegistrations
from services.accounts.use_cases.limit_wrong_keys import WINDOW_SECONDS as WRONG_KEYS_WINDOW_SECONDS
from services.accounts.use_cases.limit_wrong_keys import WRONG_KEYS_MAX, LimitWrongKeys
from services.accounts.use_cases.list_accounts import ListAccounts
from services.accounts.use_cases.manage_keys import ManageKeys
from services.accounts.use_cases.mirror_keys import MirrorKeys
from services.accounts.use_cases.new_keys import KeySecrets, NewKeys
from services.accounts.use_cases.open_dashboard import OpenDashboard
from services.accounts.use_cases.open_session import Sessions
from services.accounts.use_cases.read_overview import ReadOverview
from services.accounts.use_cases.read_status import ReadStatus
from services.accounts.use_cases.read_user import ReadUser
from services.accounts.use_cases.recover_key import RecoverKey
from services.accounts.use_cases.refill_key import RefillKey
from services.accounts.use_cases.register import Register
from services.accounts.use_cases.replace_key import ReplaceKey
from shared import postgres, redis_client
from shared.background import Background
from shared.bus import connection as bus
from shared.bus.publisher import Publisher
from shared.http.internal import InternalClient
from shared.http.shell import Readiness, create_app
from shared.migrations import check_schema
from shared.outbox import OutboxRelay, read_outbox
from shared.postgres import Pool

SERVICE = "accounts"
MIGRATIONS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class _Opened:
    """What the use cases work with: this service's stores, and its neighbours."""

    pool: Pool
    redis: Redis
    relay: OutboxRelay
    mirror: MirrorKeys
    new_keys: NewKeys
    ledger: Ledger
    sales: Sales
    mails: Mails
    api: Api


def build_app(settings: AccountsSettings) -> FastAPI:
    readiness, pages = Readiness(), Pages(settings.base_url)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            opened = await _open(settings, readiness, stack)
            await opened.mirror.begin_anew()
            _add_routes(app, settings, pages, opened)
            background = await stack.enter_async_context(Background())
            background.start("outbox_relay", opened.relay.run)
            background.start("key_mirror", opened.mirror.run)
            background.start("forget", Forget(opened.pool).run)
            yield

    app = create_app(SERVICE, lifespan=lifespan, readiness=readiness)
    app.mount("/static", StaticFiles(directory=STATIC_FOLDER))
    show_errors_as_pages(app, pages, dependency_down=postgres.DATABASE_DOWN)
    return app


async def _open(settings: AccountsSettings, readiness: Readiness, stack: AsyncExitStack) -> _Opened:
    pool = await postgres.open_pool(settings.database_url, service=SERVICE)
    stack.push_async_callback(pool.close)
    await check_schema(pool, MIGRATIONS)
    redis = redis_client.open_redis(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    readiness.add("postgres", partial(postgres.answers, pool))
    readiness.add("redis", partial(redis_client.answers, redis))
    readiness.readings.add("people", partial(measure.read_people, pool))
    readiness.readings.add("outbox", partial(read_outbox, pool))
    limits = KeyLimits(settings.inference_user_rate_limit, settings.inference_concurrency_limit)
    metering, billing, notifier, gateway = [
        await stack.enter_async_context(InternalClient(url, settings.internal_token))
        for url in _neighbours(settings)
    ]
    return _Opened(
        pool=pool,
        redis=redis,
        relay=await _relay(settings, pool, readiness, stack),
        mirror=MirrorKeys(pool, KeyDesk(redis, limits)),
        new_keys=NewKeys(KeySecrets(_pepper(settings), settings.sealing_public_key)),
        ledger=Ledger(metering),
        sales=Sales(billing),
        mails=Mails(notifier),
        api=Api(gateway),
    )


def _neighbours(settings: AccountsSettings) -> tuple[str, str, str, str]:
    return settings.metering_url, settings.billing_url, settings.notifier_url, settings.gateway_url


async def _relay(
    settings: AccountsSettings, pool: Pool, readiness: Readiness, stack: AsyncExitStack
) -> OutboxRelay:
    connection = await bus.connect(settings.amqp_url, f"{SERVICE}-publisher")
    stack.push_async_callback(connection.close)
    readiness.add("rabbitmq", partial(bus.answers, connection))
    return OutboxRelay(pool, Publisher(connection))


def _add_routes(app: FastAPI, settings: AccountsSettings, pages: Pages, opened: _Opened) -> None:
    identify, admit_operator = Identify(opened.pool, _pepper(settings)), _admit_operator(settings, opened)
    holders = Holders(
        identify,
        Sessions(opened.pool),
        LimitWrongKeys(_wrong_keys(opened.redis, "wrong-key")),
        base_url=settings.base_url,
        trusted_proxies=settings.trusted_proxies,
    )
    open_dashboard = OpenDashboard(opened.pool, opened.ledger, opened.sales)
    app.router.routes += [
        *PublicPages(pages, _trial_terms(settings), settings.inference_user_rate_limit).routes(),
        *StatusPage(pages, ReadStatus(opened.api)).routes(),
        *_registration(settings, pages, opened).routes(),
        *Dashboard(pages, holders, open_dashboard).routes(),
        *UsagePages(pages, holders, open_dashboard).routes(),
        *Keys(pages, holders, ManageKeys(opened.pool, opened.mirror, opened.new_keys)).routes(),
        *_admin(settings, pages, opened, admit_operator),
    ]
    refill_key, list_accounts = RefillKey(opened.pool, opened.mirror.desk), ListAccounts(opened.pool)
    app.include_router(
        internal_routes(refill_key, identify, admit_operator, list_accounts, settings.internal_token)
    )


def _registration(settings: AccountsSettings, pages: Pages, opened: _Opened) -> Registration:
    recover = RecoverKey(opened.pool, opened.mirror, opened.relay, opened.new_keys, settings.base_url)
    confirming = recover if settings.key_recovery == "confirm" else None
    register = Register(
        opened.pool,
        _registration_limit(settings, opened.redis),
        opened.mirror,
        opened.relay,
        opened.new_keys,
        _trial_terms(settings),
        confirming,
        MailDomains() if settings.email_deliverability == "on" else None,
    )
    return Registration(pages, register, confirming, settings.trusted_proxies)


def _admit_operator(settings: AccountsSettings, opened: _Opened) -> AdmitOperator:
    limit = LimitAdminKeys(_wrong_keys(opened.redis, "wrong-admin-key"))
    return AdmitOperator(
        opened.pool, limit, settings.admin_key.get_secret_value().encode(), _pepper(settings)
    )


def _admin(
    settings: AccountsSettings, pages: Pages, opened: _Opened, admit_operator: AdmitOperator
) -> list[Route]:
    pool, ledger, sales, mails = opened.pool, opened.ledger, opened.sales, opened.mails
    door = AdminDoor(
        admit_operator,
        base_url=settings.base_url,
        allowed=settings.admin_allowed_cidrs,
        trusted_proxies=settings.trusted_proxies,
    )
    audit = Audit(pool)
    replace_key = ReplaceKey(pool, opened.mirror, opened.relay, opened.new_keys, mails)
    close_accounts = CloseAccounts(pool, opened.mirror, opened.relay)
    read_user = ReadUser(pool, ledger, sales, mails)
    overview = ReadOverview(pool, ledger, sales, mails, audit)
    admin_pages = AdminPages(pages, door, FindUsers(pool, ledger), read_user, overview, replace_key)
    change_users = ChangeUsers(audit, ledger, close_accounts, replace_key)
    forms = AdminForms(pages, door, admin_pages, read_user, change_users, overview)
    return [*admin_pages.routes(), *forms.routes()]


def _registration_limit(settings: AccountsSettings, redis: Redis) -> LimitRegistrations:
    clients_max, addresses_max = settings.registration_rate_limit, settings.registration_address_rate_limit
    return LimitRegistrations(
        Attempts(redis, "register", attempts_max=clients_max, window_seconds=WINDOW_SECONDS),
        Attempts(redis, "register-address", attempts_max=addresses_max, window_seconds=WINDOW_SECONDS),
        _pepper(settings),
    )


def _wrong_keys(redis: Redis, what: str) -> Attempts:
    return Attempts(redis, what, attempts_max=WRONG_KEYS_MAX, window_seconds=WRONG_KEYS_WINDOW_SECONDS)


def _pepper(settings: AccountsSettings) -> bytes:
    return settings.key_pepper.get_secret_value().encode()


def _trial_terms(settings: AccountsSettings) -> TrialTerms:
    return TrialTerms(settings.trial_tokens, settings.trial_expiry_days)
