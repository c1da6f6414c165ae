"""What a customer who comes back from paying is told: that the money is on its way, or that it has arrived."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Protocol

ARRIVED_SHOWN_FOR = timedelta(minutes=10)
AWAITED_FOR = timedelta(hours=24)
"""A payment that is still not credited then needs a human, not a page that promises."""


class Order(Protocol):
    """What is looked at of a purchase, as billing tells it."""

    @property
    def state(self) -> str: ...
    @property
    def is_credited(self) -> bool: ...
    @property
    def tokens(self) -> int: ...
    @property
    def created_at(self) -> datetime: ...
    @property
    def paid_at(self) -> datetime | None: ...


class PaymentState(StrEnum):
    NONE = "none"
    ARRIVING = "arriving"
    ARRIVED = "arrived"


@dataclass(frozen=True, slots=True)
class PaymentNews:
    state: PaymentState
    tokens: int = 0


def news_of(orders: Iterable[Order], now: datetime) -> PaymentNews:
    """The newest order decides; `orders` come newest first."""
    for order in orders:
        if _is_awaited(order, now):
            return PaymentNews(PaymentState.ARRIVING, order.tokens)
        if order.is_credited and order.paid_at and now - order.paid_at < ARRIVED_SHOWN_FOR:
            return PaymentNews(PaymentState.ARRIVED, order.tokens)
    return PaymentNews(PaymentState.NONE)


def _is_awaited(order: Order, now: datetime) -> bool:
    is_paid = order.state == "processing" or (order.state == "paid" and not order.is_credited)
    return is_paid and now - order.created_at < AWAITED_FOR
