"""Billing put together: what it opens, what it serves, and, in reverse, how it stops."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI

from services.billing.adapters.accounts_http import Accounts
from services.billing.adapters.ledger_http import Ledger
from services.billing.adapters.operators_http import Operators
from services.billing.adapters.provider_btcpay import BTCPayProvider
from services.billing.adapters.provider_stripe import StripeProvider
from services.billing.domain.payment_methods import Method
from services.billing.entrypoints import packs
from services.billing.entrypoints.answers import Answers
from services.billing.entrypoints.checkout import CheckoutDoor
from services.billing.entrypoints.events import event_handler
from services.billing.entrypoints.internal import InternalDoor
from services.billing.entrypoints.operator_export import ExportDoor
from services.billing.entrypoints.receipts import ReceiptDoor
from services.billing.entrypoints.schedules import Schedule
from services.billing.entrypoints.webhooks import WebhookDoor
from services.billing.settings import BillingSettings
from services.billing.use_cases import measure
from services.billing.use_cases.admit_operator import AdmitOperator
from services.billing.use_cases.check_ledger import CheckLedger
from services.billing.use_cases.decide_review import DecideReview
from services.billing.use_cases.follow_events import FollowEvents
from services.billing.use_cases.forget_account import ForgetAccount
from services.billing.use_cases.identify_buyer import IdentifyBuyer
from services.billing.use_cases.provider import Provider, Providers
from services.billing.use_cases.read_purchases import ReadPurchases
from services.billing.use_cases.reconcile import Reconcile
from services.billing.use_cases.settle_order import SettleOrder
from services.billing.use_cases.start_checkout import StartCheckout
from services.billing.use_cases.take_event import TakeEvent
from shared import postgres
from shared.background import Background
from shared.bus import connection as bus
from shared.bus.consumer import Consumer
from shared.bus.measure import read_queues
from shared.bus.publisher import Publisher
from shared.errors import PromptlyError
from shared.http.internal import InternalClient
from shared.http.shell import Readiness, create_app
from shared.migrations import check_schema
from shared.outbox import OutboxRelay, read_outbox
from shared.postgres import Pool

SERVICE = "billing"
MIGRATIONS = Path(__file__).parent / "migrations"
EVENTS_EVERY_SECONDS = 1.0
ORDERS_EVERY_SECONDS = 2.0
UNDELIVERED_EVERY_SECONDS = 300.0
LEDGER_EVERY_SECONDS = 60.0
STRIPE_PAGES = "https://checkout.stripe.com"


def build_app(settings: BillingSettings) -> FastAPI:
    readiness, answers = Readiness(), Answers(_form_targets(settings))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            billing = await _open(settings, stack, readiness)
            billing.add_routes(app, answers)
            consumer = await _consumer(settings, stack, readiness, billing.pool)
            background = await stack.enter_async_context(Background())
            background.start("outbox_relay", billing.relay.run)
            background.start("consumer", consumer.run)
            for schedule in billing.schedules:
                background.start(schedule.name, schedule.run)
            yield

    app = create_app(SERVICE, lifespan=lifespan, readiness=readiness)
    app.add_exception_handler(PromptlyError, answers.error)
    for error_class in postgres.DATABASE_DOWN:
        app.add_exception_handler(error_class, answers.unavailable)
    app.include_router(packs.packs_router(answers))
    return app


class Billing:
    """The use cases, wired to what was opened."""

    def __init__(
        self,
        settings: BillingSettings,
        pool: Pool,
        relay: OutboxRelay,
        providers: Providers,
        clients: tuple[InternalClient, InternalClient],
    ) -> None:
        self.pool, self.relay = pool, relay
        self._settings, self._providers = settings, providers
        self._accounts, metering = clients
        self._settle = SettleOrder(pool, providers, relay.kick)
        follow = FollowEvents(pool, providers, self._settle)
        self._follow = [
            Schedule(f"follow_events_{method}", partial(follow, method), every_seconds=EVENTS_EVERY_SECONDS)
            for method in Method
        ]
        check = CheckLedger(pool, Ledger(metering), relay.kick)
        self._reconcile = Reconcile(pool, providers, self._settle, check, self._kick_follow)
        self.schedules = [
            *self._follow,
            *(
                Schedule(
                    f"due_orders_{method}",
                    partial(self._reconcile.due_orders, method),
                    every_seconds=ORDERS_EVERY_SECONDS,
                )
                for method in Method
            ),
            Schedule(
                "undelivered", self._reconcile.undelivered_events, every_seconds=UNDELIVERED_EVERY_SECONDS
            ),
            Schedule("ledger", self._reconcile.due_ledger_checks, every_seconds=LEDGER_EVERY_SECONDS),
        ]

    def _kick_follow(self) -> None:
        for schedule in self._follow:
            schedule.kick()

    def add_routes(self, app: FastAPI, answers: Answers) -> None:
        settings, configured = self._settings, sorted(self._providers, reverse=True)
        identify, purchases = IdentifyBuyer(Accounts(self._accounts)), ReadPurchases(self.pool)
        start_checkout = StartCheckout(self.pool, self._providers)
        take_event = TakeEvent(self.pool, self._kick_follow)
        decide_review = DecideReview(self.pool, self._settle)
        export = ExportDoor(
            purchases,
            AdmitOperator(Operators(self._accounts)),
            settings.admin_allowed_cidrs,
            settings.trusted_proxies,
        )
        internal = InternalDoor(configured, purchases, decide_review, self._reconcile)
        for router in (
            CheckoutDoor(answers, configured, identify, start_checkout).router(),
            WebhookDoor(take_event, settings.webhook_secrets).router(),
            ReceiptDoor(answers, identify, purchases).router(),
            export.router(),
            internal.router(settings.internal_token),
        ):
            app.include_router(router)


async def _open(settings: BillingSettings, stack: AsyncExitStack, readiness: Readiness) -> Billing:
    pool = await postgres.open_pool(settings.database_url, service=SERVICE)
    stack.push_async_callback(pool.close)
    await check_schema(pool, MIGRATIONS)
    readiness.add("postgres", partial(postgres.answers, pool))
    outgoing = await bus.connect(settings.amqp_url, f"{SERVICE}-outbox")
    stack.push_async_callback(outgoing.close)
    accounts = await stack.enter_async_context(InternalClient(settings.accounts_url, settings.internal_token))
    metering = await stack.enter_async_context(InternalClient(settings.metering_url, settings.internal_token))
    readiness.readings.add("outbox", partial(read_outbox, pool))
    readiness.readings.add("purchases", partial(measure.read_state, ReadPurchases(pool)))
    relay = OutboxRelay(pool, Publisher(outgoing))
    return Billing(settings, pool, relay, _providers(settings, stack), (accounts, metering))


def _providers(settings: BillingSettings, stack: AsyncExitStack) -> Providers:
    providers: dict[Method, Provider] = {}
    return_url = settings.base_url.rstrip("/")
    if Method.STRIPE in settings.configured:
        stripe = StripeProvider(
            settings.stripe_secret_key.get_secret_value(),
            api_url=settings.stripe_api_url,
            return_url=return_url,
        )
        stack.push_async_callback(stripe.close)
        providers[Method.STRIPE] = stripe
    if Method.BTCPAY in settings.configured:
        btcpay = BTCPayProvider(
            settings.btcpay_url,
            public_url=settings.btcpay_public_url,
            api_key=settings.btcpay_api_key.get_secret_value(),
            store_id=settings.btcpay_store_id,
            return_url=return_url,
        )
        stack.push_async_callback(btcpay.close)
        providers[Method.BTCPAY] = btcpay
    return providers


async def _consumer(
    settings: BillingSettings, stack: AsyncExitStack, readiness: Readiness, pool: Pool
) -> Consumer:
    """Consuming and publishing (copies for retry) on a connection each, as shared.bus asks."""
    incoming = await bus.connect(settings.amqp_url, f"{SERVICE}-consumer")
    stack.push_async_callback(incoming.close)
    outgoing = await bus.connect(settings.amqp_url, f"{SERVICE}-publisher")
    stack.push_async_callback(outgoing.close)
    readiness.add("rabbitmq", partial(bus.answers, incoming))
    readiness.readings.add("queues", partial(read_queues, incoming, SERVICE))
    return Consumer(incoming, Publisher(outgoing), SERVICE, event_handler(ForgetAccount(pool)))


def _form_targets(settings: BillingSettings) -> list[str]:
    """Where the checkout form may lead."""
    public = urlsplit(settings.btcpay_public_url)
    return [STRIPE_PAGES, *([f"{public.scheme}://{public.netloc}"] if public.netloc else [])]
