"""The calls of Stripe's API that billing makes, with its own checks, for the official library to talk to."""

import hmac
import time
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse

from deploy.local.fakes.settings import STRIPE_PAGES, FakeSettings
from deploy.local.fakes.stripe_events import StripeEvents
from deploy.local.fakes.stripe_idempotency import IdempotencyKeys, Result
from deploy.local.fakes.stripe_parameters import (
    StripeRefusal,
    get_integer,
    get_text,
    read_parameters,
    refuse_unknown,
)
from deploy.local.fakes.stripe_store import StripeStore, Thing

AMOUNT_CENTS_MIN = 50
LIFETIME_SECONDS = (30 * 60, 24 * 60 * 60)
CLOCK_SLACK_SECONDS = 60
METADATA_MAX = 50
SESSION_PARAMETERS = (
    *("mode", "line_items", "client_reference_id", "metadata", "payment_intent_data", "expires_at"),
    *("success_url", "cancel_url", "customer_email", "expand"),
)
LIST_MAX = 100
RETRIEVABLE = {
    "payment_intents": "payment_intent",
    "charges": "charge",
    "refunds": "refund",
    "disputes": "dispute",
}


class StripeApi:
    """`failures` is how many of the next calls that create something are answered 500 before any work is done."""

    def __init__(self, settings: FakeSettings, store: StripeStore, events: StripeEvents) -> None:
        self._settings = settings
        self._store = store
        self._events = events
        self._keys = IdempotencyKeys()
        self.failures = 0
        self.requests: list[str] = []

    def router(self) -> APIRouter:
        router = APIRouter(prefix="/v1")
        router.add_api_route("/{path:path}", self.answer, methods=["GET", "POST"])
        return router

    async def answer(self, request: Request, path: str) -> JSONResponse:
        self.requests.append(f"{request.method} {path}")
        text = (await request.body()).decode() if request.method == "POST" else request.url.query
        try:
            self._authenticate(request)
            result = await self._once(request, path, read_parameters(text))
        except StripeRefusal as refusal:
            return JSONResponse(refusal.body, refusal.status)
        headers = {"idempotent-replayed": "true"} if result.is_replayed else {}
        return JSONResponse(result.body, result.status, headers=headers)

    def _authenticate(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        if not hmac.compare_digest(given, f"Bearer {self._settings.stripe_key}"):
            raise StripeRefusal(401, "Invalid API Key provided.", code="api_key_invalid")

    async def _once(self, request: Request, path: str, parameters: dict[str, Any]) -> Result:
        async def work() -> Result:
            if request.method == "POST" and self.failures > 0:
                self.failures -= 1
                return Result(500, {"error": {"type": "api_error", "message": "Something went wrong."}})
            return Result(200, self._route(request.method, path.split("/"), parameters))

        key = request.headers.get("idempotency-key")
        if request.method == "GET" or not key:
            return await work()
        return await self._keys.once(key, (path, parameters), work)

    def _route(self, method: str, path: list[str], parameters: dict[str, Any]) -> Thing:
        match method, path:
            case "POST", ["checkout", "sessions"]:
                return _public(self._create_session(parameters))
            case "GET", ["checkout", "sessions"]:
                return self._list("checkout.session", parameters)
            case "GET", ["checkout", "sessions", session_id]:
                return self._expanded(self._store.session(session_id), parameters)
            case "POST", ["checkout", "sessions", session_id, "expire"]:
                session = self._store.session(session_id)
                self._store.expire(session)
                return _public(session)
            case "GET", ["disputes"]:
                return self._list("dispute", parameters)
            case "GET", ["events"]:
                return self._list_events(parameters)
            case "GET", [kind, object_id] if kind in RETRIEVABLE:
                return self._store.get(RETRIEVABLE[kind], object_id)
        raise StripeRefusal(404, f"Unrecognized request URL ({method}: /v1/{'/'.join(path)}).")

    def _create_session(self, parameters: dict[str, Any]) -> Thing:
        refuse_unknown(parameters, SESSION_PARAMETERS)
        if get_text(parameters, "mode") != "payment":
            raise StripeRefusal(400, "Only payment mode is known here.", param="mode")
        amount_cents = sum(_line_cents(line) for line in parameters.get("line_items", {}).values())
        if amount_cents < AMOUNT_CENTS_MIN:
            raise StripeRefusal(
                400, "The Checkout Session's total amount must be at least $0.50.", code="amount_too_small"
            )
        session = self._store.add(
            "checkout.session",
            "cs_test",
            mode="payment",
            amount_total=amount_cents,
            currency=get_text(parameters, "line_items", "0", "price_data", "currency"),
            client_reference_id=parameters.get("client_reference_id"),
            metadata=_metadata(parameters.get("metadata", {})),
            payment_intent_metadata=_metadata(parameters.get("payment_intent_data", {}).get("metadata", {})),
            expires_at=_expiry(parameters),
            success_url=_url(parameters, "success_url"),
            cancel_url=_url(parameters, "cancel_url"),
            status="open",
            payment_status="unpaid",
            payment_intent=None,
        )
        session["url"] = f"{self._settings.base_url}{STRIPE_PAGES}/{session['id']}"
        return session

    def _expanded(self, session: Thing, parameters: dict[str, Any]) -> Thing:
        wanted = parameters.get("expand", {}).values()
        shown = _public(session)
        if "payment_intent.latest_charge" in wanted and session["payment_intent"]:
            intent = dict(self._store.get("payment_intent", session["payment_intent"]))
            charge = intent["latest_charge"]
            intent["latest_charge"] = self._store.get("charge", charge) if charge else None
            shown["payment_intent"] = intent
        return shown

    def _list(self, kind: str, parameters: dict[str, Any]) -> Thing:
        refuse_unknown(parameters, ("payment_intent", "limit"))
        found = self._store.list_of(kind, payment_intent=get_text(parameters, "payment_intent"))
        return _page([_public(each) for each in found], parameters)

    def _list_events(self, parameters: dict[str, Any]) -> Thing:
        refuse_unknown(parameters, ("delivery_success", "types", "created", "limit", "starting_after"))
        is_wanted = _event_filter(parameters)
        found = [
            sent.event
            for sent in reversed(self._events.sent)
            if is_wanted(sent.event, all(each.is_taken for each in sent.deliveries))
        ]
        after = (
            [event["id"] for event in found].index(parameters["starting_after"]) + 1
            if ("starting_after" in parameters)
            else 0
        )
        return _page(found[after:], parameters)


def _event_filter(parameters: dict[str, Any]) -> Callable[[Thing, bool], bool]:
    types = set(parameters.get("types", {}).values())
    since = int(parameters.get("created", {}).get("gte", 0))
    delivered = parameters.get("delivery_success")

    def is_wanted(event: Thing, is_delivered: bool) -> bool:
        return (
            (not types or event["type"] in types)
            and event["created"] >= since
            and (delivered is None or (delivered.lower() == "true") == is_delivered)
        )

    return is_wanted


def _line_cents(line: dict[str, Any]) -> int:
    get_text(line, "price_data", "currency")
    get_text(line, "price_data", "product_data", "name")
    return get_integer(line, "price_data", "unit_amount") * get_integer(line, "quantity")


def _expiry(parameters: dict[str, Any]) -> int:
    expires_at, (shortest, longest) = get_integer(parameters, "expires_at"), LIFETIME_SECONDS
    left_seconds = expires_at - time.time()
    if not shortest - CLOCK_SLACK_SECONDS <= left_seconds <= longest + CLOCK_SLACK_SECONDS:
        message = "The `expires_at` timestamp must be between 30 minutes and 24 hours from now."
        raise StripeRefusal(400, message, param="expires_at")
    return expires_at


def _url(parameters: dict[str, Any], name: str) -> str:
    url = get_text(parameters, name)
    if not url.startswith(("http://", "https://")):
        raise StripeRefusal(400, "Not a valid URL", code="url_invalid", param=name)
    return url


def _metadata(given: dict[str, str]) -> dict[str, str]:
    if len(given) > METADATA_MAX:
        raise StripeRefusal(400, f"Metadata may have at most {METADATA_MAX} keys.", param="metadata")
    return given


def _public(thing: Thing) -> Thing:
    return {name: value for name, value in thing.items() if name != "payment_intent_metadata"}


def _page(found: list[Thing], parameters: dict[str, Any]) -> Thing:
    limit = min(int(parameters.get("limit", 10)), LIST_MAX)
    return {"object": "list", "data": found[:limit], "has_more": len(found) > limit, "url": "/v1"}
