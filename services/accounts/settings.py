"""What accounts needs from the environment; nothing else here reads it."""

from base64 import b64decode
from binascii import Error as NotBase64
from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from shared.settings import Networks, ServiceSettings

SEALING_KEY_BYTES = 32
PEPPER_LENGTH_MIN = 32
DEFAULT_ADMIN_NETWORKS = tuple(
    ip_network(each) for each in ("100.64.0.0/10", "127.0.0.0/8", "::1/128", "172.16.0.0/12")
)
"""A tailnet, this host, and its container networks."""


def _pepper(value: SecretStr) -> SecretStr:
    if len(value) < PEPPER_LENGTH_MIN:
        raise ValueError(f"it must have at least {PEPPER_LENGTH_MIN} characters")
    return value


def _sealing_key(value: str) -> str:
    try:
        length = len(b64decode(value, validate=True))
    except NotBase64:
        length = 0
    if length != SEALING_KEY_BYTES:
        raise ValueError(f"it must be {SEALING_KEY_BYTES} bytes in base64")
    return value


class AccountsSettings(ServiceSettings):
    database_url: str
    redis_url: str
    amqp_url: str
    metering_url: str
    billing_url: str
    notifier_url: str
    gateway_url: str
    key_pepper: Annotated[SecretStr, AfterValidator(_pepper)]
    sealing_public_key: Annotated[str, AfterValidator(_sealing_key)]
    admin_key: SecretStr = SecretStr("")
    admin_allowed_cidrs: Networks = DEFAULT_ADMIN_NETWORKS
    trial_tokens: int = Field(default=100_000, ge=0)
    trial_expiry_days: int = Field(default=7, ge=1)
    registration_rate_limit: int = Field(default=10, ge=1)
    registration_address_rate_limit: int = Field(default=3, ge=1)
    key_recovery: Literal["immediate", "confirm"] = "immediate"
    email_deliverability: Literal["off", "on"] = "off"
    inference_user_rate_limit: int = Field(default=60, ge=1)
    inference_concurrency_limit: int = Field(default=16, ge=1)
