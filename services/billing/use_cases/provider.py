"""What billing asks of a payment provider. Two of them implement it (adapters/), and nothing else knows them."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from services.billing.domain.checkouts import Checkout
from services.billing.domain.hints import Hint
from services.billing.domain.orders import Order
from services.billing.domain.payment_methods import Method
from services.billing.domain.truth import Truth


class Provider(Protocol):
    """Every method raises ProviderFailing when there is no usable answer."""

    @property
    def seller(self) -> str:
        """Who is paid; an order remembers it."""
        ...

    async def open_checkout(self, order: Order, *, idempotency_key: str) -> Checkout: ...

    async def get_truth(self, provider_id: str) -> Truth:
        """Of a checkout that is not known there the payment is MISSING."""
        ...

    async def find_checkout(self, hint: Hint) -> str | None:
        """The `provider_id` of the checkout that the event is about; None when it is about none."""
        ...

    async def list_undelivered(self, *, since: datetime) -> Sequence[Hint]:
        """Events that the provider could not deliver; empty where it does not keep them."""
        ...


Providers = Mapping[Method, Provider]
