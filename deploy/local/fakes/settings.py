"""What the stand-ins of the payment providers are told, and where they refuse to run."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
STRIPE_PAGES = "/local/pay/stripe"
BTCPAY_PAGES = "/local/pay/btcpay"


@dataclass(frozen=True, slots=True)
class FakeSettings:
    """`base_url` is where customers are; the hooks are where events go."""

    base_url: str
    stripe_hook: str
    btcpay_hook: str
    stripe_key: str = field(repr=False)
    stripe_webhook_secret: str = field(repr=False)
    btcpay_key: str = field(repr=False)
    btcpay_store_id: str
    btcpay_webhook_secret: str = field(repr=False)


def refusal(environment: Mapping[str, str]) -> str | None:
    """Why they may not run here, as one sentence; None when they may."""
    if environment.get("LOCAL_FAKES") != "1":
        return "Stripe and BTCPay are stand-ins here: set LOCAL_FAKES=1 to run them."
    host = urlsplit(environment.get("BASE_URL", "")).hostname
    if host not in LOOPBACK_HOSTS:
        return (
            f"The stand-ins sell for play money: they do not run with BASE_URL on {host}, only on 127.0.0.1."
        )
    return None


def from_environment(hooks_at: str) -> FakeSettings:
    """Raises KeyError, which names what is missing."""
    return FakeSettings(
        base_url=os.environ["BASE_URL"].rstrip("/"),
        stripe_hook=f"{hooks_at}/stripe/webhook",
        btcpay_hook=f"{hooks_at}/btcpay/webhook",
        stripe_key=os.environ["STRIPE_SECRET_KEY"],
        stripe_webhook_secret=os.environ["STRIPE_WEBHOOK_SECRET"],
        btcpay_key=os.environ["BTCPAY_API_KEY"],
        btcpay_store_id=os.environ["BTCPAY_STORE_ID"],
        btcpay_webhook_secret=os.environ["BTCPAY_WEBHOOK_SECRET"],
    )
