"""Makes an order and a checkout for it. The order's row comes first; whatever fails afterwards leaves an order
that nobody can pay, and that expires."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from services.billing.adapters import attempts_postgres as attempts
from services.billing.adapters import orders_postgres as orders
from services.billing.domain.checkouts import Checkout, FormIsStale, TooManyOrders
from services.billing.domain.orders import Order, OrderId, Price, State
from services.billing.domain.packs import CURRENCY, Pack
from services.billing.domain.payment_methods import Method, NotConfigured
from services.billing.domain.watching import EVERY_MINUTE
from services.billing.use_cases.provider import Provider, Providers
from shared import faults
from shared.clock import utc_now
from shared.ids import AccountId
from shared.postgres import Pool

OPEN_ORDERS_MAX = 30
"""Of one account at a time; each ends after an hour."""
FORM_LIFETIME = timedelta(minutes=25)
"""Between its first and its last sending: a checkout ends an hour after the order, and Stripe makes none that has
less than 30 minutes left."""
BEGINNINGS_MAX = 3
"""Tries to begin an attempt while others of the same order begin theirs."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class StartCheckout:
    pool: Pool
    providers: Providers

    async def __call__(
        self, order_id: OrderId, account_id: AccountId, pack: Pack, method: Method
    ) -> Checkout:
        """The same order id, from a form that is sent twice, leads to the same checkout."""
        if method not in self.providers:
            raise NotConfigured(method)
        provider = self.providers[method]
        order = await self._order(order_id, account_id, pack, method, provider.seller)
        known = await attempts.find_checkout(self.pool, order_id)
        return known or await self._open(order, provider)

    async def _order(
        self, order_id: OrderId, account_id: AccountId, pack: Pack, method: Method, seller: str
    ) -> Order:
        now = utc_now()
        price = Price(pack.price_cents, CURRENCY)
        wanted = Order(order_id, account_id, pack.pack_id, pack.tokens, price, method, seller, now)
        async with self.pool.acquire() as connection:
            added = await orders.add_order(
                connection, wanted, next_check_at=now + EVERY_MINUTE, open_max=OPEN_ORDERS_MAX
            )
            order = await orders.find_order(connection, order_id)
        if order is None:
            raise TooManyOrders("You have begun many checkouts. Pay one of them, or come back in an hour.")
        if not added and not _is_the_same(order, wanted):
            raise FormIsStale("This form was used before. Please open the page again and choose anew.")
        return order

    async def _open(self, order: Order, provider: Provider) -> Checkout:
        key = await self._begin_attempt(order.order_id, utc_now())
        opened = await provider.open_checkout(order, idempotency_key=key)
        faults.reached("checkout_made")
        taken = await attempts.take_checkout(self.pool, order.order_id, opened)
        if taken is None:
            raise FormIsStale("This order has ended. Please open the page again and choose anew.")
        log.info("checkout_opened", order_id=str(order.order_id), method=order.method, pack=order.pack)
        return taken

    async def _begin_attempt(self, order_id: OrderId, now: datetime) -> str:
        for _ in range(BEGINNINGS_MAX):
            if key := await attempts.begin_attempt(self.pool, order_id, now=now):
                return key
        raise TooManyOrders("This form was sent too often. Please open the page again.")


def _is_the_same(order: Order, wanted: Order) -> bool:
    is_young = wanted.created_at - order.created_at < FORM_LIFETIME
    return (
        is_young
        and order.standing.state is State.OPEN
        and (order.account_id, order.pack, order.method)
        == (
            wanted.account_id,
            wanted.pack,
            wanted.method,
        )
    )
