"""What accounts needs from the environment; nothing else here reads it."""

from base64 import b64decode
from binascii import Error as NotBase64
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from shared.settings import ServiceSettings

SEALING_KEY_BYTES = 32
PEPPER_LENGTH_MIN = 32


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
    key_pepper: Annotated[SecretStr, AfterValidator(_pepper)]
    sealing_public_key: Annotated[str, AfterValidator(_sealing_key)]
    trial_tokens: int = Field(default=100_000, ge=0)
    trial_expiry_days: int = Field(default=7, ge=1)
    registration_rate_limit: int = Field(default=10, ge=1)
    registration_address_rate_limit: int = Field(default=3, ge=1)
    key_recovery: Literal["immediate", "confirm"] = "immediate"
    inference_user_rate_limit: int = Field(default=60, ge=1)
    inference_concurrency_limit: int = Field(default=16, ge=1)
