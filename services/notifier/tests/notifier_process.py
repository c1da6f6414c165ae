"""The real notifier app, with its consumer and its deliveries, and a way to send it events."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from services.notifier.app import build_app
from services.notifier.settings import NotifierSettings
from services.notifier.tests.smtp_server import HOST
from shared.api_keys import display_of, new_account_id, new_api_key
from shared.clock import utc_now
from shared.contracts.accounts import KeyIssued
from shared.contracts.envelope import Envelope, wrap
from shared.sealing import new_key_pair, seal

PUBLIC_KEY, PRIVATE_KEY = new_key_pair()


@dataclass(frozen=True)
class Issued:
    """A key as accounts would issue it, and what the notifier must not show."""

    key: str
    email: str
    envelope: Envelope


def issue_key(*, sealed_to: str = PUBLIC_KEY, email: str | None = None) -> Issued:
    account_id = new_account_id()
    address = email or f"ada-{account_id}@example.com"
    key = new_api_key(account_id)
    event = KeyIssued(
        account_id=account_id,
        key_id=str(uuid4()),
        sealed_email=seal(PUBLIC_KEY, address),
        sealed_key=seal(sealed_to, key),
        key_display=display_of(key),
        reason="registered",
    )
    envelope = wrap(event, source="accounts", subject=account_id, now=utc_now(), request_id=str(uuid4()))
    return Issued(key, address, envelope)


def settings(database_url: str, *, amqp_url: str, smtp_port: int, **given: Any) -> NotifierSettings:
    defaults: dict[str, Any] = {
        "base_url": "https://promptly.test",
        "internal_token": ("an-internal-token",),
        "sealing_private_key": PRIVATE_KEY,
        "smtp_host": HOST,
        "smtp_from": "keys@promptly.test",
    }
    return NotifierSettings(
        database_url=database_url, amqp_url=amqp_url, smtp_port=smtp_port, **{**defaults, **given}
    )


@asynccontextmanager
async def serving(settings: NotifierSettings) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://notifier") as client,
    ):
        yield client
