"""What billing reads from the environment. A provider has all of its settings, or none."""

from ipaddress import ip_network
from typing import Self
from urllib.parse import urlsplit

from pydantic import SecretStr, model_validator

from services.billing.domain.payment_methods import Method
from shared.setting_values import (
    AmqpUrl,
    HttpUrl,
    HttpUrlOrNone,
    Networks,
    OthersSecrets,
    PostgresUrl,
)
from shared.settings import ServiceSettings

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")
NEEDED = {
    Method.STRIPE: ("stripe_secret_key", "stripe_webhook_secret"),
    Method.BTCPAY: (
        "btcpay_url",
        "btcpay_public_url",
        "btcpay_api_key",
        "btcpay_store_id",
        "btcpay_webhook_secret",
    ),
}


class BillingSettings(ServiceSettings):
    """`stripe_api_url` is only for a stand-in of Stripe; empty is Stripe itself. Each webhook secret may be several:
    while one is rotated, events signed with either are taken."""

    database_url: PostgresUrl
    amqp_url: AmqpUrl
    accounts_url: HttpUrl
    metering_url: HttpUrl
    admin_allowed_cidrs: Networks = (
        ip_network("100.64.0.0/10"),
        ip_network("127.0.0.0/8"),
        ip_network("::1/128"),
        ip_network("172.16.0.0/12"),
    )
    stripe_secret_key: SecretStr = SecretStr("")
    stripe_webhook_secret: OthersSecrets = ()
    stripe_api_url: HttpUrlOrNone = ""
    btcpay_url: HttpUrlOrNone = ""
    btcpay_public_url: HttpUrlOrNone = ""
    btcpay_api_key: SecretStr = SecretStr("")
    btcpay_store_id: str = ""
    btcpay_webhook_secret: OthersSecrets = ()
    local_fakes: bool = False

    @property
    def configured(self) -> frozenset[Method]:
        """The methods of which every setting is given."""
        return frozenset(method for method in NEEDED if not self._missing(method))

    @property
    def webhook_secrets(self) -> dict[Method, OthersSecrets]:
        secrets = {Method.STRIPE: self.stripe_webhook_secret, Method.BTCPAY: self.btcpay_webhook_secret}
        return {method: secrets[method] for method in self.configured}

    def _missing(self, method: Method) -> list[str]:
        return [name for name in NEEDED[method] if not getattr(self, name)]

    @model_validator(mode="after")
    def _each_provider_whole_or_not_at_all(self) -> Self:
        """Half of one would be an operator who waits for buttons that never come."""
        for method, names in NEEDED.items():
            if 0 < len(missing := self._missing(method)) < len(names):
                given = next(name for name in names if name not in missing)
                wanted = " and ".join(name.upper() for name in missing)
                raise ValueError(
                    f"{wanted} must be set where {given.upper()} is: a provider needs all of its settings, or none"
                )
        return self

    @model_validator(mode="after")
    def _fakes_stay_at_home(self) -> Self:
        is_local = urlsplit(self.base_url).hostname in LOOPBACK_HOSTS
        if self.local_fakes and not is_local:
            raise ValueError("LOCAL_FAKES=1 sells tokens for play money: BASE_URL must be on loopback")
        if self.stripe_api_url and not self.local_fakes:
            raise ValueError("STRIPE_API_URL is for a stand-in of Stripe: it needs LOCAL_FAKES=1")
        return self
