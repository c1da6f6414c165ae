"""Orders to decide about."""

from datetime import UTC, datetime
from typing import Any

from services.billing.domain.orders import Order, OrderId, Price
from services.billing.domain.payment_methods import Method
from shared.ids import AccountId, new_uuid7

PRICE = Price(200, "usd")
TOKENS = 25_000_000
CREATED_AT = datetime(2026, 11, 1, tzinfo=UTC)


def an_order(**given: Any) -> Order:
    return Order(
        **{
            "order_id": OrderId(new_uuid7()),
            "account_id": AccountId("Ab3dE5gH"),
            "pack": "standard",
            "tokens": TOKENS,
            "price": PRICE,
            "method": Method.STRIPE,
            "seller": "test",
            "created_at": CREATED_AT,
            **given,
        }
    )
