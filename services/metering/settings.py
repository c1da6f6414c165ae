"""Where metering's servers are, and with what it signs. The environment is read here and nowhere else."""

from base64 import b64decode
from typing import Annotated

from pydantic import AfterValidator, SecretStr

from shared.settings import ServiceSettings

SEED_BYTES = 32


def _seed(value: SecretStr) -> SecretStr:
    if len(b64decode(value.get_secret_value(), validate=True)) != SEED_BYTES:
        raise ValueError(f"give {SEED_BYTES} bytes in base64")
    return value


class Settings(ServiceSettings):
    """Without `receipt_signing_key` receipts are not signed."""

    database_url: str
    redis_url: str
    amqp_url: str
    receipt_signing_key: Annotated[SecretStr, AfterValidator(_seed)] | None = None
