"""The providers' webhooks: raw body, signature, one durable insert, 200. What the event means is found out later.

A wrong signature is 400 and leaves nothing behind; a database that is down is 503, so that the provider comes
again. Always JSON: no person posts here.
"""

import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256

import stripe
from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse
from pydantic import SecretStr

from services.billing.domain.hints import Hint, NotAnEvent, hint_of_btcpay, hint_of_stripe
from services.billing.domain.payment_methods import Method, NotConfigured
from services.billing.use_cases.measure import EVENTS_REFUSED
from services.billing.use_cases.take_event import TakeEvent
from shared.errors import Kind, PromptlyError

EVENT_BYTES_MAX = 512 * 1024
"""Stripe's largest snapshots are far smaller."""
TOLERANCE_SECONDS = 300
"""Stripe's own; the library looks only into the past."""


class WrongSignature(PromptlyError):
    kind = Kind.INVALID
    code = "wrong_signature"


class EventTooLarge(PromptlyError):
    kind = Kind.TOO_LARGE
    code = "event_too_large"


@dataclass(frozen=True, slots=True)
class WebhookDoor:
    """`secrets` of the providers that are configured, each with at least one; an event signed with any is taken."""

    take_event: TakeEvent
    secrets: Mapping[Method, Sequence[SecretStr]] = field(repr=False)

    def router(self) -> APIRouter:
        router = APIRouter()
        router.add_api_route("/stripe/webhook", self.receive_from_stripe, methods=["POST"])
        router.add_api_route("/btcpay/webhook", self.receive_from_btcpay, methods=["POST"])
        return router

    async def receive_from_stripe(self, request: Request) -> JSONResponse:
        return await self._receive(request, Method.STRIPE, read_stripe_event)

    async def receive_from_btcpay(self, request: Request) -> JSONResponse:
        return await self._receive(request, Method.BTCPAY, read_btcpay_event)

    async def _receive(
        self, request: Request, method: Method, read: Callable[[bytes, Mapping[str, str], str], Hint]
    ) -> JSONResponse:
        if method not in self.secrets:
            raise NotConfigured(method)
        body = await _read_body(request)
        try:
            hint = _read_with_any(self.secrets[method], lambda secret: read(body, request.headers, secret))
        except WrongSignature:
            EVENTS_REFUSED.labels(method).inc()
            raise
        await self.take_event(hint)
        return JSONResponse({"received": True})


def _read_with_any(secrets: Sequence[SecretStr], read: Callable[[str], Hint]) -> Hint:
    """Raises the last one's WrongSignature."""
    *earlier, last = (secret.get_secret_value() for secret in secrets)
    for secret in earlier:
        with suppress(WrongSignature):
            return read(secret)
    return read(last)


def read_stripe_event(body: bytes, headers: Mapping[str, str], secret: str) -> Hint:
    """Raises WrongSignature for whatever is wrong with it: the library raises three kinds of exceptions."""
    header = headers.get("stripe-signature", "")
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, TOLERANCE_SECONDS)
        _refuse_the_future(header)
        return hint_of_stripe(json.loads(body))
    except (stripe.SignatureVerificationError, ValueError, TypeError) as error:
        raise WrongSignature("This event is not signed as Stripe signs.") from error


def read_btcpay_event(body: bytes, headers: Mapping[str, str], secret: str) -> Hint:
    """No time is signed here: a replay is as good as the first delivery, and does as little."""
    expected = "sha256=" + hmac.new(secret.encode(), body, sha256).hexdigest()
    given = headers.get("btcpay-sig", "")
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise WrongSignature("This event is not signed as BTCPay signs.")
    try:
        return hint_of_btcpay(json.loads(body))
    except ValueError as error:
        raise WrongSignature("This event is none of BTCPay's.") from error


def _refuse_the_future(header: str) -> None:
    """Of the first `t`, the one that the library checked."""
    signed_at = next(int(part[2:]) for part in header.split(",") if part.startswith("t="))
    if signed_at > time.time() + TOLERANCE_SECONDS:
        raise NotAnEvent("signed in the future")


async def _read_body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > EVENT_BYTES_MAX:
            raise EventTooLarge(f"An event has at most {EVENT_BYTES_MAX} bytes.")
    return bytes(body)
