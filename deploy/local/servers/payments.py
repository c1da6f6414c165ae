"""The stand-ins of Stripe and BTCPay as a process (deploy/local/fakes), and what billing is told of them.

Each stands in only for a provider of which no setting is given. Their secrets are made of the system's own."""

import hmac
import sys
from collections.abc import Mapping

from deploy.local import probes
from deploy.local.fakes.settings import BTCPAY_PAGES
from deploy.local.ports import LOOPBACK
from deploy.local.processes import ProcessSpec
from deploy.local.settings import LocalSettings

NAME = "payments"


def prepare(settings: LocalSettings, secrets: Mapping[str, str], *, port: int) -> ProcessSpec:
    own = _settings(settings, secrets, port)
    return ProcessSpec(
        name=NAME,
        argv=(sys.executable, "-m", "deploy.local.fakes", str(port), settings.edge_url),
        folder=settings.root,
        log=settings.logs / f"{NAME}.log",
        is_ready=lambda: probes.http_answers(port, "/health"),
        port=port,
        environment={**own, "LOCAL_FAKES": "1", "BASE_URL": settings.base_url},
    )


def settings_for_billing(settings: LocalSettings, secrets: Mapping[str, str], *, port: int) -> dict[str, str]:
    faked = settings.faked_providers
    own = _settings(settings, secrets, port)
    return {name: value for name, value in own.items() if name.split("_")[0] in faked}


def _settings(settings: LocalSettings, secrets: Mapping[str, str], port: int) -> dict[str, str]:
    def secret(name: str) -> str:
        return hmac.digest(secrets["INTERNAL_TOKEN"].encode(), name.encode(), "sha256").hex()

    url = f"http://{LOOPBACK}:{port}"
    return {
        "STRIPE_SECRET_KEY": f"sk_test_{secret('stripe')}",
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secret('stripe webhook')}",
        "STRIPE_API_URL": url,
        "BTCPAY_URL": url,
        "BTCPAY_PUBLIC_URL": f"{settings.base_url}{BTCPAY_PAGES}",
        "BTCPAY_API_KEY": secret("btcpay"),
        "BTCPAY_STORE_ID": "stand-in",
        "BTCPAY_WEBHOOK_SECRET": secret("btcpay webhook"),
    }
