"""What accounts needs from the environment; nothing else here reads it."""

from ipaddress import ip_network
from typing import Literal

from pydantic import Field, SecretStr

from shared.setting_values import (
    DAYS_MAX,
    TOKENS_MAX,
    AdminKey,
    AmqpUrl,
    HttpUrl,
    Networks,
    Pepper,
    PostgresUrl,
    PublicKey,
    RedisUrl,
)
from shared.settings import ServiceSettings

DEFAULT_ADMIN_NETWORKS = tuple(
    ip_network(each) for each in ("100.64.0.0/10", "127.0.0.0/8", "::1/128", "172.16.0.0/12")
)
"""A tailnet, this host, and its container networks."""


class AccountsSettings(ServiceSettings):
    database_url: PostgresUrl
    redis_url: RedisUrl
    amqp_url: AmqpUrl
    metering_url: HttpUrl
    billing_url: HttpUrl
    notifier_url: HttpUrl
    gateway_url: HttpUrl
    key_pepper: Pepper
    sealing_public_key: PublicKey
    admin_key: AdminKey = SecretStr("")
    admin_allowed_cidrs: Networks = DEFAULT_ADMIN_NETWORKS
    trial_tokens: int = Field(default=100_000, ge=0, le=TOKENS_MAX)
    trial_expiry_days: int = Field(default=7, ge=1, le=DAYS_MAX)
    registration_rate_limit: int = Field(default=10, ge=1)
    registration_address_rate_limit: int = Field(default=3, ge=1)
    key_recovery: Literal["immediate", "confirm"] = "immediate"
    email_deliverability: Literal["off", "on"] = "off"
    inference_user_rate_limit: int = Field(default=60, ge=1)
    inference_concurrency_limit: int = Field(default=16, ge=1)
