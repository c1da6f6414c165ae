"""BTCPay's webhook events: signed without a time, and delivered again under a new id that names the first."""

import hmac
import json
import time
from hashlib import sha256
from secrets import token_urlsafe
from typing import Any

from deploy.local.fakes.btcpay_store import Invoice
from deploy.local.fakes.delivery import Delivery, DeliveryEngine, Manner, Post
from deploy.local.fakes.settings import FakeSettings

WEBHOOK_ID = "webhook-of-the-stand-in"
WRONG = "the secret of somebody else"
TRIED_AGAIN = (0, 408, 429)


class BtcpayEvents:
    def __init__(self, settings: FakeSettings, engine: DeliveryEngine) -> None:
        self._settings = settings
        self._engine = engine

    def announce(self, event_type: str, invoice: Invoice, fields: dict[str, Any]) -> None:
        first_id, at = token_urlsafe(16), int(time.time())

        def write(number: int, manner: Manner) -> Post:
            event = {
                "deliveryId": first_id if number == 0 else token_urlsafe(16),
                "webhookId": WEBHOOK_ID,
                "originalDeliveryId": first_id,
                "isRedelivery": number > 0,
                "type": event_type,
                "timestamp": at,
                "storeId": invoice["storeId"],
                "invoiceId": invoice["id"],
                "metadata": invoice["metadata"],
                **fields,
            }
            return self._signed(json.dumps(event).encode(), manner)

        self._engine.send(Delivery(self._settings.btcpay_hook, write, _is_final))

    def _signed(self, body: bytes, manner: Manner) -> Post:
        secret = WRONG if manner.signs_wrongly else self._settings.btcpay_webhook_secret
        signature = hmac.new(secret.encode(), body, sha256).hexdigest()
        return Post(body, {"btcpay-sig": f"sha256={signature}", "content-type": "application/json"})


def _is_final(status: int) -> bool:
    """Only a server that fails, or is busy, is asked again."""
    return not (status in TRIED_AGAIN or status >= 500)
