"""`python -m services.billing reconcile`: asks the running service to compare everything now, and prints what it found.

The exit code is 1 when a question stayed without an answer or the ledger differed: run it again after a minute."""

import asyncio
import sys

from services.billing.settings import BillingSettings
from shared.contracts.internal.billing import Reconciled
from shared.errors import Unavailable
from shared.http.internal import InternalClient
from shared.settings import load

TIMEOUT_SECONDS = 600.0
"""Every order is looked up at its provider, one after the other."""
ANY_ADDRESS = "0.0.0.0"
LINES = {
    "orders_checked": "orders looked up at their providers",
    "orders_changed": "  of them changed: a provider knew more",
    "events_found": "events found that were never delivered",
    "ledger_checked": "paid orders compared with the ledger",
    "ledger_differences": "  of them different: told again",
    "unanswered": "questions without an answer",
    "reviews_open": "orders that wait for a decision (admin panel)",
}


def main() -> int:
    try:
        found = asyncio.run(_reconcile(load(BillingSettings)))
    except Unavailable as error:
        sys.stderr.write(f"billing does not answer: {error.message}\n")
        return 1
    for name, meaning in LINES.items():
        sys.stdout.write(f"{getattr(found, name):>8}  {meaning}\n")
    return int(found.unanswered > 0 or found.ledger_differences > 0)


async def _reconcile(settings: BillingSettings) -> Reconciled:
    host = "127.0.0.1" if settings.listen_host == ANY_ADDRESS else settings.listen_host
    url = f"http://{host}:{settings.listen_port}"
    async with InternalClient(url, settings.internal_token, TIMEOUT_SECONDS) as client:
        reply = await client.post("/internal/reconcile")
    return Reconciled.model_validate_json(reply.content)
