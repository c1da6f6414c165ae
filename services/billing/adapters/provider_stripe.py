"""Stripe, through its official library. The prices are ours; no key, address or name of ours is handed over.

The library repeats a request that failed on its way with the same idempotency key; an error that arrives here
is final for this attempt.
"""

import asyncio
from collections.abc import Awaitable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

import stripe
import structlog

from services.billing.adapters.unreadable import unreadable_is_failing
from services.billing.domain.checkouts import Checkout, ProviderFailing
from services.billing.domain.hints import Hint, Subject, hint_of_stripe
from services.billing.domain.orders import Order
from services.billing.domain.stripe_truth import seller_of, truth_of_session
from services.billing.domain.truth import Payment, Truth
from services.billing.domain.watching import CHECKOUT_LIFETIME

TIMEOUT_SECONDS = 10
RETRIES = 2
DEADLINE_SECONDS = 40.0
"""For a call with its repetitions, however slowly an answer drips."""
PAGE_EVENTS = 100
EVENTS_MAX = 1000
"""Of one search for undelivered ones: the next finds the rest."""
LIVE_KEYS = ("sk_live_", "rk_live_")
EVENT_TYPES = [
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
    "charge.refunded",
    "refund.created",
    "refund.updated",
    "refund.failed",
    "charge.dispute.created",
    "charge.dispute.closed",
    "charge.dispute.funds_withdrawn",
    "charge.dispute.funds_reinstated",
]

T = TypeVar("T")
log = structlog.get_logger()


class StripeProvider:
    """`api_url` is Stripe's own unless a stand-in is asked for; `return_url` has no secret in it."""

    def __init__(self, secret_key: str, *, api_url: str, return_url: str) -> None:
        self.seller = seller_of(livemode=secret_key.startswith(LIVE_KEYS))
        self._return_url = return_url
        self._http = _HttpClient(timeout=TIMEOUT_SECONDS)
        self._client = stripe.StripeClient(
            secret_key,
            http_client=self._http,
            max_network_retries=RETRIES,
            base_addresses={"api": api_url} if api_url else None,
        )

    async def close(self) -> None:
        await self._http.close_async()  # type: ignore[no-untyped-call] # the library forgot

    async def open_checkout(self, order: Order, *, idempotency_key: str) -> Checkout:
        session = await _answer(
            self._client.v1.checkout.sessions.create_async(
                self._checkout(order),  # type: ignore[arg-type] # built as a plain dict
                {"idempotency_key": idempotency_key},
            )
        )
        if session is None or session.url is None:
            raise ProviderFailing("Stripe opened no checkout. Please try again.")
        return Checkout(session.id, session.url)

    async def get_truth(self, provider_id: str) -> Truth:
        expand = ["payment_intent.latest_charge"]
        session = await _answer(
            self._client.v1.checkout.sessions.retrieve_async(provider_id, {"expand": expand})
        )
        if session is None:
            return Truth(Payment.MISSING)
        known = session.to_dict(for_json=True)
        disputes = await self._list_disputes(known.get("payment_intent"))
        with unreadable_is_failing("Stripe"):
            return truth_of_session(known, disputes)

    async def find_checkout(self, hint: Hint) -> str | None:
        if hint.subject is Subject.SESSION:
            return hint.subject_id
        intent_id = await self._find_intent(hint)
        if intent_id is None:
            return None
        sessions = await _answer(
            self._client.v1.checkout.sessions.list_async({"payment_intent": intent_id, "limit": 1})
        )
        return sessions.data[0].id if sessions and sessions.data else None

    async def list_undelivered(self, *, since: datetime) -> Sequence[Hint]:
        found: list[Hint] = []
        params: dict[str, Any] = {
            "delivery_success": False,
            "types": EVENT_TYPES,
            "created": {"gte": int(since.timestamp())},
            "limit": PAGE_EVENTS,
        }
        while len(found) < EVENTS_MAX:
            page = await _answer(self._client.v1.events.list_async(params))  # type: ignore[arg-type]
            with unreadable_is_failing("Stripe"):
                found += [hint_of_stripe(event.to_dict(for_json=True)) for event in page.data] if page else []
            if page is None or not page.has_more:
                break
            params = {**params, "starting_after": page.data[-1].id}
        return found

    async def _find_intent(self, hint: Hint) -> str | None:
        """A thin event names only a charge, a refund or a dispute."""
        v1 = self._client.v1
        found: Any
        match hint.subject:
            case Subject.PAYMENT:
                return hint.subject_id
            case Subject.CHARGE:
                found = await _answer(v1.charges.retrieve_async(hint.subject_id))
            case Subject.REFUND:
                found = await _answer(v1.refunds.retrieve_async(hint.subject_id))
            case Subject.DISPUTE:
                found = await _answer(v1.disputes.retrieve_async(hint.subject_id))
            case _:
                return None
        return found.payment_intent if found else None

    async def _list_disputes(self, intent: dict[str, Any] | None) -> list[dict[str, Any]]:
        if not intent or not (intent.get("latest_charge") or {}).get("disputed"):
            return []
        disputes = await _answer(self._client.v1.disputes.list_async({"payment_intent": intent["id"]}))
        return [each.to_dict(for_json=True) for each in disputes.data] if disputes else []

    def _checkout(self, order: Order) -> dict[str, Any]:
        """The same for the same order, or Stripe refuses the repetition of its idempotency key."""
        names = {"order": str(order.order_id)}
        price = {
            "currency": order.price.currency,
            "unit_amount": order.price.amount_cents,
            "product_data": {"name": f"{order.pack.capitalize()}: {order.tokens:,} tokens"},
        }
        return {
            "mode": "payment",
            "line_items": [{"quantity": 1, "price_data": price}],
            "client_reference_id": str(order.order_id),
            "metadata": names,
            "payment_intent_data": {"metadata": names},
            "expires_at": int((order.created_at + CHECKOUT_LIFETIME).timestamp()),
            "success_url": f"{self._return_url}/purchases/{order.order_id}",
            "cancel_url": f"{self._return_url}/checkout?pack={order.pack}",
        }


class _HttpClient(stripe.HTTPXClient):
    """The library's own, sending its body by the name that httpx has for it now."""

    def _get_request_args_kwargs(
        self, method: str, url: str, headers: Mapping[str, str], post_data: Any
    ) -> list[Any]:
        arguments, names = super()._get_request_args_kwargs(method, url, headers, post_data)
        return [arguments, {**names, "content": names["data"] or None, "data": None}]


async def _answer(call: Awaitable[T]) -> T | None:
    """None when there is no such object. Raises ProviderFailing for everything else that is no answer."""
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await call
    except stripe.InvalidRequestError as error:
        if error.http_status == 404:
            return None
        log.error("stripe_refused", code=error.code, param=error.param, request=error.request_id)
        raise ProviderFailing("Stripe did not accept the request. Nothing was charged.") from error
    except (stripe.StripeError, TimeoutError) as error:
        status = error.http_status if isinstance(error, stripe.StripeError) else None
        log.warning("stripe_failing", error=type(error).__name__, status=status)
        raise ProviderFailing("Stripe does not answer at the moment. Nothing was charged.") from error
