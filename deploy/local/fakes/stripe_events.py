"""Stripe's events: made of a change, kept for thirty days, signed, and delivered as snapshots or thin."""

import hmac
import json
import time
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from deploy.local.fakes.delivery import Delivery, DeliveryEngine, Manner, Post
from deploy.local.fakes.settings import FakeSettings

API_VERSION = "2026-10-28.endive"
WRONG = "whsec_of_somebody_else"
FORMATS = ("snapshot", "thin", "both")


@dataclass(frozen=True, slots=True)
class SentEvent:
    event: dict[str, Any]
    deliveries: list[Delivery]


class StripeEvents:
    """`format` is one of FORMATS; `both` means two events for one change."""

    def __init__(self, settings: FakeSettings, engine: DeliveryEngine) -> None:
        self._settings = settings
        self._engine = engine
        self.format = "snapshot"
        self.sent: list[SentEvent] = []

    def announce(self, event_type: str, about: Mapping[str, Any]) -> None:
        number = len(self.sent) + 1
        event = {
            "id": f"evt_{number:06d}{about['id'][-12:]}",
            "object": "event",
            "type": event_type,
            "api_version": API_VERSION,
            "created": int(time.time()),
            "livemode": False,
            "pending_webhooks": 1,
            "request": {"id": None, "idempotency_key": None},
            "data": {"object": deepcopy(dict(about))},
        }
        bodies = {"snapshot": [event], "thin": [_thin(event)], "both": [event, _thin(event)]}[self.format]
        deliveries = [self._delivery(json.dumps(body).encode()) for body in bodies]
        self.sent.append(SentEvent(event, deliveries))
        for delivery in deliveries:
            self._engine.send(delivery)

    def _delivery(self, body: bytes) -> Delivery:
        def write(_: int, manner: Manner) -> Post:
            secret = WRONG if manner.signs_wrongly else self._settings.stripe_webhook_secret
            headers = {"stripe-signature": _signature(body, secret), "content-type": "application/json"}
            return Post(body, headers)

        return Delivery(self._settings.stripe_hook, write, lambda status: 200 <= status < 300)


def _signature(body: bytes, secret: str) -> str:
    """By hand, so that billing's check by the library has something to check against."""
    now = int(time.time())
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, sha256).hexdigest()
    return f"t={now},v1={digest}"


def _thin(event: Mapping[str, Any]) -> dict[str, Any]:
    """Only names what changed (docs.stripe.com/event-destinations)."""
    about = event["data"]["object"]
    return {
        "id": f"{event['id']}thin",
        "object": "v2.core.event",
        "type": f"v1.{event['type']}",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(event["created"])),
        "livemode": event["livemode"],
        "related_object": {"id": about["id"], "type": about["object"], "url": f"/v1/{about['id']}"},
        "snapshot_event": event["id"],
    }
